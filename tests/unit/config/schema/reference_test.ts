import { assertEquals } from "@std/assert";
import Ajv2020 from "ajv/dist/2020.js";
import { parseToml } from "../../../../lib/config/toml/parse.ts";
import { requiredPermissions } from "../../../../lib/config/permissions.ts";
import { renderReference } from "../../../../lib/config/schema/reference.ts";
import { jsonSchema } from "../../../../lib/config/schema/json_schema.ts";
import { EVERYTHING, EVERYTHING_WORKS, load, MINIMAL } from "../config_support.ts";

// The module's default export is typed as a namespace under this resolution.
// deno-lint-ignore no-explicit-any
const Ajv = Ajv2020 as any;
const accepts: (value: unknown) => boolean = new Ajv({ strict: false }).compile(jsonSchema());

/** As an editor sees it: nothing completed from the environment, plain objects. */
const valueOf = (text: string) => JSON.parse(JSON.stringify(parseToml(text, "config.toml", () => "${X}").value));

/** The example of the reference, without what contradicts itself only for the sake of showing it. */
const EXAMPLE = `
[server]
workers = 1
drain = "30s"
trusted_proxies = []
forwarded = "x-forwarded"
underscores = "drop"
[admin]
address = "127.0.0.1:9900"
token = "$\${SLUICE_ADMIN_TOKEN:-}"
[[listeners]]
name = "public"
address = "0.0.0.0:8080"
engine = "serve"
tls = { cert = "site.pem", key = "site.key" }
[listeners.limits]
head = "32KiB"
fields = 100
body = "0B"
[upstreams.api]
strategy = "round_robin"
backends = [
  { url = "http://10.0.0.1:8080", weight = 3 },
  { url = "https://10.0.0.2:8443", name = "b2", backup = false, max_connections = 0 },
  { url = "unix:/run/app.sock" },
]
host = "preserve"
[upstreams.api.retry]
on = ["connect", "reset", "timeout"]
backoff = { initial = "25ms", multiplier = 2.0, max = "250ms", jitter = 1.0 }
[[routes]]
name = "api"
host = "api.example.com"
path = "/v1/*"
methods = ["GET", "POST"]
headers = { x-beta = "1" }
query = { debug = "*" }
upstream = "api"
rewrite = "/*"
timeouts = { total = "10s" }
request_headers = { set = { x-edge = "1" }, add = {}, remove = ["x-internal"] }
response_headers = { set = {}, add = {}, remove = ["server"] }
[[routes]]
redirect = { to = "https://www.example.com/*", status = 308 }
`;

const ACCEPTED: ReadonlyArray<readonly [name: string, text: string]> = [
  ["the smallest configuration", MINIMAL],
  ["every section", EVERYTHING],
  ["the example", EXAMPLE],
  ["variables where a form is wanted", MINIMAL.replace("0.0.0.0:8080", "$${ADDRESS}") + '[log]\nlevel = "$${LEVEL}"'],
];
for (const [name, text] of ACCEPTED) {
  Deno.test(`jsonSchema() accepts ${name}`, () => {
    assertEquals(parseToml(text, "config.toml", () => "x").issues, []);
    assertEquals(accepts(valueOf(text)), true);
  });
}

