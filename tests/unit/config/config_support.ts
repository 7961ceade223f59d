/** What the tests of the configuration share: files that are not there, and texts to load. */

import { assertEquals } from "@std/assert";
import { ConfigError } from "../../../lib/config/issue.ts";
import { loadConfig, type LoadedConfig, type LoadOptions } from "../../../lib/config/load.ts";

/** The smallest configuration that works. */
export const MINIMAL = `[[listeners]]
address = "0.0.0.0:8080"
[upstreams.api]
backends = [{ url = "http://10.0.0.1:8080" }]
[[routes]]
upstream = "api"
`;

/** Every section and nearly every key. Loads when nothing is unsupported (`EVERYTHING_WORKS`). */
export const EVERYTHING = `
[server]
workers = "auto"
drain = "45s"
reload_quiet = "1s"
trusted_proxies = ["10.0.0.0/8", "::1"]
forwarded = "both"
underscores = "refuse"

[admin]
address = "0.0.0.0:9900"
token = "\${SLUICE_ADMIN_TOKEN:-hunter2}"

[[listeners]]
name = "public"
address = "0.0.0.0:8443"
tls = { cert = "site.pem", key = "keys/site.key" }
[listeners.limits]
head = "64KiB"
fields = 128
body = "10MB"
body_timeout = "10s"

[[listeners]]
address = "unix:run/sluice.sock"
engine = "wire"
[listeners.limits]
head = "1MiB"
fields = 1000
head_timeout = "5s"
idle_timeout = "1m15s"
half_close = "250ms"
connections = 5000
connections_per_ip = 100

[upstreams.api]
strategy = "sticky"
backends = [
  { url = "https://10.0.0.1:8443", weight = 3, name = "b1" },
  { url = "http://App.internal", backup = true, max_connections = 8 },
  { url = "unix:/run/app.sock", weight = 0 },
  { url = "http://[fd00::1]:81" },
]
host = "api.internal:8080"
resolve = "10s"
slow_start = "20s"
panic_threshold = 30
[upstreams.api.sticky]
cookie = "who"
secret = "\${STICKY_SECRET:-s3cret}"
ttl = "30d"
same_site = "none"
fallback = "power_of_two"
[upstreams.api.pool]
max_connections = 32
max_tunnels = 48
min_idle = 2
idle_timeout = "30s"
max_age = "0s"
max_requests = 1000
queue = 0
queue_timeout = "250ms"
pipelining = 4
[upstreams.api.tls]
ca = "ca.pem"
cert = "/etc/tls/client.pem"
key = "/etc/tls/client.key"
server_name = "api.internal"
[upstreams.api.timeouts]
connect = "1s"
response = "20s"
idle = "40s"
total = "1m"
tunnel = "2h"
[upstreams.api.health]
path = "/up?deep=1"
method = "HEAD"
host = "probe.internal"
interval = "1s"
timeout = "500ms"
expect = "200,204,300-399"
rise = 1
fall = 5
[upstreams.api.circuit]
failures = 3
error_rate = 0.25
window = "30s"
min_requests = 50
statuses = "500-599"
open = "1s"
max_open = "1m"
max_ejected = 50
[upstreams.api.retry]
attempts = 3
on = ["connect", "timeout", "503", 504]
methods = ["GET", "PROPFIND"]
budget = 0.1
body_buffer = "1MiB"
backoff = { initial = "10ms", multiplier = 1.5, max = "1s", jitter = 0.5 }

[upstreams.web]
strategy = "hash"
backends = [{ url = "http://web-1:3000" }, { url = "http://web-2:3000" }]
hash = { key = "header:X-User", fallback = "least_connections" }

[[routes]]
name = "api v1"
host = ["api.example.com", "*.api.example.com"]
path = "/v1/users/:id/*"
methods = ["GET", "POST"]
headers = { X-Beta = "1" }
query = { debug = "*" }
upstream = "api"
mirror = "web"
rewrite = "/u/:id/*"
timeouts = { connect = "500ms", response = "1s", idle = "2s", total = "10s", tunnel = "3s" }
request_headers = { set = { x-edge = "\${REGION:-eu}" }, add = { X-Trace = "a b" }, remove = ["X-Internal"] }
response_headers = { remove = ["server"] }

[[routes]]
host = "www.example.com"
redirect = { to = "https://example.com/*", status = 301 }

[[routes]]
path = "/ping"
respond = { status = 200, body = "pong\\n", headers = { content-type = "text/plain" } }

[[routes]]
path = "/split"
split = [{ upstream = "api", weight = 95 }, { upstream = "web", weight = 5 }]

[[routes]]
path = "/hello"
handler = "./handlers/hello.ts"

[features]
pipelining = true

[log]
level = "warn"
access = "logs/access.log"
format = "combined"

[tracing]
endpoint = "http://127.0.0.1:4318/v1/traces"
sample = 0.5
service = "edge"
`;

export const EVERYTHING_WORKS = { unsupported: new Set<string>() };

export const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
export const PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

export interface Fixture extends Partial<Omit<LoadOptions, "env">> {
  readonly env?: Readonly<Record<string, string>>;
  /** Contents by absolute path, before the usual `*.pem` and `*.key`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Loads a text as /etc/sluice/config.toml, which the user calls `config.toml`. */
export function load(text: string, { env = {}, files = {}, ...options }: Fixture = {}): Promise<LoadedConfig> {
  const readTextFile = (path: string): Promise<string> => {
    if (path === "/etc/sluice/config.toml") return Promise.resolve(text);
    if (Object.hasOwn(files, path)) return Promise.resolve(files[path]);
    if (path.endsWith(".pem")) return Promise.resolve(CERTIFICATE);
    if (path.endsWith(".key")) return Promise.resolve(PRIVATE_KEY);
    return Promise.reject(new Deno.errors.NotFound(`no ${path}`));
  };
  const lookUp = (name: string) => Object.hasOwn(env, name) ? env[name] : undefined;
  return loadConfig("config.toml", { env: lookUp, readTextFile, cwd: "/etc/sluice", ...options });
}

/**
 * @returns The lines of the error; empty when it loads.
 * @throws What is no `ConfigError`.
 */
export async function problems(text: string, fixture: Fixture = {}): Promise<readonly string[]> {
  try {
    await load(text, fixture);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n");
  }
}

/** Replaces the lines of a part of MINIMAL. */
export const listener = (text: string) => MINIMAL.replace('address = "0.0.0.0:8080"', text);
export const upstream = (text: string) => MINIMAL.replace("[[routes]]", `${text}\n[[routes]]`);
export const backends = (text: string, more = "") =>
  MINIMAL.replace(/backends = .*/, `backends = [${text}]\n${more}`.trim());
export const route = (text: string) => MINIMAL.replace('upstream = "api"', text);
export const routed = (text: string) => route(`upstream = "api"\n${text}`);

/** One text with the problems it has: `LINE: key: message` each. */
export type Case = readonly [name: string, text: string, ...expected: string[]];

/** Registers a test for each row. Everything counts as supported. */
export function refuses(cases: readonly Case[]): void {
  for (const [name, text, ...expected] of cases) {
    Deno.test(`validate() refuses ${name}`, async () => {
      assertEquals(await problems(text, EVERYTHING_WORKS), expected.map((line) => `config.toml:${line}`));
    });
  }
}
