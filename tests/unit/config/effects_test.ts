/**
 * Every key of the schema does something: its value reaches the validated configuration, the plan where that is what it
 * shapes, and code that serves reads it there. A key that is missing in the table below fails the test, and so does one
 * whose reader has gone. (`[routes.timeouts] connect` was documented, checked and compiled, and nobody read it.)
 */

import { assert, assertEquals } from "../../support/assert.ts";
import { describedKeys, innerTable, isUnder } from "../../../lib/config/schema/env_defaults.ts";
import { joinIndex, joinKey } from "../../../lib/config/toml/key_path.ts";
import { NO_MASKS } from "../../../lib/config/masks.ts";
import { SCHEMA } from "../../../lib/config/schema/schema.ts";
import type { Config } from "../../../lib/config/types.ts";
import { UNSUPPORTED } from "../../../lib/config/schema/unsupported.ts";
import { examine } from "../../../lib/config/validate/validate.ts";
import { healthIdentity, poolIdentity } from "../../../lib/plan/resources.ts";
import { dryCompile } from "../../../lib/runtime/reload/dry_compile.ts";

type Tree = { [key: string]: unknown };

/** Has every section, most of it at its defaults. */
const BASE: Tree = {
  server: {},
  admin: { address: "unix:/run/admin.sock" },
  listeners: [
    { address: "127.0.0.1:8080", engine: "wire", tls: { cert: "a.pem", key: "a.key" }, limits: {} },
    { address: "unix:/run/a.sock", engine: "wire" },
  ],
  upstreams: {
    api: {
      strategy: "weighted_round_robin",
      backends: [{ url: "https://a" }, { url: "https://b" }],
      pool: {},
      tls: { cert: "c.pem", key: "c.key" },
      timeouts: {},
      health: {},
      circuit: {},
      retry: { backoff: {} },
    },
    hashed: { strategy: "hash", backends: [{ url: "http://a" }], hash: {} },
    stuck: { strategy: "sticky", backends: [{ url: "http://a" }], sticky: {} },
  },
  routes: [
    { upstream: "api", path: "/a/*", timeouts: {}, request_headers: {}, response_headers: {} },
    { path: "/redirect", redirect: { to: "/elsewhere" } },
    { path: "/respond", respond: {} },
  ],
  features: {},
  log: {},
  tracing: {},
};

/** Which one of several a key is tried on. */
const PLACES: ReadonlyArray<readonly [pattern: RegExp, place: string]> = [
  [/^listeners\[\](?=\.(?:mode|group)$)/, "listeners[1]"],
  [/^listeners\[\]/, "listeners[0]"],
  [/^upstreams\.\*(?=\.hash)/, "upstreams.hashed"],
  [/^upstreams\.\*(?=\.sticky)/, "upstreams.stuck"],
  [/^upstreams\.\*/, "upstreams.api"],
  [/^routes\[\](?=\.redirect)/, "routes[1]"],
  [/^routes\[\](?=\.respond)/, "routes[2]"],
  [/^routes\[\]/, "routes[0]"],
  [/backends\[\]/, "backends[0]"],
];

/**
 * Of each key: a value that is not its default, and where what comes of it is read: a folder or file of lib/ and a word
 * there, outside of comments. `plan`: the compiled plan must differ, too.
 */
type Row = readonly [key: string, value: unknown, place: string, word: string, plan?: "plan"];

