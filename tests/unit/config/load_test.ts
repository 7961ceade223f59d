import { assertEquals, assertRejects } from "@std/assert";
import { type DefaultName, DEFAULTS, envNameOf } from "../../../lib/config/defaults.ts";
import { ConfigError, formatIssue } from "../../../lib/config/issue.ts";
import { loadConfig } from "../../../lib/config/load.ts";
import { folderOf, resolvePath } from "../../../lib/config/paths.ts";
import { CERTIFICATE, EVERYTHING, EVERYTHING_WORKS, load, MINIMAL, PRIVATE_KEY, problems } from "./config_support.ts";

Deno.test("loadConfig() fills every default", async () => {
  const { config, warnings, files } = await load(MINIMAL);
  assertEquals(warnings.map(({ key }) => key), ["listeners[0].engine"]);
  assertEquals(files, ["/etc/sluice/config.toml"]);
  assertEquals(config.path, "/etc/sluice/config.toml");
  assertEquals(config.server, {
    workers: 1,
    drainMs: 30_000,
    reloadQuietMs: 250,
    trustedProxies: [],
    forwarded: "x-forwarded",
    underscores: "drop",
  });
  assertEquals(config.admin, null);
  assertEquals(config.log, { level: "info", access: "stdout", format: "json" });
  assertEquals(config.tracing, null);
  const [listener] = config.listeners;
  assertEquals(listener.name, "0.0.0.0:8080");
  assertEquals(listener.engine, "serve");
  assertEquals(listener.tls, null);
  assertEquals(listener.limits.headBytesMax, 32 * 1024);
  assertEquals(listener.limits.bodyBytesMax, 0);
  assertEquals(listener.limits.idleTimeoutMs, 75_000);
  const [upstream] = config.upstreams;
  assertEquals(upstream.strategy, "round_robin");
  assertEquals(upstream.backends[0].name, "10.0.0.1:8080");
  assertEquals(upstream.sticky.cookie, "sluice_api");
  assertEquals(upstream.pool.maxIdle, 64);
  assertEquals(upstream.timeouts.tunnelMs, 3_600_000);
  assertEquals(upstream.health, null);
  assertEquals(upstream.circuit.statuses, [{ from: 502, to: 504 }]);
  assertEquals(upstream.retry.on, { connect: true, reset: true, timeout: true, statuses: [] });
  const [route] = config.routes;
  assertEquals(route.name, "/*");
  assertEquals(route.line, 5);
  assertEquals(route.match, { hosts: [], path: "/*", methods: [], headers: [], query: [] });
  assertEquals(route.action, { kind: "upstream", upstream: "api" });
  assertEquals(route.rewrite, null);
  assertEquals(route.timeouts, {});
});

const everything = await load(EVERYTHING, { ...EVERYTHING_WORKS, cores: 6 });

