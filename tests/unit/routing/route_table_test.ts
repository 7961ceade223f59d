/** RouteTable by example: which route wins, what it captures, what is refused. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { routingHost } from "../../../lib/routing/host_pattern.ts";
import { conflictsAmong, RouteConflictError } from "../../../lib/routing/route_conflicts.ts";
import { routeEntries } from "../../../lib/routing/route_entry.ts";
import { RouteTable } from "../../../lib/routing/route_table.ts";
import type { RouteCriteria, RouteInput, RouteSpec } from "../../../lib/routing/types.ts";

const ANYTHING: RouteCriteria = { hosts: [], path: "/*", methods: [], headers: [], query: [] };

function routesOf(routes: Record<string, Partial<RouteCriteria>>): Array<RouteSpec<string>> {
  return Object.entries(routes).map(([name, match], i) => {
    return { name, line: 10 * (i + 1), match: { ...ANYTHING, ...match }, value: name };
  });
}

/** @param line "METHOD host target", then fields as "name: value". */
function inputOf(line: string, ...fields: string[]): RouteInput {
  const [method, host, target] = line.split(" ");
  const mark = target.indexOf("?");
  const values = new Map(fields.map((field) => field.split(": ") as [string, string]));
  return {
    method,
    host,
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? "" : target.slice(mark + 1),
    field: (name) => values.get(name) ?? null,
  };
}

const HOSTS = routesOf({
  exact: { hosts: ["api.example.com"], path: "/v1/*" },
  near: { hosts: ["*.example.com"] },
  nearer: { hosts: ["*.eu.example.com"], path: "/a/*" },
  two: { hosts: ["one.test", "*.two.test"] },
  any: { path: "/everywhere" },
});

const PATHS = routesOf({
  root: { path: "/" },
  all: {},
  a: { path: "/a" },
  aSlash: { path: "/a/" },
  aBelow: { path: "/a/*" },
  ab: { path: "/a/b/*" },
  user: { path: "/users/:id" },
  me: { path: "/users/me" },
  userBelow: { path: "/users/:id/*" },
  post: { path: "/users/:id/posts/:post" },
  mePosts: { path: "/users/me/posts/*" },
  colon: { path: "/batch:run" },
});

const CONDITIONS = routesOf({
  plain: { path: "/a/*" },
  get: { path: "/a/*", methods: ["GET"] },
  getBeta: { path: "/a/*", methods: ["GET"], headers: [["x-beta", "1"]] },
  getBetaDebug: { path: "/a/*", methods: ["GET"], headers: [["x-beta", "1"]], query: [["debug", "*"]] },
  deep: { path: "/a/b", methods: ["POST"] },
  hosted: { hosts: ["h.test"], path: "/a/b/c", headers: [["x-on", "*"]] },
  empty: { path: "/q", query: [["flag", ""]] },
  valued: { path: "/q", query: [["flag", "on"]] },
});

interface Case {
  name: string;
  routes: Array<RouteSpec<string>>;
  request: string;
  fields?: string[];
  expected: string | null;
  tail?: string;
  params?: string[];
}

