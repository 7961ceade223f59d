/** What came from the environment is shown by its variable's name, whatever is wrong with it and whoever says so. */

import { assert, assertEquals } from "../../support/assert.ts";
import type { Config } from "../../../lib/config/types.ts";
import { ConfigError } from "../../../lib/config/issue.ts";
import { NO_MASKS, redactor, withoutUserInfo } from "../../../lib/config/masks.ts";
import { planDiff } from "../../../lib/plan/people/diff.ts";
import { explainRequest, requestToExplain } from "../../../lib/plan/people/explain.ts";
import { routeViews } from "../../../lib/runtime/operator/views.ts";
import { dryCompile } from "../../../lib/runtime/reload/dry_compile.ts";
import { NOTHING_RUNS, previewReload } from "../../../lib/runtime/reload/preview.ts";
import { EVERYTHING, EVERYTHING_WORKS, load, MINIMAL, problems, routed } from "./config_support.ts";

/** In every content below; no message says anything like it by itself. */
const MARK = /zq7/i;

/** Contents that some key refuses, each in its own way. */
const CONTENTS: readonly string[] = [
  "zq7Mark\n",
  " zq7Mark ",
  "zq7Mark\x01é中",
  "https://zq7User:zq7Mark@host/zq7Path?zq7",
  "/zq7Mark/*/:zq7Name/x*",
  "500-zq7Mark,GET",
  "zq7Mark".repeat(40),
  "unix://zq7Mark",
  "[zq7Mark]:zq7",
  "zq7-Mark",
];