/** Everything that can be set, and what comes out. */
const SET: ReadonlyArray<readonly [what: string, actual: unknown, expected: unknown]> = [
  ["server", everything.config.server, {
    workers: 6,
    drainMs: 45_000,
    reloadQuietMs: 1000,
    trustedProxies: ["10.0.0.0/8", "::1"],
    forwarded: "both",
    underscores: "refuse",
  }],
  ["admin", everything.config.admin, {
    address: { kind: "tcp", hostname: "0.0.0.0", port: 9900 },
    mode: null,
    group: null,
    gid: -1,
    token: "hunter2",
  }],
  ["listeners[0].tls", everything.config.listeners[0].tls, {
    certPath: "/etc/sluice/site.pem",
    keyPath: "/etc/sluice/keys/site.key",
  }],
  ["listeners[1].address", everything.config.listeners[1].address, {
    kind: "unix",
    path: "/etc/sluice/run/sluice.sock",
  }],
  ["listeners[1].limits", everything.config.listeners[1].limits, {
    headBytesMax: 1_048_576,
    fieldsMax: 1000,
    bodyBytesMax: 0,
    headTimeoutMs: 5000,
    bodyTimeoutMs: 30_000,
    bodyRateMin: 240,
    idleTimeoutMs: 75_000,
    halfCloseMs: 250,
    connectionsMax: 5000,
    connectionsPerIpMax: 100,
  }],
  ["backends[1]", everything.config.upstreams[0].backends[1], {
    name: "app.internal:80",
    url: "http://App.internal",
    identity: "http://App.internal",
    address: { kind: "tcp", tls: false, hostname: "app.internal", port: 80 },
    weight: 1,
    backup: true,
    maxConnections: 8,
  }],
  ["sticky", everything.config.upstreams[0].sticky, {
    cookie: "who",
    secret: "s3cret",
    ttlMs: 30 * 86_400_000,
    sameSite: "none",
    fallback: "power_of_two",
  }],
  ["pool", everything.config.upstreams[0].pool, {
    maxConnections: 32,
    maxTunnels: 48,
    maxIdle: 32, // the default of 64 gave way
    idleTimeoutMs: 30_000,
    maxAgeMs: 0,
    maxRequests: 1000,
    minIdle: 2,
    queue: 0,
    queueTimeoutMs: 250,
    pipelining: 4,
  }],
  ["tls", everything.config.upstreams[0].tls, {
    ca: CERTIFICATE,
    cert: CERTIFICATE,
    key: PRIVATE_KEY,
    serverName: "api.internal",
  }],
  ["timeouts", everything.config.upstreams[0].timeouts, {
    connectMs: 1000,
    responseMs: 20_000,
    idleMs: 40_000,
    totalMs: 60_000,
    tunnelMs: 7_200_000,
  }],
  ["health", everything.config.upstreams[0].health, {
    path: "/up?deep=1",
    method: "HEAD",
    host: "probe.internal",
    intervalMs: 1000,
    timeoutMs: 500,
    expect: [{ from: 200, to: 200 }, { from: 204, to: 204 }, { from: 300, to: 399 }],
    rise: 1,
    fall: 5,
  }],
  ["circuit", everything.config.upstreams[0].circuit, {
    failures: 3,
    errorRate: 0.25,
    windowMs: 30_000,
    minRequests: 50,
    statuses: [{ from: 500, to: 599 }],
    openMs: 1000,
    maxOpenMs: 60_000,
    maxEjectedPercent: 50,
  }],
  ["retry", everything.config.upstreams[0].retry, {
    attempts: 3,
    on: { connect: true, reset: false, timeout: true, statuses: [503, 504] },
    methods: ["GET", "PROPFIND"],
    budget: 0.1,
    bodyBufferBytes: 1_048_576,
    backoff: { initialMs: 10, multiplier: 1.5, maxMs: 1000, jitter: 0.5 },
  }],
  ["hash", everything.config.upstreams[1].hash, { source: "header", name: "x-user", fallback: "least_connections" }],
  ["routes[0].match", everything.config.routes[0].match, {
    hosts: ["api.example.com", "*.api.example.com"],
    path: "/v1/users/:id/*",
    methods: ["GET", "POST"],
    headers: [["x-beta", "1"]],
    query: [["debug", "*"]],
  }],
  ["routes[0].requestHeaders", everything.config.routes[0].requestHeaders, {
    set: [["x-edge", "eu"]],
    add: [["x-trace", "a b"]],
    remove: ["x-internal"],
  }],
  ["routes[0].timeouts", everything.config.routes[0].timeouts, {
    connectMs: 500,
    responseMs: 1000,
    idleMs: 2000,
    totalMs: 10_000,
    tunnelMs: 3000,
  }],
  ["routes[1].action", everything.config.routes[1].action, {
    kind: "redirect",
    to: "https://example.com/*",
    status: 301,
  }],
  ["routes[2].action", everything.config.routes[2].action, {
    kind: "respond",
    status: 200,
    body: "pong\n",
    headers: [["content-type", "text/plain"]],
  }],
  ["tracing", everything.config.tracing, {
    endpoint: "http://127.0.0.1:4318/v1/traces",
    sample: 0.5,
    service: "edge",
  }],
  ["log", everything.config.log, { level: "warn", access: "/etc/sluice/logs/access.log", format: "combined" }],
  ["files", everything.files, [
    "/etc/sluice/config.toml",
    "/etc/sluice/ca.pem",
    "/etc/tls/client.pem",
    "/etc/tls/client.key",
    "/etc/sluice/site.pem",
    "/etc/sluice/keys/site.key",
  ]],
  ["envNames", everything.envNames, ["SLUICE_ADMIN_TOKEN", "STICKY_SECRET", "REGION"]],
];
for (const [what, actual, expected] of SET) {
  Deno.test(`loadConfig() carries over ${what}`, () => {
    assertEquals(actual, expected);
  });
}

Deno.test("loadConfig() takes an upstream's hash key apart", async () => {
  for (const [key, source, name] of [["path", "path", ""], ["cookie:A", "cookie", "A"], ["query:q", "query", "q"]]) {
    const text = MINIMAL.replace("[[routes]]", `strategy = "hash"\nhash.key = "${key}"\n[[routes]]`);
    assertEquals((await load(text)).config.upstreams[0].hash, { source, name, fallback: "random" });
  }
});

