/**
 * Route look-up: RouteTable against a scan over routes sorted by precedence, and against a look-up cache that always hits.
 *
 * The scan is what most proxies do and wins below some number of routes; the cache is the best that remembering results
 * by host and path could give, for routes without conditions. Half of the routes are literal paths, a quarter prefixes,
 * a quarter patterns with a parameter, spread over hosts of ten routes each. Strings are the same each time, so their
 * hashes are known: a proxy, whose strings are new each time, pays for hashing in the cache and in a static hit alike.
 *
 *     deno bench bench/micro/routing_bench.ts
 */

import { conditionsHold } from "../../lib/routing/conditions.ts";
import { hostMatches } from "../../lib/routing/host_pattern.ts";
import type { RouteEntry } from "../../lib/routing/route_entry.ts";
import { RouteTable } from "../../lib/routing/route_table.ts";
import type { Matched, RouteInput, RouteSpec } from "../../lib/routing/types.ts";

const COUNTS = [10, 100, 1000];
const ROUTES_PER_HOST = 10;

function routesOf(count: number): Array<RouteSpec<number>> {
  return Array.from({ length: count }, (_, i) => {
    const path = i % 4 === 0 ? `/v1/area${i}/*` : i % 4 === 2 ? `/v1/things${i}/:id` : `/v1/pages/page${i}`;
    const hosts = [`site${Math.floor(i / ROUTES_PER_HOST)}.example.com`];
    return { name: `r${i}`, line: i + 1, match: { hosts, path, methods: [], headers: [], query: [] }, value: i };
  });
}

function inputOf(host: string, path: string): RouteInput {
  return { host, path, query: "", method: "GET", field: () => null };
}

interface Scanned {
  readonly entry: RouteEntry<number>;
  readonly path: RegExp;
}

function scan(entries: readonly Scanned[], input: RouteInput): RouteSpec<number> | null {
  for (let i = 0; i < entries.length; i++) {
    const { entry, path } = entries[i];
    if (!hostMatches(entry.host, input.host) || !path.test(input.path)) continue;
    if (conditionsHold(entry.route.match, input)) return entry.route;
  }
  return null;
}

function scannedOf(entry: RouteEntry<number>): Scanned {
  const text = entry.path.text.replace("/*", "(/.*)?").replaceAll(/:\w+/g, "([^/]+)");
  return { entry, path: new RegExp(`^${text}$`) };
}

for (const count of COUNTS) {
  const table = new RouteTable(routesOf(count));
  const scanned = table.entries.map(scannedOf);
  const middle = Math.floor(count / 2 / 20) * 20;
  const host = `site${middle / ROUTES_PER_HOST}.example.com`;
  const inputs = {
    "static hit": inputOf(host, `/v1/pages/page${middle + 1}`),
    "prefix hit": inputOf(host, `/v1/area${middle}/a/b/c`),
    "parameter hit": inputOf(host, `/v1/things${middle + 2}/12345`),
    "miss": inputOf(host, "/v2/nothing/here"),
    "miss by host": inputOf("unknown.example.com", "/v1/pages/page1"),
  };
  for (const [what, input] of Object.entries(inputs)) {
    const found = table.match(input)?.route ?? null;
    const isMiss = what.startsWith("miss");
    if (found !== scan(scanned, input) || (found === null) !== isMiss) throw new Error(`${what}: results differ`);
    const group = `${count} routes, ${what}`;
    const cache = new Map<string, Map<string, Matched<number> | null>>([
      [input.host, new Map([[input.path, table.match(input)]])],
    ]);
    Deno.bench(`RouteTable (${group})`, { group }, () => {
      table.match(input);
    });
    Deno.bench(`scan (${group})`, { group, baseline: true }, () => {
      scan(scanned, input);
    });
    Deno.bench(`cache that always hits (${group})`, { group }, () => {
      cache.get(input.host)?.get(input.path);
    });
  }
}
