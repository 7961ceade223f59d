/**
 * RouteTable against the plainest thing that could work: a scan over all routes, sorted by precedence, with regular
 * expressions. The reference shares no code with lib/routing.
 */

import { assertEquals } from "@std/assert";
import type { RouteMatch } from "../../../lib/config/types.ts";
import { conditionsHold, failedConditions } from "../../../lib/routing/conditions.ts";
import { explain } from "../../../lib/routing/explanation.ts";
import { conflictsAmong, type RouteConflict } from "../../../lib/routing/route_conflicts.ts";
import { routeEntries } from "../../../lib/routing/route_entry.ts";
import { RouteTable } from "../../../lib/routing/route_table.ts";
import type { RouteInput, RouteSpec } from "../../../lib/routing/types.ts";

type Random = () => number;
type Fields = Record<string, string>;

/** A request as data, so that a failure prints what is needed to repeat it. */
interface Request {
  method: string;
  host: string;
  path: string;
  query: string;
  fields: Fields;
}

/** One route at one host, with everything the reference needs. */
interface Rival {
  route: RouteSpec<number>;
  host: RegExp;
  path: RegExp;
  /** Compared from the left, larger first. */
  rank: string[];
}

/** Mulberry32: small, seeded, good enough to choose test data. */
function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function oneOf<V>(random: Random, values: readonly V[]): V {
  return values[Math.floor(random() * values.length)];
}

function someOf<V>(random: Random, values: readonly V[], share: number): V[] {
  return values.filter(() => random() < share);
}

function randomMatch(random: Random): RouteMatch {
  const segments = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) => {
    return oneOf(random, ["a", "b", `:p${i}`, `:q${i}`, ""]);
  });
  if (random() < 0.5) segments.push("*");
  const conditions = (share: number) =>
    someOf(random, ["x", "y"], share).map((name) => [name, oneOf(random, ["1", "2", "*", ""])] as const);
  return {
    hosts: someOf(random, ["a.t", "b.a.t", "*.t", "*.a.t", "*.b.a.t"], 0.3),
    path: "/" + segments.join("/"),
    methods: someOf(random, ["GET", "PUT"], 0.3),
    headers: conditions(0.25),
    query: conditions(0.15),
  };
}

function randomRequest(random: Random): Request {
  const segments = Array.from(
    { length: 1 + Math.floor(random() * 4) },
    () => oneOf(random, ["a", "b", "c", "", "%61"]),
  );
  return {
    method: oneOf(random, ["GET", "PUT", "HEAD"]),
    host: oneOf(random, ["a.t", "b.a.t", "c.a.t", "c.b.a.t", "x.t", "t", "ba.t", "A.T:80", "", "z"]),
    path: random() < 0.02 ? "*" : "/" + segments.join("/"),
    query: someOf(random, ["x=1", "x=2", "x", "y=1", "y=", "xy=1", "x=12"], 0.25).join("&"),
    fields: Object.fromEntries(someOf(random, ["x", "y"], 0.5).map((name) => [name, oneOf(random, ["1", "2", ""])])),
  };
}

function inputOf({ method, host, path, query, fields }: Request): RouteInput {
  return { method, host, path, query, field: (name) => fields[name] ?? null };
}

function rivalsOf(route: RouteSpec<number>): Rival[] {
  const { hosts, path, methods, headers, query } = route.match;
  const isPrefix = path.endsWith("/*");
  const segments = (isPrefix ? path.slice(0, -2) : path).split("/").slice(1);
  const pattern = segments.map((segment) => segment.startsWith(":") ? "/([^/]+)" : `/${segment}`).join("");
  const kinds = segments.map((segment) => segment.startsWith(":") ? "c" : "d").join("") + (isPrefix ? "a" : "b");
  return (hosts.length === 0 ? [""] : hosts).map((host) => {
    const labels = host.startsWith("*.") ? String(host.split(".").length) : "";
    return {
      route,
      host: new RegExp(host === "" ? "" : `^${host.replaceAll(".", "\\.").replace("*", ".+")}$`),
      path: new RegExp(`^${pattern}${isPrefix ? "(/.*)?" : "()"}$` + (path === "/*" ? "|^\\*$" : "")),
      rank: [
        host === "" ? "0" : host.startsWith("*.") ? "1" : "2",
        labels,
        kinds,
        methods.length > 0 ? "1" : "0",
        String(headers.length + query.length),
      ],
    };
  });
}

function holds(rival: Rival, request: Request): boolean {
  const { methods, headers, query } = rival.route.match;
  const parameters = new Map<string, string>();
  for (const part of request.query.split("&").reverse()) {
    parameters.set(...(part + "=").split("=", 2) as [string, string]);
  }
  if (request.query === "") parameters.clear();
  const meets = (value: string | undefined, wanted: string) =>
    value !== undefined && (wanted === "*" || value === wanted);
  return rival.host.test(request.host.toLowerCase().replace(/:\d+$/, "")) && rival.path.test(request.path) &&
    (methods.length === 0 || methods.includes(request.method)) &&
    headers.every(([name, wanted]) => meets(request.fields[name], wanted)) &&
    query.every(([name, wanted]) => meets(parameters.get(name), wanted));
}

function compareRanks(a: Rival, b: Rival): number {
  for (let i = 0; i < a.rank.length; i++) {
    if (a.rank[i] !== b.rank[i]) return a.rank[i] > b.rank[i] ? -1 : 1;
  }
  return 0;
}

/** The rivals that hold, best first; those of one route after its best are left out. */
function referenceMatches(rivals: Rival[], request: Request): Rival[] {
  const found = rivals.filter((rival) => holds(rival, request)).sort(compareRanks);
  return found.filter((rival, i) => found.findIndex(({ route }) => route === rival.route) === i);
}