Deno.test("loadConfig() prefers the file to the environment and the environment to the default", async () => {
  const text = MINIMAL.replace("[[routes]]", 'pool.queue = 5\ntimeouts.connect = "2s"\n[[routes]]');
  const env = { SLUICE_POOL_QUEUE: "7", SLUICE_POOL_MAX_REQUESTS: "9", SLUICE_TIMEOUTS_CONNECT: "4s" };
  const { config, effective } = await load(text, { env });
  const { pool, timeouts } = config.upstreams[0];
  assertEquals([pool.queue, pool.maxRequests, pool.maxIdle, timeouts.connectMs], [5, 9, 64, 2000]);
  const lines = effective.filter((line) => /pool\.(queue |max_requests|max_idle)/.test(line));
  assertEquals(lines.map((line) => line.replaceAll(/ +/g, " ")), [
    "upstreams.api.pool.max_idle = 64 # default",
    "upstreams.api.pool.max_requests = 9 # env SLUICE_POOL_MAX_REQUESTS",
    "upstreams.api.pool.queue = 5 # config.toml:5",
  ]);
});

const BAD_ENV: ReadonlyArray<readonly [name: string, value: string, message: string]> = [
  ["SLUICE_POOL_QUEUE", "many", 'must be a whole number from 0 to 1000000, got the text "many"'],
  ["SLUICE_POOL_QUEUE", "-1", "must be a whole number from 0 to 1000000, got -1"],
  ["SLUICE_TIMEOUTS_CONNECT", "3", 'must be a duration such as "250ms", "2s" or "1m30s", got "3" without a unit'],
  ["SLUICE_LIMITS_BODY", "10", 'must be a size such as "64KiB", "1MiB" or "10MB", got "10" without a unit'],
  ["SLUICE_UPSTREAM_STRATEGY", "hsah", 'unknown strategy "hsah"; did you mean "hash"?'],
  ["SLUICE_BACKEND_BACKUP", "yes", 'must be true or false, got "yes"'],
  ["SLUICE_ADMIN_TOKEN", "hunter2\n", "must not hold line breaks"],
];
for (const [name, value, message] of BAD_ENV) {
  Deno.test(`loadConfig() refuses ${name}=${JSON.stringify(value)}`, async () => {
    assertEquals(await problems(MINIMAL, { env: { [name]: value } }), [`${name}: ${message}`]);
  });
}

Deno.test("loadConfig() reports environment and file together", async () => {
  assertEquals(await problems(MINIMAL + "[log]\nlevel = 1", { env: { SLUICE_LOG_FORMAT: "xml" } }), [
    'SLUICE_LOG_FORMAT: unknown format "xml"; use "json" or "combined"',
    'config.toml:8: log.level: must be "debug", "info", "warn" or "error", got 1',
  ]);
});

Deno.test("envNameOf() gives each scalar default a name of its own, and lists none", () => {
  assertEquals(envNameOf("retry.backoff.initial"), "SLUICE_RETRY_BACKOFF_INITIAL");
  assertEquals(envNameOf("retry.on"), "");
  const names = (Object.keys(DEFAULTS) as DefaultName[]).map(envNameOf).filter((name) => name !== "");
  assertEquals(new Set(names).size, names.length);
  assertEquals(names.length, Object.values(DEFAULTS).filter((value) => !Array.isArray(value)).length);
});

Deno.test("loadConfig() takes every default as a value of the file and of the environment", async () => {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(DEFAULTS)) {
    const variable = envNameOf(name as keyof typeof DEFAULTS);
    if (variable !== "") env[variable] = String(value);
  }
  assertEquals((await load(MINIMAL, { env })).config, (await load(MINIMAL)).config);
});

const TLS = MINIMAL.replace("[upstreams", 'tls = { cert = "a.pem", key = "a.key" }\n[upstreams');
const BAD_FILES: ReadonlyArray<readonly [name: string, files: Record<string, string>, message: string]> = [
  ["an empty certificate", { "/etc/sluice/a.pem": "" }, 'cert: "/etc/sluice/a.pem" holds no certificate in PEM form'],
  [
    "a key as certificate",
    { "/etc/sluice/a.pem": PRIVATE_KEY },
    'cert: "/etc/sluice/a.pem" holds no certificate in PEM form',
  ],
  [
    "a certificate as key",
    { "/etc/sluice/a.key": CERTIFICATE },
    'key: "/etc/sluice/a.key" holds no private key in PEM form',
  ],
  [
    "an encrypted key",
    { "/etc/sluice/a.key": PRIVATE_KEY.replaceAll("PRIVATE", "ENCRYPTED PRIVATE") },
    'key: "/etc/sluice/a.key" holds an encrypted private key; decrypt it first',
  ],
  [
    "half a key",
    { "/etc/sluice/a.key": PRIVATE_KEY.slice(0, 40) },
    'key: "/etc/sluice/a.key" holds no private key in PEM form',
  ],
];
for (const [name, files, message] of BAD_FILES) {
  Deno.test(`loadConfig() refuses ${name}`, async () => {
    assertEquals(await problems(TLS, { files }), [`config.toml:3: listeners[0].tls.${message}`]);
  });
}