/** Every text of the largest configuration that stands where a variable may. */
const TEXTS = [...EVERYTHING.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(({ 0: text, index }) => ({ text, index }));

/** One of so many neighbours is changed at a time, so that what is wrong with one hides little of the others. */
const STRIDE = 8;

/** @param how What is written in the place of a text. */
async function spoken(how: string, content: string): Promise<string> {
  const said: string[] = [];
  for (let first = 0; first < STRIDE; first++) {
    let toml = EVERYTHING;
    for (const { text, index } of TEXTS.filter((_, position) => position % STRIDE === first).reverse()) {
      toml = toml.slice(0, index) + `"${how}"` + toml.slice(index + text.length);
    }
    try {
      const { effective, warnings, settings } = await load(toml, { ...EVERYTHING_WORKS, env: { LEAK: content } });
      said.push(...effective, JSON.stringify([warnings, settings]));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      said.push(error.message);
    }
  }
  return said.join("\n");
}

for (const content of CONTENTS) {
  Deno.test(`loadConfig() never repeats ${JSON.stringify(content.slice(0, 50))} of a variable, wherever it stands`, async () => {
    for (const how of ["${LEAK}", "a${LEAK}b"]) {
      const text = await spoken(how, content);
      const at = text.search(MARK);
      assertEquals(at, -1, text.slice(Math.max(0, at - 200), at + 100));
      assert(text.includes("${LEAK}"), "nothing was said");
    }
  });
}

const SAID: ReadonlyArray<readonly [name: string, text: string, env: Record<string, string>, ...said: string[]]> = [
  [
    "a token with a line break",
    MINIMAL + '[admin]\ntoken = "${TOKEN}"',
    { TOKEN: "hunter2\n" },
    'config.toml:8: admin.token: must not hold line breaks, got "${TOKEN}"',
  ],
  [
    "a header with a line break",
    routed('request_headers = { set = { x-a = "Bearer ${TOKEN}" } }'),
    { TOKEN: "hunter2\n" },
    'config.toml:7: routes[0].request_headers.set.x-a: must not hold line breaks, got "Bearer ${TOKEN}"',
  ],
  [
    "a duration",
    routed('timeouts.total = "${T}"'),
    { T: "1 minute" },
    'config.toml:7: routes[0].timeouts.total: must be a duration from "0s" to "24d", got "${T}"',
  ],
  [
    "a choice that nearly is one",
    MINIMAL + '[log]\nlevel = "${L}"',
    { L: "warning" },
    'config.toml:8: log.level: must be "debug", "info", "warn" or "error", got "${L}"',
  ],
  [
    "an upstream that nearly is one",
    MINIMAL.replace('upstream = "api"', 'upstream = "${U}"'),
    { U: "apis" },
    'config.toml:6: routes[0].upstream: no upstream named "${U}" (upstreams: api)',
  ],
  [
    "an address with a user and password",
    MINIMAL.replace("http://10.0.0.1:8080", "${B}"),
    { B: "http://user:pw@b" },
    'config.toml:4: upstreams.api.backends[0].url: must be an origin, got "${B}"',
  ],
  [
    "an element of a list that another repeats",
    MINIMAL.replace("[[listeners]]", 'server.trusted_proxies = ["${A}", "10.1.2.3", "${A}"]\n[[listeners]]'),
    { A: "10.1.2.3" },
    'config.toml:1: server.trusted_proxies[1]: "10.1.2.3" is listed twice',
    'config.toml:1: server.trusted_proxies[2]: "${A}" is listed twice',
  ],
  [
    "a file that is not there",
    MINIMAL.replace("[upstreams.api]", 'tls = { cert = "${F}/c", key = "a.key" }\n[upstreams.api]'),
    { F: "/run/hidden" },
    'config.toml:3: listeners[0].tls.cert: cannot read "${F}/c": no such file',
  ],
  [
    "a password in the file itself",
    MINIMAL + '[tracing]\nendpoint = "http://me:pw two@h/v1 "',
    {},
    'config.toml:8: tracing.endpoint: must be an http or https URL, got "http://***@h/v1 "',
  ],
];
for (const [name, text, env, ...said] of SAID) {
  Deno.test(`loadConfig() says what is wrong with ${name}`, async () => {
    assertEquals(await problems(text, { env }), said);
  });
}

Deno.test("loadConfig() warns of a file of roots by what is written", async () => {
  const files = { "/run/hidden/ca.pem": "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n" };
  const toml = MINIMAL.replace("http://10.0.0.1:8080", "https://b").replace("0.0.0.0", "127.0.0.1")
    .replace("[[routes]]", 'tls.ca = "${F}/ca.pem"\n[[routes]]');
  const { warnings } = await load(toml, { env: { F: "/run/hidden" }, files });
  assertEquals(warnings.map(({ message }) => message), [
    '"${F}/ca.pem" holds a certificate that cannot be read: backends will be refused',
  ]);
});

Deno.test("routes that tie are told of by what is written", async () => {
  const tie = '[[routes]]\nhost = "${H}.example.com"\npath = "/${P}/x"\nupstream = "api"\n';
  const { config } = await load(MINIMAL + tie + tie, { env: { H: "zq7host", P: "zq7Path" } });
  const message = await dryCompile(config).then(() => "", (error) => String(error.message));
  assertEquals(
    message.replace("/etc/sluice/", ""),
    'config.toml:11: routes: routes "${H}.example.com/${P}/x" (line 7) and "${H}.example.com/${P}/x #2" (line 11) tie ' +
      'for host "${H}.example.com", path "/${P}/x"; give one of them other methods or a further condition',
  );
});

/** Where contents are good; each in another kind of key. */
const GOOD = `[admin]
token = "\${TOKEN}"
[[listeners]]
address = "127.0.0.1:\${PORT}"
[upstreams.api]
backends = [{ url = "http://\${HOST}:81" }, { url = "http://b", name = "\${NAME}" }]
timeouts.total = "\${TOTAL}"
strategy = "hash"
hash.key = "cookie:\${COOKIE}"
[[routes]]
host = ["\${HOST}", "*.\${HOST}"]
path = "/\${PART}/:id/*"
headers = { X-Key = "\${KEY}" }
query = { q = "\${KEY}" }
upstream = "api"
response_headers = { set = { x-a = "\${KEY}" } }
[[routes]]
name = "\${NAME}2"
respond = { body = "\${BODY}" }
[[routes]]
path = "/away"
redirect = { to = "https://\${HOST}/*" }
[log]
access = "/var/\${PART}.log"
`.replace('path = "/away"', 'path = "/away/*"');

const env = (suffix: string) => ({
  TOKEN: `zq7token${suffix}`,
  PORT: suffix === "a" ? "4711" : "4712",
  HOST: `zq7host${suffix}`,
  NAME: `zq7name${suffix}`,
  TOTAL: suffix === "a" ? "4711ms" : "4712ms",
  COOKIE: `zq7cookie${suffix}`,
  PART: `zq7part${suffix}`,
  KEY: `zq7key${suffix}`,
  BODY: `zq7body${suffix}`,
});
const LEAK = /zq7|471[12]/i;

const NO_TRAFFIC = { route: () => ({}) } as unknown as Parameters<typeof routeViews>[1];

Deno.test("what a running configuration shows of itself has variables by their names", async () => {
  const { config, effective, warnings } = await load(GOOD, { env: env("a") });
  const plan = await dryCompile(config);
  const request = requestToExplain("GET", "/other", [["host", "example.com"]]);
  const shown = {
    effective,
    warnings,
    names: [config.listeners, config.upstreams.map(({ backends }) => backends), config.routes].flat(2)
      .map(({ name }) => name),
    addresses: config.listeners.map(({ addressText }) => addressText),
    urls: config.upstreams[0].backends.map(({ url }) => url),
    patterns: plan.routes.entries.map(({ route }) => route.value.pattern),
    routes: routeViews(plan, NO_TRAFFIC),
    explanation: explainRequest(plan, request, null).lines,
  };
  for (const [what, value] of Object.entries(shown)) {
    assert(!LEAK.test(JSON.stringify(value)), JSON.stringify([what, value]));
  }
  assertEquals(shown.names, [
    "127.0.0.1:${PORT}",
    "${HOST}:81",
    "${NAME}",
    "${HOST},*.${HOST}/${PART}/:id/*",
    "${NAME}2",
    "/away/*",
  ]);
  assertEquals(shown.urls, ["http://${HOST}:81", "http://b"]);
  // What it does is done with the contents.
  assertEquals(config.upstreams[0].backends[0].address, { kind: "tcp", tls: false, hostname: "zq7hosta", port: 81 });
  assertEquals(config.routes[0].match.hosts, ["zq7hosta", "*.zq7hosta"]);
});

Deno.test("an explanation tells of a match by what is written", async () => {
  const { config } = await load(GOOD, { env: env("a") });
  const fields = [["host", "zq7hosta"], ["x-key", "other"]] as const;
  const { lines } = explainRequest(
    await dryCompile(config),
    requestToExplain("GET", "/zq7parta/5/rest?q=1", fields),
    null,
  );
  const mismatch = lines.find((line) => line.includes("x-key"));
  assertEquals(
    mismatch?.trim().replace(/^.*: /, ""),
    'header x-key is "other", not "${KEY}"; query q is "1", not "${KEY}"',
  );
});

Deno.test("planDiff() tells that a variable has another value, and neither of them", async () => {
  const [running, next] = [await load(GOOD, { env: env("a") }), await load(GOOD, { env: env("b") })];
  const literal = await load(GOOD.replaceAll(/\$\{TOTAL\}/g, "3s"), { env: env("a") });
  const changes = (to: Config) => planDiff(running.config, to, NOTHING_RUNS).changes;
  const text = JSON.stringify([changes(next.config), changes(literal.config)]);
  assert(!LEAK.test(text), text);
  const details = changes(next.config).map(({ name, detail }) => `${name} ${detail}`).join("\n");
  for (
    const part of [
      'timeouts.total changed, "${TOTAL}" has another value',
      'respond.body changed, "${BODY}" has another value',
      "admin.token changed, secret".replace("admin.token", "admin.token"),
      'log.access changed, "/var/${PART}.log" has another value',
    ]
  ) assert(details.includes(part), `${part} in\n${details}`);
  assertEquals(
    changes(literal.config).map(({ name, detail }) => `${name} ${detail}`)[0],
    'upstreams.api.timeouts.total "${TOTAL}" → 3s',
  );
});

Deno.test("what a plan warns of has variables by their names", async () => {
  const text = MINIMAL.replace("[[routes]]", 'retry.methods = ["${METHOD}"]\n[[routes]]');
  const loaded = await load(text, { env: { METHOD: "ZQ7METHOD" } });
  const { warnings } = await previewReload(() => Promise.resolve(loaded), {
    running: loaded.config,
    facts: NOTHING_RUNS,
    problemsOf: String as never,
  });
  assert(warnings.some((line) => line.includes("${METHOD} is not idempotent")), warnings.join("\n"));
  assert(!MARK.test(warnings.join("\n")), warnings.join("\n"));
});

Deno.test("redactor() finds contents in what others say", () => {
  const redact = redactor({
    shown: new Map(),
    texts: [["/run/ab/x", "/run/${A}/x"]],
    contents: [["ab", "${A}"], ["secret value\nsecond line", "${B}"]],
  });
  assertEquals(redact('open "/run/ab/x": no'), 'open "/run/${A}/x": no');
  assertEquals(redact("about: second line, SECRET VALUE, secret value"), "about: ${B}, SECRET VALUE, ${B}");
  assertEquals(redact(JSON.stringify("secret value\nsecond line")), '"${B}"');
  assertEquals(redactor(NO_MASKS)("as it is"), "as it is");
});

for (
  const [text, expected] of [
    ["http://a:b@c/d", "http://***@c/d"],
    ['got "redis://:p@ss@h:1" and "x://y" and "z://q@w"', 'got "redis://***@h:1" and "x://y" and "z://***@w"'],
    ["http://c/d", "http://c/d"],
    ["no address: a@b", "no address: a@b"],
    ["://@", "://***@"],
  ]
) {
  Deno.test(`withoutUserInfo() makes ${expected} of ${text}`, () => assertEquals(withoutUserInfo(text), expected));
}
