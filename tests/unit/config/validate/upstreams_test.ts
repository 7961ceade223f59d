import { assertEquals } from "@std/assert";
import {
  backends,
  type Case,
  EVERYTHING_WORKS,
  listener,
  MINIMAL,
  problems,
  refuses,
  route,
  upstream,
} from "../config_support.ts";

const UPSTREAMS: readonly Case[] = [
  [
    "no backends",
    MINIMAL.replace(/backends = .*/, ""),
    "3: upstreams.api.backends: is required".replace("is required", "at least one is required"),
  ],
  ["an empty list of backends", backends(""), "4: upstreams.api.backends: at least one is required"],
  [
    "backends as texts",
    backends('"http://a"'),
    '4: upstreams.api.backends[0]: must be a table, got "http://a"',
    "4: upstreams.api.backends[0].url: is required",
  ],
  ["a backend without url", backends("{ weight = 1 }"), "4: upstreams.api.backends[0].url: is required"],
  [
    "a url with a path",
    backends('{ url = "http://a/b" }'),
    `4: upstreams.api.backends[0].url: must not have a path, got "http://a/b"; a route's "rewrite" changes paths`,
  ],
  [
    "a url with a query",
    backends('{ url = "http://a?b" }'),
    '4: upstreams.api.backends[0].url: must not have a query, got "http://a?b"',
  ],
  [
    "a url without scheme",
    backends('{ url = "a:80" }'),
    '4: upstreams.api.backends[0].url: must be a URL such as "http://10.0.0.1:8080" or "unix:/run/app.sock", got "a:80"',
  ],
  [
    "a url with a password",
    backends('{ url = "http://u:p@a" }'),
    "4: upstreams.api.backends[0].url: must not hold a user or password",
  ],
  [
    "a url twice",
    backends('{ url = "http://a" }, { url = "http://A:80" }'),
    '4: upstreams.api.backends[1].url: "http://A:80" is already backends[0]; use weight for a larger share',
  ],
  [
    "a backend's name twice",
    backends('{ url = "http://a", name = "x" }, { url = "http://b", name = "x" }'),
    '4: upstreams.api.backends[1].name: "x" is already the name of backends[0]',
  ],
  [
    "a weight over the range",
    backends('{ url = "http://a", weight = 65536 }'),
    "4: upstreams.api.backends[0].weight: must be a whole number from 0 to 65535, got 65536",
  ],
  [
    "a weight in quotes",
    backends('{ url = "http://a", weight = "3" }'),
    '4: upstreams.api.backends[0].weight: must be a whole number from 0 to 65535, got the text "3"',
  ],
  [
    "weights of 0",
    backends('{ url = "http://a", weight = 0 }, { url = "http://b", weight = 0 }'),
    "4: upstreams.api.backends: every weight is 0; at least one backend must take traffic",
  ],
  [
    "weights that sticky ignores",
    backends('{ url = "http://a", weight = 2 }', 'strategy = "sticky"\nsticky.fallback = "round_robin"'),
    '4: upstreams.api.backends[0].weight: has no effect with sticky.fallback "round_robin"; use "weighted_round_robin"',
  ],
  [
    "a backup that is no flag",
    backends('{ url = "http://a", backup = 1 }'),
    "4: upstreams.api.backends[0].backup: must be true or false, got 1",
  ],
  [
    "an upstream's name with a space",
    MINIMAL.replace("[upstreams.api]", '[upstreams."a b"]').replace('= "api"', '= "a b"'),
    '3: upstreams."a b": name must be a name of letters, digits, "-", "_" and ".", got "a b"',
  ],
  [
    "a strategy with a typo",
    upstream('strategy = "least_conections"'),
    '5: upstreams.api.strategy: unknown strategy "least_conections"; did you mean "least_connections"?',
  ],
  [
    "hash without its strategy",
    upstream('[upstreams.api.hash]\nkey = "path"'),
    '5: upstreams.api.hash: has no effect with strategy "round_robin"; use "hash"',
  ],
  [
    "sticky without its strategy",
    upstream('strategy = "hash"\n[upstreams.api.sticky]\nttl = "1h"'),
    '6: upstreams.api.sticky: has no effect with strategy "hash"; use "sticky"',
  ],
  [
    "a hash key without name",
    upstream('strategy = "hash"\nhash.key = "header:"'),
    '6: upstreams.api.hash.key: must name the header, as in "header:NAME", got "header:"',
  ],
  [
    "a hash key of another kind",
    upstream('strategy = "hash"\nhash.key = "ip"'),
    '6: upstreams.api.hash.key: must be "client_ip", "path", "header:NAME", "cookie:NAME" or "query:NAME", got "ip"',
  ],
  [
    "a hash key with a space",
    upstream('strategy = "hash"\nhash.key = "cookie:a b"'),
    '6: upstreams.api.hash.key: must be "client_ip", "path", "header:NAME", "cookie:NAME" or "query:NAME", got "cookie:a b"',
  ],
  [
    "a hash that falls back to itself",
    upstream('strategy = "hash"\nhash.fallback = "hash"'),
    '6: upstreams.api.hash.fallback: unknown strategy "hash"; use "round_robin", "weighted_round_robin", "random", "least_connections", "power_of_two" or "peak_ewma"',
  ],
  [
    "a cookie name with a semicolon",
    upstream('strategy = "sticky"\nsticky.cookie = "a;b"'),
    '6: upstreams.api.sticky.cookie: must be a cookie name, got "a;b"',
  ],
  [
    "a host with a path",
    upstream('host = "a/b"'),
    '5: upstreams.api.host: must be "preserve", "backend" or a host name, got "a/b"',
  ],
  [
    "a host with a line break",
    upstream('host = "a\\nb"'),
    '5: upstreams.api.host: must be "preserve", "backend" or a host name, got "a\\nb"',
  ],
  [
    "tls without https",
    upstream('tls.ca = "ca.pem"'),
    '5: upstreams.api.tls: has no effect without an https backend; write "https://" in a url',
  ],
  [
    "a client certificate without key",
    backends('{ url = "https://a" }', 'tls.cert = "a.pem"'),
    "5: upstreams.api.tls.key: is required with a cert",
  ],
  [
    "a client key without certificate",
    backends('{ url = "https://a" }', 'tls.key = "a.key"'),
    "5: upstreams.api.tls.cert: is required with a key",
  ],
  [
    "more idle than connections",
    upstream("pool.max_connections = 10\npool.max_idle = 11"),
    "6: upstreams.api.pool.max_idle: must be at most pool.max_connections, which is 10, got 11",
  ],
  [
    "more warm than idle",
    upstream("pool.min_idle = 65"),
    "5: upstreams.api.pool.min_idle: must be at most pool.max_idle, which is 64, got 65",
  ],
  [
    "more connections than there are ports",
    upstream("pool.max_connections = 65536"),
    "5: upstreams.api.pool.max_connections: must be a whole number from 0 to 65535, got 65536",
  ],
  [
    "fewer tunnels than none",
    upstream("pool.max_tunnels = -1"),
    "5: upstreams.api.pool.max_tunnels: must be a whole number from 0 to 65535, got -1",
  ],
  [
    "an endless timer",
    upstream('timeouts.total = "25d"'),
    '5: upstreams.api.timeouts.total: must be from "0s" to "24d", got "25d"',
  ],
  [
    "no time to connect",
    upstream('timeouts.connect = "0s"'),
    '5: upstreams.api.timeouts.connect: must be from "1ms" to "1h", got "0s"',
  ],
  [
    "a fraction of a second",
    upstream('timeouts.idle = "1.5s"'),
    '5: upstreams.api.timeouts.idle: must be a duration such as "250ms", "2s" or "1m30s", got the fraction "1.5s"; write it in a smaller unit',
  ],
  [
    "a misspelled timeout",
    upstream('timeouts.conect = "1s"'),
    '5: upstreams.api.timeouts.conect: unknown key; did you mean "connect"?',
  ],
  [
    "a probe path without slash",
    upstream('health.path = "up"'),
    '5: upstreams.api.health.path: must be a path that begins with "/", without spaces, got "up"',
  ],
  [
    "a probe longer than its interval",
    upstream('health.interval = "1s"\nhealth.timeout = "2s"'),
    "6: upstreams.api.health.timeout: must be at most health.interval, which is 1s, got 2s",
  ],
  [
    "status codes in words",
    upstream('health.expect = "2xx"'),
    '5: upstreams.api.health.expect: must be status codes such as "200-399" or "502,504", got "2xx"',
  ],
  [
    "status codes downwards",
    upstream('circuit.statuses = "504-502"'),
    '5: upstreams.api.circuit.statuses: must count upwards, got "504-502"; use "502-504"',
  ],
  [
    "status codes out of range",
    upstream('circuit.statuses = "500-600"'),
    '5: upstreams.api.circuit.statuses: must be status codes from 100 to 599, got "500-600"',
  ],
  [
    "an error rate in percent",
    upstream("circuit.error_rate = 50"),
    "5: upstreams.api.circuit.error_rate: must be a number from 0 to 1, got 50",
  ],
  [
    "a first wait over the longest",
    upstream('circuit.open = "10m"'),
    "5: upstreams.api.circuit.open: must be at most circuit.max_open, which is 5m, got 10m",
  ],
  [
    "no attempt",
    upstream("retry.attempts = 0"),
    "5: upstreams.api.retry.attempts: must be a whole number from 1 to 16, got 0",
  ],
  [
    "an unknown condition",
    upstream('retry.on = ["connect", "5xx"]'),
    '5: upstreams.api.retry.on[1]: must be "connect", "reset", "timeout" or a status from 400 to 599, got "5xx"',
  ],
  ["a condition twice", upstream('retry.on = [502, "502"]'), '5: upstreams.api.retry.on[1]: "502" is listed twice'],
  [
    "a method in lower case",
    upstream('retry.methods = ["get"]'),
    '5: upstreams.api.retry.methods[0]: must be in upper case, got "get"; use "GET"',
  ],
  [
    "a backoff without unit",
    upstream("retry.backoff.initial = 25"),
    '5: upstreams.api.retry.backoff.initial: must be a duration such as "250ms", "2s" or "1m30s", got 25 without a unit',
  ],
];