Deno.test("loadConfig() reports missing files beside other problems", async () => {
  assertEquals(await problems(TLS.replace("a.pem", "/x/none.crt") + "[log]\nlevel = 1"), [
    'config.toml:3: listeners[0].tls.cert: cannot read "/x/none.crt": no such file',
    'config.toml:9: log.level: must be "debug", "info", "warn" or "error", got 1',
  ]);
});

Deno.test("loadConfig() takes keys of the usual kinds", async () => {
  for (const kind of ["RSA PRIVATE KEY", "EC PRIVATE KEY"]) {
    const files = { "/etc/sluice/a.key": PRIVATE_KEY.replaceAll("PRIVATE KEY", kind) };
    assertEquals(await problems(TLS, { files }), []);
  }
});

Deno.test("loadConfig() turns an unreadable configuration into an issue", async () => {
  const options = { env: () => undefined, readTextFile: () => Promise.reject(new Deno.errors.NotFound("gone")) };
  const error: ConfigError = await assertRejects(() => loadConfig("a/config.toml", options), ConfigError);
  assertEquals(error.message, "a/config.toml: cannot be read: no such file");
});

Deno.test("loadConfig() refuses a configuration without end", async () => {
  assertEquals(await problems("#".repeat(4 * 2 ** 20 + 1)), [
    "config.toml: must have at most 4194304 characters, got 4194305",
  ]);
});

Deno.test("loadConfig() warns of what is allowed and probably not meant", async () => {
  const text = MINIMAL.replace("0.0.0.0:8080", "127.0.0.1:8080") +
    '[upstreams.spare]\nbackends = [{ url = "http://a" }]\n' +
    '[server]\ntrusted_proxies = ["0.0.0.0/0"]\n[tracing]\nendpoint = "http://collector:4318"';
  const { warnings } = await load(text);
  assertEquals(warnings.map((issue) => formatIssue("config.toml", issue)), [
    "config.toml:7: upstreams.spare: no route uses this upstream",
    'config.toml:10: server.trusted_proxies: "0.0.0.0/0" lets every client forge its address',
    'config.toml:12: tracing.endpoint: has no path; collectors take traces at "/v1/traces"',
  ]);
});

Deno.test("loadConfig() masks secrets in what is effective", async () => {
  const env = { SLUICE_ADMIN_TOKEN: "hunter2", STICKY_SECRET: "s3cret", REGION: "r3gion" };
  const { effective } = await load(EVERYTHING, { ...EVERYTHING_WORKS, env });
  const text = effective.join("\n");
  assertEquals(/hunter2|s3cret|r3gion|PRIVATE/.test(text), false, text);
  const shown: ReadonlyArray<readonly [key: string, value: string]> = [
    ["admin.token", "${SLUICE_ADMIN_TOKEN}"],
    ["upstreams.api.sticky.secret", "${STICKY_SECRET}"],
    ["routes[0].request_headers.set.x-edge", "${REGION}"],
  ];
  for (const [key, value] of shown) {
    assertEquals(effective.some((line) => line.startsWith(`${key} = "${value}" `)), true, key);
  }
  const plain = (await load(EVERYTHING, EVERYTHING_WORKS)).effective.join("\n");
  assertEquals(/hunter2|s3cret/.test(plain), false, "nor what the file itself says");
});

Deno.test("loadConfig() gives routes without a name one of their own", async () => {
  const { config } = await load(
    MINIMAL + '[[routes]]\nhost = "a"\npath = "/x"\nmethods = "GET"\nupstream = "api"\n' +
      '[[routes]]\nheaders = { x = "1" }\nupstream = "api"\n',
  );
  assertEquals(config.routes.map(({ name }) => name), ["/*", "GET a/x", "/* #2"]);
});

for (
  const [folder, path, expected] of [
    ["/etc/s", "a.pem", "/etc/s/a.pem"],
    ["/etc/s", "./b/../a.pem", "/etc/s/a.pem"],
    ["/etc/s", "../../../a", "/a"],
    ["/etc/s", "/x//y/", "/x/y"],
    ["", "a/../../b", "../b"],
    [".", "a", "a"],
  ]
) {
  Deno.test(`resolvePath() makes "${expected}" of "${path}" in "${folder}"`, () => {
    assertEquals(resolvePath(folder, path), expected);
  });
}

for (const [path, folder] of [["/a/b", "/a"], ["/a", "/"], ["a", "."], ["a/b", "a"]]) {
  Deno.test(`folderOf() finds "${folder}" for "${path}"`, () => {
    assertEquals(folderOf(path), folder);
  });
}