const ROWS: readonly Row[] = [
  ["server.workers", 3, "runtime", "workers"],
  ["server.drain", "1s", "runtime/sluice.ts", "drainMs"],
  ["server.reload_quiet", "1s", "runtime/sluice.ts", "reloadQuietMs"],
  ["server.trusted_proxies", ["10.0.0.0/8"], "proxy", "trusted"],
  ["server.forwarded", "off", "proxy", "forwarded"],
  ["server.underscores", "refuse", "proxy", "refusesUnderscores"],
  ["admin.address", "127.0.0.1:1", "admin/listener.ts", "address"],
  ["admin.mode", "0600", "engines/socket_rights.ts", "mode"],
  ["admin.group", "7", "engines/socket_rights.ts", "gid"],
  ["admin.token", "t", "admin/access.ts", "token"],
  ["listeners[].name", "n", "runtime", "name"],
  ["listeners[].address", "127.0.0.1:1", "engines", "address"],
  ["listeners[].mode", "0600", "engines/socket_rights.ts", "mode"],
  ["listeners[].group", "7", "engines/socket_rights.ts", "gid"],
  ["listeners[].engine", "serve", "engines/open.ts", "engine"],
  ["listeners[].tls.cert", "b.pem", "runtime/serving/listener_set.ts", "certPath"],
  ["listeners[].tls.key", "b.key", "runtime/serving/listener_set.ts", "keyPath"],
  ["listeners[].limits.head", "2KiB", "engines", "headBytesMax"],
  ["listeners[].limits.fields", 7, "engines", "fieldsMax"],
  ["listeners[].limits.body", "1B", "engines", "bodyBytesMax"],
  ["listeners[].limits.head_timeout", "1s", "engines", "headTimeoutMs"],
  ["listeners[].limits.body_timeout", "1s", "engines", "bodyTimeoutMs"],
  ["listeners[].limits.body_min_rate", "1KiB", "engines", "bodyRateMin"],
  ["listeners[].limits.idle_timeout", "1s", "engines", "idleTimeoutMs"],
  ["listeners[].limits.half_close", "2s", "engines", "halfCloseMs"],
  ["listeners[].limits.connections", 7, "base/shared", "connectionsMax"],
  ["listeners[].limits.connections_per_ip", 7, "base/shared", "connectionsPerIpMax"],
  ["upstreams.*.strategy", "random", "../strategies/factory.ts", "strategy", "plan"],
  ["upstreams.*.backends[].url", "https://c", "transport/dial.ts", "address", "plan"],
  ["upstreams.*.backends[].name", "n", "runtime", "name", "plan"],
  ["upstreams.*.backends[].weight", 7, "../strategies", "weights"],
  ["upstreams.*.backends[].backup", true, "../strategies", "backups"],
  ["upstreams.*.backends[].max_connections", 7, "transport", "connectionsMax", "plan"],
  ["upstreams.*.host", "h", "proxy", "host", "plan"],
  ["upstreams.*.slow_start", "1s", "health/machine.ts", "slowStartMs", "plan"],
  ["upstreams.*.panic_threshold", 7, "health/group.ts", "panicThresholdPercent"],
  ["upstreams.*.hash.key", "path", "fields/hash_key.ts", "source"],
  ["upstreams.*.hash.fallback", "round_robin", "../strategies/factory.ts", "fallback"],
  ["upstreams.*.sticky.cookie", "c", "plan/affinity.ts", "cookie"],
  ["upstreams.*.sticky.secret", "s", "fields/cookies.ts", "secret"],
  ["upstreams.*.sticky.ttl", "1s", "fields/cookies.ts", "ttlMs"],
  ["upstreams.*.sticky.same_site", "none", "plan/members.ts", "sameSite"],
  ["upstreams.*.sticky.fallback", "round_robin", "../strategies/factory.ts", "fallback"],
  ["upstreams.*.pool.max_connections", 70, "transport/pool.ts", "connectionsMax", "plan"],
  ["upstreams.*.pool.max_tunnels", 7, "transport/pool.ts", "tunnelsMax", "plan"],
  ["upstreams.*.pool.max_idle", 7, "transport/pool.ts", "idleMax", "plan"],
  ["upstreams.*.pool.idle_timeout", "1s", "transport/pool.ts", "idleTimeoutMs", "plan"],
  ["upstreams.*.pool.max_age", "1s", "transport/pool.ts", "ageMsMax", "plan"],
  ["upstreams.*.pool.max_requests", 7, "transport/pool.ts", "exchangesMax", "plan"],
  ["upstreams.*.pool.min_idle", 7, "transport/pool.ts", "idleMin", "plan"],
  ["upstreams.*.pool.queue", 7, "transport/pool.ts", "queueMax", "plan"],
  ["upstreams.*.pool.queue_timeout", "2s", "transport/pool.ts", "queueTimeoutMs", "plan"],
  ["upstreams.*.pool.pipelining", 7, "transport/http1/pipeline_pool.ts", "depthMax", "plan"],
  ["upstreams.*.tls.ca", "d.pem", "transport/dial.ts", "ca", "plan"],
  ["upstreams.*.tls.cert", "d.pem", "transport/dial.ts", "cert", "plan"],
  ["upstreams.*.tls.key", "d.key", "transport/dial.ts", "key", "plan"],
  ["upstreams.*.tls.server_name", "h", "transport/dial.ts", "serverName", "plan"],
  ["upstreams.*.timeouts.connect", "1s", "plan/resources.ts", "dialTimeoutMs", "plan"],
  ["upstreams.*.timeouts.response", "1s", "proxy", "responseMs", "plan"],
  ["upstreams.*.timeouts.idle", "1s", "proxy", "idleMs", "plan"],
  ["upstreams.*.timeouts.total", "1s", "proxy", "totalMs", "plan"],
  ["upstreams.*.timeouts.tunnel", "1s", "proxy", "tunnelMs", "plan"],
  ["upstreams.*.health.path", "/up", "runtime/health", "path", "plan"],
  ["upstreams.*.health.method", "HEAD", "runtime/health", "method", "plan"],
  ["upstreams.*.health.host", "h", "runtime/health", "host", "plan"],
  ["upstreams.*.health.interval", "7s", "runtime/health", "intervalMs", "plan"],
  ["upstreams.*.health.timeout", "7ms", "runtime/health", "timeoutMs", "plan"],
  ["upstreams.*.health.expect", "204", "runtime/health", "expect", "plan"],
  ["upstreams.*.health.rise", 7, "health/machine.ts", "rise", "plan"],
  ["upstreams.*.health.fall", 7, "health/machine.ts", "fall", "plan"],
  ["upstreams.*.circuit.failures", 7, "health/machine.ts", "failures", "plan"],
  ["upstreams.*.circuit.error_rate", 0.7, "health/machine.ts", "errorRate", "plan"],
  ["upstreams.*.circuit.window", "7s", "health/machine.ts", "windowMs", "plan"],
  ["upstreams.*.circuit.min_requests", 7, "health/machine.ts", "minRequests", "plan"],
  ["upstreams.*.circuit.statuses", "500", "proxy", "failureStatuses", "plan"],
  ["upstreams.*.circuit.open", "7ms", "health", "openMs", "plan"],
  ["upstreams.*.circuit.max_open", "70s", "health", "maxOpenMs", "plan"],
  ["upstreams.*.circuit.max_ejected", 7, "health/group.ts", "maxEjectedPercent", "plan"],
  ["upstreams.*.retry.attempts", 7, "resilience", "attempts", "plan"],
  ["upstreams.*.retry.on", ["503"], "resilience", "statuses", "plan"],
  ["upstreams.*.retry.methods", ["DELETE"], "resilience", "methods", "plan"],
  ["upstreams.*.retry.budget", 0.7, "proxy", "budget", "plan"],
  ["upstreams.*.retry.body_buffer", "7KiB", "proxy", "bodyBufferBytes", "plan"],
  ["upstreams.*.retry.backoff.initial", "7ms", "resilience/backoff.ts", "initialMs", "plan"],
  ["upstreams.*.retry.backoff.multiplier", 7, "resilience/backoff.ts", "multiplier", "plan"],
  ["upstreams.*.retry.backoff.max", "70ms", "resilience/backoff.ts", "maxMs", "plan"],
  ["upstreams.*.retry.backoff.jitter", 0.5, "resilience/backoff.ts", "jitter", "plan"],
  ["routes[].name", "n", "runtime", "name", "plan"],
  ["routes[].host", ["h.example"], "routing", "hosts", "plan"],
  ["routes[].path", "/b", "routing", "path", "plan"],
  ["routes[].methods", ["GET"], "routing", "methods", "plan"],
  ["routes[].headers", { a: "1" }, "routing", "headers", "plan"],
  ["routes[].query", { a: "1" }, "routing", "query", "plan"],
  ["routes[].upstream", "hashed", "proxy", "upstream", "plan"],
  ["routes[].redirect.to", "/b", "proxy", "to"],
  ["routes[].redirect.status", 302, "proxy", "status", "plan"],
  ["routes[].respond.status", 404, "proxy", "status", "plan"],
  ["routes[].respond.body", "b", "proxy", "body", "plan"],
  ["routes[].respond.headers", { a: "1" }, "proxy", "fields", "plan"],
  ["routes[].rewrite", "/b", "proxy", "rewrite", "plan"],
  ["routes[].timeouts.connect", "7ms", "proxy", "connectMs", "plan"],
  ["routes[].timeouts.response", "7ms", "proxy", "responseMs", "plan"],
  ["routes[].timeouts.idle", "7ms", "proxy", "idleMs", "plan"],
  ["routes[].timeouts.total", "7ms", "proxy", "totalMs", "plan"],
  ["routes[].timeouts.tunnel", "7ms", "proxy", "tunnelMs", "plan"],
  ["routes[].request_headers.set", { a: "1" }, "proxy", "requestEdits", "plan"],
  ["routes[].request_headers.add", { a: "1" }, "proxy", "requestEdits", "plan"],
  ["routes[].request_headers.remove", ["a"], "proxy", "requestEdits", "plan"],
  ["routes[].response_headers.set", { a: "1" }, "proxy", "responseEdits", "plan"],
  ["routes[].response_headers.add", { a: "1" }, "proxy", "responseEdits", "plan"],
  ["routes[].response_headers.remove", ["a"], "proxy", "responseEdits", "plan"],
  ["features.pipelining", false, "plan/members.ts", "pipelining", "plan"],
  ["features.fast_path", false, "plan/resources.ts", "fastPath", "plan"],
  ["features.prewarm", false, "plan/resources.ts", "prewarm", "plan"],
  ["log.level", "error", "runtime", "level"],
  ["log.access", "a.log", "runtime/logs/access_log.ts", "access"],
  ["log.format", "combined", "runtime/logs/access_log.ts", "format"],
  ["tracing.endpoint", "http://h/v1", "runtime/telemetry/otel.ts", "endpoint"],
  ["tracing.sample", 0.5, "runtime/telemetry/tracing.ts", "sample"],
  ["tracing.service", "s", "runtime/telemetry/otel.ts", "service"],
];