refuses(UPSTREAMS);

const WRONG_TYPES: ReadonlyArray<readonly [toml: string, got: string]> = [
  ["[]", "a list"],
  ["{}", "a table"],
  ["1979-05-27", "a date"],
  ["inf", "Infinity"],
];
const SCALARS: readonly string[] = [
  "strategy",
  "host",
  "resolve",
  "slow_start",
  "panic_threshold",
  "hash.key",
  "hash.fallback",
  "sticky.cookie",
  "sticky.ttl",
  "sticky.same_site",
  "pool.max_connections",
  "pool.idle_timeout",
  "pool.queue",
  "tls.ca",
  "tls.server_name",
  "timeouts.connect",
  "timeouts.tunnel",
  "health.path",
  "health.method",
  "health.interval",
  "health.rise",
  "circuit.failures",
  "circuit.error_rate",
  "circuit.statuses",
  "circuit.open",
  "retry.attempts",
  "retry.budget",
  "retry.body_buffer",
  "retry.backoff.multiplier",
  "retry.backoff.max",
];
for (const key of SCALARS) {
  for (const [toml, got] of WRONG_TYPES) {
    Deno.test(`validate() refuses ${got} as ${key}`, async () => {
      const lines = (await problems(upstream(`${key} = ${toml}`), EVERYTHING_WORKS))
        .filter((line) => line.startsWith(`config.toml:5: upstreams.api.${key}: must be `));
      assertEquals(lines.length, 1);
      assertEquals(lines[0].includes(`got ${got}`), true, lines[0]);
    });
  }
}