const CASES: Case[] = [
  { name: "prefers an exact host", routes: HOSTS, request: "GET api.example.com /v1/x", expected: "exact", tail: "/x" },
  { name: "falls from exact host to wildcard", routes: HOSTS, request: "GET api.example.com /v2", expected: "near" },
  {
    name: "ignores case, port and trailing dot",
    routes: HOSTS,
    request: "GET API.Example.com.:8443 /v1",
    expected: "exact",
  },
  { name: "prefers the longer suffix", routes: HOSTS, request: "GET x.eu.example.com /a", expected: "nearer" },
  { name: "falls from longer to shorter suffix", routes: HOSTS, request: "GET x.eu.example.com /b", expected: "near" },
  { name: "matches a wildcard at depth", routes: HOSTS, request: "GET a.b.c.example.com /", expected: "near" },
  { name: "keeps a wildcard off its apex", routes: HOSTS, request: "GET example.com /", expected: null },
  { name: "keeps a wildcard off a longer label", routes: HOSTS, request: "GET notexample.com /", expected: null },
  { name: "keeps a wildcard off an empty label", routes: HOSTS, request: "GET .example.com /", expected: null },
  { name: "takes each host of a list", routes: HOSTS, request: "GET x.two.test /", expected: "two" },
  { name: "falls to any host", routes: HOSTS, request: "GET example.com /everywhere", expected: "any" },
  { name: "prefers a wildcard to any host", routes: HOSTS, request: "GET x.two.test /everywhere", expected: "two" },
  { name: "matches any host when it is empty", routes: PATHS, request: "GET  /", expected: "root" },

  { name: "prefers exact to prefix", routes: PATHS, request: "GET h /a", expected: "a", tail: "" },
  { name: "tells a trailing slash apart", routes: PATHS, request: "GET h /a/", expected: "aSlash", tail: "" },
  { name: "prefers the longer prefix", routes: PATHS, request: "GET h /a/b", expected: "ab", tail: "" },
  { name: "captures what * matched", routes: PATHS, request: "GET h /a/c/d", expected: "aBelow", tail: "/c/d" },
  { name: "keeps a prefix to whole segments", routes: PATHS, request: "GET h /ab", expected: "all", tail: "/ab" },
  { name: "prefers a literal to a parameter", routes: PATHS, request: "GET h /users/me", expected: "me" },
  { name: "binds a parameter", routes: PATHS, request: "GET h /users/7", expected: "user", params: ["7"] },
  { name: "binds no empty segment", routes: PATHS, request: "GET h /users/", expected: "all", tail: "/users/" },
  {
    name: "binds several parameters",
    routes: PATHS,
    request: "GET h /users/7/posts/9",
    expected: "post",
    params: ["7", "9"],
  },
  {
    name: "goes back to a parameter when the literal leads nowhere",
    routes: PATHS,
    request: "GET h /users/me/x",
    expected: "userBelow",
    tail: "/x",
    params: ["me"],
  },
  {
    name: "prefers the earlier literal to the longer pattern",
    routes: PATHS,
    request: "GET h /users/me/posts/9",
    expected: "mePosts",
    tail: "/9",
  },
  {
    name: "keeps both parameters and tail",
    routes: PATHS,
    request: "GET h /users/7/posts/9/x",
    expected: "userBelow",
    tail: "/posts/9/x",
    params: ["7"],
  },
  { name: "takes a colon inside a segment literally", routes: PATHS, request: "GET h /batch:run", expected: "colon" },
  { name: "is case-sensitive in paths", routes: PATHS, request: "GET h /A", expected: "all", tail: "/A" },
  { name: "does not decode %61", routes: PATHS, request: "GET h /%61", expected: "all", tail: "/%61" },
  { name: "takes %2F as no slash", routes: PATHS, request: "GET h /users/7%2Fx", expected: "user", params: ["7%2Fx"] },
  { name: "leaves dot segments", routes: PATHS, request: "GET h /a/../b", expected: "aBelow", tail: "/../b" },
  { name: "keeps empty segments", routes: PATHS, request: "GET h //a", expected: "all", tail: "//a" },
  { name: "gives OPTIONS * to /*", routes: PATHS, request: "OPTIONS h *", expected: "all", tail: "" },
  { name: "gives no route to other forms", routes: PATHS, request: "CONNECT h h:443", expected: null },
  { name: "gives OPTIONS * to /* only", routes: HOSTS, request: "OPTIONS h *", expected: null },

  { name: "prefers given methods", routes: CONDITIONS, request: "GET h /a", expected: "get" },
  { name: "does not take HEAD for GET", routes: CONDITIONS, request: "HEAD h /a", expected: "plain" },
  {
    name: "prefers more conditions",
    routes: CONDITIONS,
    request: "GET h /a",
    fields: ["x-beta: 1"],
    expected: "getBeta",
  },
  {
    name: "wants the exact header value",
    routes: CONDITIONS,
    request: "GET h /a",
    fields: ["x-beta: 2"],
    expected: "get",
  },
  {
    name: "counts query conditions",
    routes: CONDITIONS,
    request: "GET h /a?x=1&debug",
    fields: ["x-beta: 1"],
    expected: "getBetaDebug",
  },
  {
    name: "does not take a name for its prefix",
    routes: CONDITIONS,
    request: "GET h /a?debugger=1&xdebug",
    fields: ["x-beta: 1"],
    expected: "getBeta",
  },
  { name: "passes by a longer path whose method fails", routes: CONDITIONS, request: "GET h /a/b", expected: "get" },
  {
    name: "passes by an exact host whose header fails",
    routes: CONDITIONS,
    request: "PUT h.test /a/b/c",
    expected: "plain",
  },
  { name: "takes presence", routes: CONDITIONS, request: "PUT h.test /a/b/c", fields: ["x-on: "], expected: "hosted" },
  { name: "takes a parameter without = as empty", routes: CONDITIONS, request: "GET h /q?flag", expected: "empty" },
  { name: "takes an empty parameter", routes: CONDITIONS, request: "GET h /q?flag=&a", expected: "empty" },
  { name: "compares whole values", routes: CONDITIONS, request: "GET h /q?flag=one", expected: null },
  {
    name: "takes the first of repeated parameters",
    routes: CONDITIONS,
    request: "GET h /q?flag=on&flag=",
    expected: "valued",
  },
  { name: "finds no route", routes: CONDITIONS, request: "GET h /", expected: null },
];