Deno.test("every key of the schema has a row here, and every row a key", () => {
  const keys = [...describedKeys(SCHEMA)]
    .filter(({ key, schemaPath }) =>
      innerTable(key.spec) === null && !isUnder(schemaPath.replaceAll("[]", ""), without)
    )
    .map(({ schemaPath }) => schemaPath);
  assertEquals(ROWS.map(([key]) => key).toSorted(), keys.toSorted(), "a new key needs a row in this file");
});

/** What does not work yet is refused, which tests/unit/config/schema/unsupported_test.ts shows. */
const without = new Set([...UNSUPPORTED].map((path) => path.replaceAll("[]", "")));

for (const [key, value, place, word, plan] of ROWS) {
  Deno.test(`${key} has an effect`, async () => {
    // Pipelining must be there to be switched off.
    const base = key === "features.pipelining" ? changed(BASE, "upstreams.api.pool.pipelining", 4) : BASE;
    const path = PLACES.reduce((text, [pattern, name]) => text.replace(pattern, name), key);
    const [before, after] = [configOf(base), configOf(changed(base, path, value))];
    assert(JSON.stringify(before) !== JSON.stringify(after), `${path} does not reach the configuration`);
    if (plan === "plan") {
      assert(await printOf(before) !== await printOf(after), `${path} reaches the configuration, and not the plan`);
    }
    assert(isRead(place, word), `nothing in lib/${place} reads "${word}"`);
  });
}