const TAKEN: ReadonlyArray<readonly [name: string, text: string]> = [
  ["weight 0 with any strategy", backends('{ url = "http://a" }, { url = "http://b", weight = 0 }')],
  ["one address with and without TLS", backends('{ url = "http://a:1" }, { url = "https://a:1", name = "x" }')],
  [
    "two ports that the system chooses",
    listener('address = "a:0"\nname = "x"\n[[listeners]]\naddress = "a:0"\nname = "y"'),
  ],
  ["fewer connections than are idle by default", upstream("pool.max_connections = 8")],
  ["many idle ones of connections without a bound", upstream("pool.max_connections = 0\npool.max_idle = 1000")],
  ["connections and tunnels without a bound", upstream("pool = { max_connections = 0, max_tunnels = 0 }")],
  ["a short interval with the default timeout", upstream('health.interval = "100ms"')],
  ["limits of nothing under serve", listener('address = "a:1"\nlimits.connections = 0\nlimits.head_timeout = "0s"')],
  ["what only wire can", listener('address = "a:1"\nengine = "wire"\nlimits.head = "1MiB"\nlimits.connections = 5')],
  ["statuses as numbers", upstream("retry.on = [502, 503]")],
  ["an admin socket without token", MINIMAL + '[admin]\naddress = "unix:/run/a.sock"'],
  ["an empty answer", route("respond = { status = 204 }")],
];
for (const [name, text] of TAKEN) {
  Deno.test(`validate() takes ${name}`, async () => {
    assertEquals(await problems(text, EVERYTHING_WORKS), []);
  });
}

Deno.test("validate() bounds the backends of all upstreams together", async () => {
  const many = Array.from({ length: 4097 }, (_, index) => `{ url = "http://h${index}" }`).join(", ");
  assertEquals(await problems(backends(many)), [
    "config.toml:3: upstreams: must have at most 4096 backends in all, got 4097",
  ]);
});