for (const { name, routes, request, fields = [], expected, tail = undefined, params = [] } of CASES) {
  Deno.test(`RouteTable.match() ${name}`, () => {
    const matched = new RouteTable(routes).match(inputOf(request, ...fields));
    assertEquals(matched?.route.value ?? null, expected);
    if (tail !== undefined) {
      assertEquals(matched?.tail, tail);
      assertEquals(matched?.rest, tail.replace(/^\//, ""));
    }
    if (matched !== null) assertEquals(matched.params, params);
  });
}

Deno.test("RouteTable.match() shares one result among requests that capture nothing", () => {
  const table = new RouteTable(PATHS);
  for (const request of ["GET h /a", "GET h /a/b", "GET h /users/me"]) {
    assertStrictEquals(table.match(inputOf(request)), table.match(inputOf(request)));
  }
});

Deno.test("RouteTable.match() finds each of many literals beside one another", () => {
  const names = Array.from({ length: 40 }, (_, i) => `area${i}`);
  const table = new RouteTable(routesOf(Object.fromEntries(names.map((name) => [name, { path: `/v1/${name}/*` }]))));
  assertEquals(names.map((name) => table.match(inputOf(`GET h /v1/${name}/x`))?.route.name), names);
  assertEquals(table.match(inputOf("GET h /v1/area40/x")), null);
  assertEquals(table.match(inputOf("GET h /v1/area/x")), null);
});

Deno.test("RouteTable.match() reads fields only for routes that fit so far and have conditions on them", () => {
  const table = new RouteTable(CONDITIONS);
  const asked: string[] = [];
  const watch = (request: string): RouteInput => ({
    ...inputOf(request),
    field: (name) => (asked.push(name), null),
  });
  for (const request of ["GET h /q?flag", "POST h /a/b", "PUT h /a/c", "GET h /"]) table.match(watch(request));
  assertEquals(asked, []);
  table.match(watch("GET h /a?x=1"));
  assertEquals(asked, ["x-beta"]);
});

Deno.test("RouteTable.match() bounds the look-ups for a host of many labels", () => {
  const table = new RouteTable(HOSTS);
  const host = "a.".repeat(16_384) + "eu.example.com";
  assertEquals(table.match(inputOf(`GET ${host} /a`))?.route.name, "nearer");
});

const REFUSALS: Array<{ name: string; match: Partial<RouteCriteria>; message: string }> = [
  { name: "a path without slash", match: { path: "a" }, message: `must begin with "/"` },
  { name: "a star inside a segment", match: { path: "/a*" }, message: `"*" must be the whole last segment` },
  { name: "a star before the end", match: { path: "/*/a" }, message: `"*" must be the whole last segment` },
  { name: "a parameter without name", match: { path: "/:" }, message: `must be ":" and a name` },
  { name: "a parameter twice", match: { path: "/:a/:a" }, message: `parameter ":a" must occur once` },
  { name: "a query in the path", match: { path: "/a?b" }, message: `use query conditions` },
  { name: "a space in the path", match: { path: "/a b" }, message: `write other bytes as %XX` },
  { name: "a lone star as host", match: { hosts: ["*"] }, message: `leave the host out` },
  { name: "a star inside a host", match: { hosts: ["a.*.com"] }, message: `"*" must be the whole first label` },
  { name: "an upper-case host", match: { hosts: ["A.com"] }, message: `must be a lower-case name` },
  { name: "a host with port", match: { hosts: ["a.com:80"] }, message: `must be a lower-case name without port` },
  { name: "an empty host", match: { hosts: [""] }, message: `must be a lower-case name` },
  { name: "an empty label", match: { hosts: ["a..com"] }, message: `must be a host name or an address` },
];

for (const { name, match, message } of REFUSALS) {
  Deno.test(`RouteTable() refuses ${name}`, () => {
    const error = assertThrows(() => new RouteTable(routesOf({ wrong: match })), SyntaxError, message);
    assertEquals(error.message.startsWith(`Route "wrong" (line 10): Cannot use `), true);
  });
}

const PAIRS: Array<{ name: string; a: Partial<RouteCriteria>; b: Partial<RouteCriteria>; ties: boolean }> = [
  { name: "two routes for everything", a: {}, b: {}, ties: true },
  { name: "a shared host of two lists", a: { hosts: ["a", "b"] }, b: { hosts: ["b", "c"] }, ties: true },
  { name: "different hosts", a: { hosts: ["a"] }, b: { hosts: ["b"] }, ties: false },
  { name: "equal wildcards", a: { hosts: ["*.a"] }, b: { hosts: ["*.a"] }, ties: true },
  { name: "wildcards one below the other", a: { hosts: ["*.b.a"] }, b: { hosts: ["*.a"] }, ties: false },
  { name: "parameters of different names", a: { path: "/u/:id" }, b: { path: "/u/:name" }, ties: true },
  { name: "parameter and literal", a: { path: "/u/:id" }, b: { path: "/u/me" }, ties: false },
  { name: "crossed parameters", a: { path: "/:a/x" }, b: { path: "/x/:b" }, ties: false },
  { name: "exact and prefix", a: { path: "/a" }, b: { path: "/a/*" }, ties: false },
  { name: "with and without slash", a: { path: "/a" }, b: { path: "/a/" }, ties: false },
  { name: "methods that meet", a: { methods: ["GET", "PUT"] }, b: { methods: ["PUT"] }, ties: true },
  { name: "disjoint methods", a: { methods: ["GET"] }, b: { methods: ["PUT"] }, ties: false },
  { name: "given and any methods", a: { methods: ["GET"] }, b: {}, ties: false },
  { name: "different headers", a: { headers: [["x", "1"]] }, b: { headers: [["y", "1"]] }, ties: true },
  { name: "different values", a: { headers: [["x", "1"]] }, b: { headers: [["x", "2"]] }, ties: false },
  { name: "a value and presence", a: { headers: [["x", "1"]] }, b: { headers: [["x", "*"]] }, ties: true },
  { name: "header and query", a: { headers: [["x", "1"]] }, b: { query: [["x", "2"]] }, ties: true },
  { name: "different parameter values", a: { query: [["x", "1"]] }, b: { query: [["x", ""]] }, ties: false },
  { name: "one condition and two", a: { query: [["x", "1"]] }, b: { query: [["y", "1"], ["z", "1"]] }, ties: false },
];

for (const { name, a, b, ties } of PAIRS) {
  for (const { order, routes } of [{ order: "", routes: { a, b } }, { order: " in reverse", routes: { b, a } }]) {
    Deno.test(`RouteTable() ${ties ? "refuses" : "takes"} ${name}${order}`, () => {
      const specs = routesOf(routes);
      const conflicts = conflictsAmong(routeEntries(specs)).map(({ first, second }) => [first.name, second.name]);
      assertEquals(conflicts, ties ? [Object.keys(routes)] : []);
      if (ties) assertThrows(() => new RouteTable(specs), RouteConflictError, " tie for ");
      else assertEquals(new Set(new RouteTable(specs).entries.map(({ route }) => route.name)), new Set(["a", "b"]));
    });
  }
}

Deno.test("RouteConflictError lists every pair, once, with all hosts they share", () => {
  const routes = routesOf({
    one: { hosts: ["a.test", "b.test"], path: "/u/:id", methods: ["GET", "PUT"] },
    two: { hosts: ["b.test", "a.test"], path: "/u/:user", methods: ["PUT", "GET"] },
    other: { hosts: ["a.test"], path: "/u" },
    three: { hosts: ["b.test"], path: "/u/:id", methods: ["PUT"] },
  });
  const error = assertThrows(() => new RouteTable(routes), RouteConflictError);
  assertEquals(error.message.split("\n"), [
    `routes "one" (line 10) and "two" (line 20) tie for host "a.test", host "b.test", paths "/u/:id" and "/u/:user", ` +
    `GET and PUT; give one of them other methods or a further condition`,
    `routes "one" (line 10) and "three" (line 40) tie for host "b.test", path "/u/:id", PUT; ` +
    `give one of them other methods or a further condition`,
    `routes "two" (line 20) and "three" (line 40) tie for host "b.test", paths "/u/:user" and "/u/:id", PUT; ` +
    `give one of them other methods or a further condition`,
  ]);
});

Deno.test("RouteTable() takes one host twice in one route", () => {
  assertEquals(new RouteTable(routesOf({ a: { hosts: ["a", "a"] } })).entries.length, 1);
});

const AUTHORITIES: Array<[authority: string, expected: string]> = [
  ["example.com", "example.com"],
  ["Example.COM:443", "example.com"],
  ["example.com.", "example.com"],
  ["example.com.:80", "example.com"],
  ["[2001:DB8::1]:8080", "[2001:db8::1]"],
  ["[::1]", "[::1]"],
  ["127.0.0.1:80", "127.0.0.1"],
  ["", ""],
  ["\u212A.test", "\u212A.test"], // The Kelvin sign must not become an ASCII "k".
];

for (const [authority, expected] of AUTHORITIES) {
  Deno.test(`routingHost() turns ${JSON.stringify(authority)} into ${JSON.stringify(expected)}`, () => {
    assertEquals(routingHost(authority), expected);
  });
}