function capturesOf(rival: Rival, path: string): { tail: string; params: string[] } {
  const groups = rival.path.exec(path)!.slice(1);
  return { tail: groups.at(-1) ?? "", params: groups.slice(0, -1) };
}

/** A request that both routes of a conflict should match: built from the patterns, not searched for. */
function witnessOf(conflict: RouteConflict, host: string, routes: Array<RouteSpec<number>>): Request {
  const [a, b] = [conflict.first, conflict.second].map(({ line }) => routes[line - 1].match);
  const values = (kind: "headers" | "query") => {
    const all = [...a[kind], ...b[kind]].sort(([, v], [, w]) => Number(v !== "*") - Number(w !== "*"));
    return Object.fromEntries(all.map(([name, value]) => [name, value === "*" ? "1" : value]));
  };
  return {
    method: conflict.methods[0] ?? a.methods[0] ?? b.methods[0] ?? "PATCH",
    host: host.replace("*", "fresh"),
    path: a.path.replaceAll(/:\w+/g, "any").replace("*", "rest"),
    query: Object.entries(values("query")).map((pair) => pair.join("=")).join("&"),
    fields: values("headers"),
  };
}

/** Random routes without the later one of each pair that ties. */
function randomTable(random: Random): Array<RouteSpec<number>> {
  const routes = Array.from({ length: 1 + Math.floor(random() * 25) }, (_, i) => {
    return { name: `r${i}`, line: i + 1, match: randomMatch(random), value: i };
  });
  const dropped = new Set(conflictsAmong(routeEntries(routes)).map(({ second }) => second.line));
  return routes.filter(({ line }) => !dropped.has(line));
}

for (const seed of [1, 2, 3, 4]) {
  Deno.test(`RouteTable.match() agrees with a linear scan (seed ${seed})`, () => {
    const random = seeded(seed);
    let hits = 0;
    for (let round = 0; round < 100; round++) {
      const routes = randomTable(random);
      const table = new RouteTable(routes);
      const rivals = routes.flatMap(rivalsOf);
      for (let i = 0; i < 60; i++) {
        const request = randomRequest(random);
        const found = referenceMatches(rivals, request);
        const matched = table.match(inputOf(request));
        const expected = found.length === 0
          ? null
          : { name: found[0].route.name, ...capturesOf(found[0], request.path) };
        const actual = matched === null
          ? null
          : { name: matched.route.name, tail: matched.tail, params: matched.params };
        assertEquals(actual, expected, JSON.stringify({ request, routes }));
        // No tie went unseen: the winner wins strictly.
        assertEquals(
          found.length > 1 && compareRanks(found[0], found[1]) === 0,
          false,
          JSON.stringify({ request, routes }),
        );
        if (matched !== null) hits += 1;
      }
    }
    assertEquals(hits > 1000, true, `only ${hits} of 6000 requests found a route`);
  });

  Deno.test(`explain() agrees with a linear scan (seed ${seed})`, () => {
    const random = seeded(seed + 100);
    for (let round = 0; round < 30; round++) {
      const routes = randomTable(random);
      const table = new RouteTable(routes);
      const rivals = routes.flatMap(rivalsOf);
      for (let i = 0; i < 20; i++) {
        const request = randomRequest(random);
        const names = referenceMatches(rivals, request).map(({ route }) => route.name).sort();
        const { considered, matched } = explain(table, inputOf(request));
        assertEquals(considered.map(({ route }) => route.name).sort(), routes.map(({ name }) => name).sort());
        const holding = considered.filter(({ verdict }) => verdict.kind !== "mismatch").map(({ route }) => route.name);
        assertEquals(holding.sort(), names, JSON.stringify({ request, routes }));
        const winners = considered.filter(({ verdict }) => verdict.kind === "matched").map(({ route }) => route.name);
        assertEquals(winners, matched === null ? [] : [matched.route.name]);
      }
    }
  });

  Deno.test(`conflictsAmong() names pairs that a request can prove (seed ${seed})`, () => {
    const random = seeded(seed + 200);
    let proven = 0;
    for (let round = 0; round < 150; round++) {
      const routes = Array.from({ length: 25 }, (_, i) => {
        return { name: `r${i}`, line: i + 1, match: randomMatch(random), value: i };
      });
      for (const conflict of conflictsAmong(routeEntries(routes))) {
        const pair = [conflict.first, conflict.second].map(({ line }) => routes[line - 1]);
        for (const host of conflict.hosts) {
          const witness = witnessOf(conflict, host, routes);
          const found = referenceMatches(pair.flatMap(rivalsOf), witness);
          assertEquals(found.length, 2, JSON.stringify({ witness, pair }));
          assertEquals(compareRanks(found[0], found[1]), 0, JSON.stringify({ witness, pair }));
          proven += 1;
        }
      }
    }
    assertEquals(proven > 20, true, `only ${proven} ties came up`);
  });

  Deno.test(`failedConditions() is empty exactly when conditionsHold() (seed ${seed})`, () => {
    const random = seeded(seed + 300);
    let held = 0;
    for (let i = 0; i < 3000; i++) {
      const match = randomMatch(random);
      const request = randomRequest(random);
      const isMet = conditionsHold(match, inputOf(request));
      assertEquals(failedConditions(match, inputOf(request)).length === 0, isMet, JSON.stringify({ match, request }));
      if (isMet) held += 1;
    }
    assertEquals(held > 100 && held < 2900, true, `${held} of 3000 held`);
  });
}