function configOf(value: Tree): Config {
  const lines = new Map<string, number>();
  walk("", value, (path) => lines.set(path, 1));
  const parsed = {
    ...{ path: "/etc/config.toml", value, lines, issues: [], isBroken: false, failed: new Set<string>() },
    ...{ masks: NO_MASKS, envNames: [] },
  };
  const { config, found } = examine(parsed, { env: () => undefined });
  assertEquals(found.issues, []);
  return config;
}

function walk(path: string, value: unknown, visit: (path: string) => void): void {
  if (path !== "") visit(path);
  if (Array.isArray(value)) value.forEach((element, index) => walk(joinIndex(path, index), element, visit));
  else if (typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value)) walk(joinKey(path, name), inner, visit);
  }
}

function changed(tree: Tree, path: string, value: unknown): Tree {
  const copy = structuredClone(tree);
  const names = path.split(/\.|(?=\[)/).map((name) => name.replace(/^\[(\d+)\]$/, "$1"));
  const last = names.pop()!;
  // deno-lint-ignore no-explicit-any
  const parent = names.reduce((at: any, name) => at[name], copy);
  parent[last] = value;
  return copy;
}

/** What a plan is made of, as far as it shows: its parts, and what those with a state of their own do. */
async function printOf(config: Config): Promise<string> {
  const { routes, upstreams, features } = await dryCompile(config);
  return Deno.inspect({
    features,
    upstreams: [...upstreams.values()].map((upstream) => ({
      pools: upstream.members.held.backends.map(({ resource }) => resource.pipelines !== null),
      selector: upstream.members.selector,
      backends: upstream.members.backends.map((
        { name, host, ownHost, pipelines },
      ) => [name, host, ownHost, pipelines !== null]),
      identities: upstream.members.config.backends.map((backend) =>
        [poolIdentity, healthIdentity].map((identity) => identity(upstream.members.config, backend))
      ),
      retry: upstream.retry,
      waits: [1, 2, 3, 6].flatMap((count) => [0, 0.9].map((random) => upstream.backoff.delayMs(count, random))),
      budget: retriesOf(upstream.budget),
      pipelined: upstream.pipelined,
      bodyBufferBytes: upstream.bodyBufferBytes,
      failureStatuses: upstream.failureStatuses.join(""),
    })),
    routes: routes.entries.map(({ route, host, path, precedence }) => ({
      ...{ name: route.name, match: route.match, host, path, precedence: String(precedence) },
      ...route.value,
      action: {
        ...route.value.action,
        upstream: "upstream" in route.value.action ? route.value.action.upstream.name : "",
      },
    })),
  }, { depth: 12, iterableLimit: 2000, strAbbreviateSize: 5000, compact: true });
}

/** How many of a thousand requests may be repeated. */
function retriesOf(budget: { onRequest(nowMs: number): void; tryTake(nowMs: number): boolean }): number {
  for (let request = 0; request < 1000; request++) budget.onRequest(5000);
  let count = 0;
  while (budget.tryTake(5000)) count++;
  return count;
}

function isRead(place: string, word: string): boolean {
  const path = new URL(`../../../lib/${place}`, import.meta.url);
  return filesIn(path).some((file) => {
    const code = Deno.readTextFileSync(file).replaceAll(/\/\*[^]*?\*\/|(?<!:)\/\/.*/g, "");
    return new RegExp(`\\b${word}\\b`).test(code);
  });
}

function filesIn(path: URL): URL[] {
  if (Deno.statSync(path).isFile) return [path];
  return [...Deno.readDirSync(path)].filter(({ name, isDirectory }) => isDirectory || name.endsWith(".ts"))
    .flatMap(({ name }) => filesIn(new URL(`${path.href}/${name}`)));
}