const REJECTED: ReadonlyArray<readonly [name: string, from: string, to: string]> = [
  ["no listeners", '[[listeners]]\naddress = "0.0.0.0:8080"\n', ""],
  ["no backends", 'backends = [{ url = "http://10.0.0.1:8080" }]', ""],
  ["an empty list of backends", '{ url = "http://10.0.0.1:8080" }', ""],
  ["an unknown section", "[upstreams.api]", "[zzz]\n[upstreams.api]"],
  ["an unknown key", 'upstream = "api"', 'upstream = "api"\nzzz = 1'],
  ["an address without port", "0.0.0.0:8080", "0.0.0.0"],
  ["a url with a path", "10.0.0.1:8080", "10.0.0.1:8080/a"],
  ["an unknown engine", "[upstreams", 'engine = "zzz"\n[upstreams'],
  ["a duration as a number", "[[routes]]", "timeouts.connect = 3\n[[routes]]"],
  ["a duration without unit", "[[routes]]", 'timeouts.connect = "3"\n[[routes]]'],
  ["an empty duration", "[[routes]]", 'timeouts.connect = ""\n[[routes]]'],
  ["a size without unit", "[[routes]]", 'retry.body_buffer = "64"\n[[routes]]'],
  ["a number over its range", "[[routes]]", "panic_threshold = 101\n[[routes]]"],
  ["a fraction for a whole number", "[[routes]]", "pool.queue = 1.5\n[[routes]]"],
  ["an unknown strategy", "[[routes]]", 'strategy = "round-robin"\n[[routes]]'],
  ["a fallback to hash", "[[routes]]", 'hash.fallback = "hash"\n[[routes]]'],
  ["a name with a space", "[upstreams.api]", '[upstreams."a b"]'],
  ["no action", 'upstream = "api"', 'path = "/"'],
  ["two actions", 'upstream = "api"', 'upstream = "api"\nrespond = {}'],
  ["a path without slash", 'upstream = "api"', 'upstream = "api"\npath = "a"'],
  ["a header name with a space", 'upstream = "api"', 'upstream = "api"\nheaders = { "a b" = "1" }'],
  ["a header value as a number", 'upstream = "api"', 'upstream = "api"\nheaders = { a = 1 }'],
  ["a cert without key", "[upstreams", 'tls = { cert = "a" }\n[upstreams'],
  ["a status in words", 'upstream = "api"', 'redirect = { to = "/", status = "found" }'],
];
for (const [name, from, to] of REJECTED) {
  Deno.test(`jsonSchema() rejects ${name}`, () => {
    const text = MINIMAL.replace(from, to);
    assertEquals(text === MINIMAL, false, "nothing was replaced");
    assertEquals(accepts(valueOf(text)), false);
  });
}

Deno.test("jsonSchema() describes every key", () => {
  const silent: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === "properties") {
        for (const [name, property] of Object.entries(value as Record<string, { description?: string }>)) {
          if (!property.description) silent.push(`${path}.${name}`);
          visit(property, `${path}.${name}`);
        }
      } else if (keyword !== "default") visit(value, path);
    }
  };
  visit(jsonSchema(), "");
  assertEquals(silent, []);
});

Deno.test("renderReference() is what docs/configuration.md holds", async () => {
  const file = await Deno.readTextFile(new URL("../../../../docs/configuration.md", import.meta.url));
  assertEquals(file, renderReference(), "write renderReference() to docs/configuration.md");
});

Deno.test("requiredPermissions() lists exactly what a small configuration needs", async () => {
  const { config, files } = await load(MINIMAL);
  const flags = requiredPermissions(config, files, { envNames: ["TOKEN"] });
  assertEquals(flags.slice(0, 2), ["--allow-net=0.0.0.0:8080,10.0.0.1:8080", "--allow-read=/etc/sluice"]);
  assertEquals(flags.length, 3);
  assertEquals(flags[2], "--allow-env=SLUICE_*,TOKEN");
});

Deno.test("requiredPermissions() covers sockets, certificates and the access log", async () => {
  const { config, files, envNames } = await load(EVERYTHING, EVERYTHING_WORKS);
  const [net, read, write, env] = requiredPermissions(config, files, { envNames });
  assertEquals(
    net,
    "--allow-net=0.0.0.0:8443,unix:/etc/sluice/run/sluice.sock,0.0.0.0:9900,10.0.0.1:8443,app.internal:80," +
      "unix:/run/app.sock,[fd00::1]:81,web-1:3000,web-2:3000,127.0.0.1:4318",
  );
  assertEquals(read, "--allow-read=/etc/sluice,/etc/tls/client.pem,/etc/tls/client.key,/run/app.sock");
  assertEquals(write, "--allow-write=/etc/sluice/run/sluice.sock,/run/app.sock,/etc/sluice/logs/access.log");
  assertEquals(env.startsWith("--allow-env=SLUICE_*,OTEL_*,"), true, env);
  assertEquals(env.endsWith(",STICKY_SECRET,REGION"), true);
});

Deno.test("requiredPermissions() allows the folder of a file whose path has a comma", async () => {
  const { config, files } = await load(MINIMAL + '[log]\naccess = "/var/log/a,b.log"');
  assertEquals(requiredPermissions(config, files)[2], "--allow-write=/var/log");
});
