/** What `explain()` tells and how it reads; that it agrees with the table is in random_test.ts. */

import { assertEquals } from "@std/assert";
import { explain, renderExplanation } from "../../../lib/routing/explanation.ts";
import { RouteTable } from "../../../lib/routing/route_table.ts";
import type { RouteCriteria, RouteInput, RouteSpec } from "../../../lib/routing/types.ts";

const ANYTHING: RouteCriteria = { hosts: [], path: "/*", methods: [], headers: [], query: [] };

function routesOf(routes: Record<string, Partial<RouteCriteria>>): Array<RouteSpec<null>> {
  return Object.entries(routes).map(([name, match], i) => {
    return { name, line: 10 * (i + 1), match: { ...ANYTHING, ...match }, value: null };
  });
}

const TABLE = new RouteTable(routesOf({
  fallback: {},
  wide: { hosts: ["*.test"], path: "/v1/*" },
  api: { hosts: ["api.test", "*.api.test"], path: "/v1/:kind/*" },
  beta: { hosts: ["api.test"], path: "/v1/:kind/*", methods: ["GET"], headers: [["x-beta", "1"], ["x-id", "*"]] },
  write: { hosts: ["api.test"], path: "/v1/users/*", methods: ["POST", "PUT"], query: [["dry", "1"]] },
  other: { hosts: ["other.test"], path: "/v1/*" },
  health: { path: "/healthz" },
}));

const REQUEST: RouteInput = {
  method: "GET",
  host: "API.test:8080",
  path: "/v1/users/7",
  query: "dry=2",
  field: (name) => name === "x-beta" ? "2" : null,
};

const TEXT = `
route "api" (line 30) matches
  :kind is "users"
  * is "7"
considered, the most specific first:
  - "write" (line 50): method GET is not POST or PUT; query dry is "2", not "1"
      exact host "api.test", path "/v1/users/*", given methods, 1 condition
  - "beta" (line 40): header x-beta is "2", not "1"; header x-id is absent
      exact host "api.test", path "/v1/:kind/*", given methods, 2 conditions
  + "api" (line 30): matches
      exact host "api.test", path "/v1/:kind/*", any method, no conditions
  - "other" (line 60): host "api.test" is not "other.test"
      exact host "other.test", path "/v1/*", any method, no conditions
  - "wide" (line 20): would match, but "api" is more specific: exact host "api.test" beats wildcard host "*.test"
      wildcard host "*.test", path "/v1/*", any method, no conditions
  - "health" (line 70): path "/v1/users/7" does not match "/healthz"
      any host, path "/healthz", any method, no conditions
  - "fallback" (line 10): would match, but "api" is more specific: exact host "api.test" beats any host
      any host, path "/*", any method, no conditions`;

Deno.test("renderExplanation() tells the route, its captures, and every verdict in order of precedence", () => {
  assertEquals(renderExplanation(explain(TABLE, REQUEST)), TEXT.trim().split("\n"));
});

Deno.test("explain() tells the result, and a verdict for each route", () => {
  const { matched, considered } = explain(TABLE, REQUEST);
  assertEquals([matched?.route.name, matched?.params, matched?.rest], ["api", ["users"], "7"]);
  assertEquals(considered.map(({ route, verdict }) => [route.name, verdict.kind]), [
    ["write", "mismatch"],
    ["beta", "mismatch"],
    ["api", "matched"],
    ["other", "mismatch"],
    ["wide", "outranked"],
    ["health", "mismatch"],
    ["fallback", "outranked"],
  ]);
});

Deno.test("renderExplanation() tells of a 404 and why", () => {
  const table = new RouteTable(routesOf({ only: { path: "/a/*" } }));
  assertEquals(renderExplanation(explain(table, REQUEST)), [
    "no route matches: answered with 404",
    "considered, the most specific first:",
    `  - "only" (line 10): path "/v1/users/7" does not match "/a/*"`,
    `      any host, path "/a/*", any method, no conditions`,
  ]);
});

Deno.test("renderExplanation() tells of a table without routes", () => {
  assertEquals(renderExplanation(explain(new RouteTable([]), REQUEST)), ["no route matches: answered with 404"]);
});

const REASONS: Array<{ name: string; won: Partial<RouteCriteria>; lost: Partial<RouteCriteria>; reason: string }> = [
  {
    name: "host kinds",
    won: { hosts: ["a.test"] },
    lost: { hosts: ["*.test"] },
    reason: `exact host "a.test" beats wildcard host "*.test"`,
  },
  {
    name: "wildcard lengths",
    won: { hosts: ["*.b.test"] },
    lost: { hosts: ["*.test"] },
    reason: `wildcard host "*.b.test" is longer than wildcard host "*.test"`,
  },
  {
    name: "literal and parameter",
    won: { path: "/a/:x/b/*" },
    lost: { path: "/a/:x/:y/:z" },
    reason: `at segment 3 of the path, "b" beats :y`,
  },
  {
    name: "end and star",
    won: { path: "/a" },
    lost: { path: "/a/*" },
    reason: "at segment 2 of the path, the end beats *",
  },
  { name: "methods", won: { methods: ["GET"] }, lost: {}, reason: "given methods beat any method" },
  {
    name: "conditions",
    won: { headers: [["a", "*"]], query: [["b", "*"]] },
    lost: { query: [["b", "*"]] },
    reason: "2 conditions beat 1 condition",
  },
];

for (const { name, won, lost, reason } of REASONS) {
  Deno.test(`Precedence.reasonOver() tells ${name} apart`, () => {
    const [first, second] = new RouteTable(routesOf({ lost, won })).entries;
    assertEquals([first.route.name, second.route.name], ["won", "lost"]);
    assertEquals(first.precedence.compare(second.precedence) < 0, true);
    assertEquals(second.precedence.compare(first.precedence) > 0, true);
    assertEquals(first.precedence.reasonOver(second.precedence), reason);
    assertEquals(second.precedence.reasonOver(first.precedence), "equally specific");
  });
}
