/** What `sluice plan` says of an edit: in a table of edits, each against the same running configuration. */

import { planDiff } from "../../../../lib/plan/people/diff.ts";
import type { PlanChange } from "../../../../lib/plan/people/plan_change.ts";
import type { LoadedConfig } from "../../../../lib/config/load.ts";
import { loadConfig } from "../../../../lib/config/load.ts";
import { assert, assertEquals, assertStringIncludes } from "../../../support/assert.ts";

const RUNNING = `
[server]
drain = "60s"
[[listeners]]
name = "public"
address = "127.0.0.1:8080"
engine = "wire"
[upstreams.api]
backends = [
  { name = "b1", url = "http://127.0.0.1:9001" },
  { name = "b2", url = "http://127.0.0.1:9002" },
]
strategy = "weighted_round_robin"
[upstreams.api.pool]
max_idle = 64
[upstreams.web]
backends = [{ name = "w1", url = "http://127.0.0.1:9101" }, { name = "w2", url = "http://127.0.0.1:9102" }]
[upstreams.web.health]
interval = "5s"
[[routes]]
name = "api"
path = "/v1/*"
upstream = "api"
request_headers = { set = { x-key = "hunter2" } }
[[routes]]
name = "web"
upstream = "web"
`;

const IN_FLIGHT: Readonly<Record<string, number>> = { "api/b1": 3, "api/b2": 7, "web/w1": 2 };

interface Case {
  readonly name: string;
  /** Pairs of what stands in the file and what comes in its place. */
  readonly edits: ReadonlyArray<readonly [from: string, to: string]>;
  /** `kind area name: detail`, all of them, in any order. */
  readonly changes?: readonly string[];
  /** Patterns for all warnings. */
  readonly warnings?: readonly RegExp[];
  readonly refusals?: readonly RegExp[];
}

const KEEPS = "keeps connections and health";

const CASES: readonly Case[] = [
  { name: "says nothing of the same file", edits: [] },
  {
    name: "says nothing of another spelling",
    edits: [[`"60s"`, `"1m"`], [`backends = [{ name = "w1"`, `# new\nbackends = [{ name = "w1"`], [
      `[upstreams.api.pool]\nmax_idle = 64`,
      "",
    ]],
  },
  {
    name: "names a value with where it comes from and goes to",
    edits: [[`"60s"`, `"10s"`]],
    changes: ["changed setting server.drain: 1m → 10s"],
  },
  {
    name: "tells a section that comes as one change",
    edits: [["[server]", `[log]\nlevel = "warn"\n[server]`]],
    changes: [`changed setting log.level: "info" → "warn"`],
  },
  {
    name: "says which backends get a new pool, and why",
    edits: [["max_idle = 64", "max_idle = 32"]],
    changes: [
      "changed setting upstreams.api.pool.max_idle: 64 → 32",
      "changed upstream api: b1, b2: gets a new pool (pool.max_idle), keeps health",
    ],
  },
  {
    name: "says which backends start anew in health, and why",
    edits: [[`interval = "5s"`, `interval = "3s"`], [
      "[upstreams.web.health]",
      'slow_start = "20s"\n[upstreams.web.health]',
    ]],
    changes: [
      "changed setting upstreams.web.health.interval: 5s → 3s",
      "changed setting upstreams.web.slow_start: 0s → 20s",
      "changed upstream web: w1, w2: keeps connections, starts anew in health, with a ramp (slow_start, health.interval)",
    ],
  },
  {
    name: "tells probes that are taken away as one change",
    edits: [[`[upstreams.web.health]\ninterval = "5s"`, ""]],
    changes: [
      `removed setting upstreams.web.health: was path "/healthz", method "GET", host "", interval 5s, timeout 2s, expect "200-399", rise 2, fall 3`,
      "changed upstream web: w1, w2: keeps connections, starts anew in health (health)",
    ],
  },
  {
    name: "keeps everything over another strategy",
    edits: [[`"weighted_round_robin"`, `"least_connections"`]],
    changes: [
      `changed setting upstreams.api.strategy: "weighted_round_robin" → "least_connections"`,
      `changed upstream api: b1, b2: ${KEEPS}`,
    ],
  },
  {
    name: "keeps a backend whose weight changes",
    edits: [[`"http://127.0.0.1:9001" }`, `"http://127.0.0.1:9001", weight = 5, backup = true }`]],
    changes: [`changed backend api/b1: weight 1 → 5; backup false → true; ${KEEPS}`],
  },
  {
    name: "keeps a backend that is only called otherwise",
    edits: [[`"b1"`, `"first"`]],
    changes: [`changed backend api/first: name "b1" → "first"; ${KEEPS}`],
  },
  {
    name: "tells a backend of that name at another place",
    edits: [["9001", "9009"]],
    changes: [
      `changed backend api/b1: url "http://127.0.0.1:9001" → "http://127.0.0.1:9009"; ` +
      "another backend: new connections and health, 3 in flight end on the old",
    ],
  },
  {
    name: "says what is in flight on a backend that goes",
    edits: [[`  { name = "b2", url = "http://127.0.0.1:9002" },\n`, ""]],
    changes: ["removed backend api/b2: http://127.0.0.1:9002: no new requests, 7 in flight end on the old plan [7]"],
    warnings: [
      /^upstreams\.api\.backends: b1 alone takes traffic/,
      /^api\/b2 goes with 7 in flight.*sluice drain api\/b2/,
    ],
  },
  {
    name: "says what joins",
    edits: [[`:9102" }`, `:9102" }, { name = "w3", url = "http://127.0.0.1:9103", backup = true }`]],
    changes: ["added backend web/w3: http://127.0.0.1:9103, backup"],
  },
  {
    name: "tells an upstream that goes with its backends",
    edits: [[/\[upstreams\.web\][^]*?(?=\[\[routes)/.exec(RUNNING)![0], ""], [`upstream = "web"`, `upstream = "api"`]],
    changes: [
      "removed upstream web: with w1, w2",
      "removed backend web/w1: http://127.0.0.1:9101: no new requests, 2 in flight end on the old plan [2]",
      "removed backend web/w2: http://127.0.0.1:9102: no new requests",
      `changed route web: upstream "web" → "api"`,
    ],
    warnings: [/^web\/w1 goes with 2 in flight/],
  },
  {
    name: "says that a new upstream shares connections",
    edits: [["[upstreams.web]", `[upstreams.api2]\nbackends = [{ url = "http://127.0.0.1:9001" }]\n[upstreams.web]`]],
    changes: [
      "added upstream api2: round_robin over 127.0.0.1:9001; shares the connections of 127.0.0.1:9001 with another upstream",
    ],
    warnings: [/^upstreams\.api2\.backends: 127\.0\.0\.1:9001 alone takes traffic/],
  },
  {
    name: "tells routes apart by name and never shows a header's value",
    edits: [["hunter2", "hunter3"], [`name = "web"\n`, `name = "site"\nmethods = ["GET"]\n`]],
    changes: [
      "changed route api: request_headers.set.x-key changed, secret",
      "added route site: GET /* to upstream web",
      "removed route web: /* to upstream web",
    ],
  },
  {
    name: "keeps the socket of a listener whose limits change",
    edits: [[`engine = "wire"`, `engine = "wire"\nlimits = { head = "16KiB", head_timeout = "5s" }`]],
    changes: [
      "changed listener public: limits.head 32KiB → 16KiB; limits.head_timeout 10s → 5s; the socket stays open",
    ],
  },
  {
    name: "opens one address and closes another",
    edits: [["127.0.0.1:8080", "127.0.0.1:8081"]],
    changes: [
      "added listener public: opens 127.0.0.1:8081, engine wire",
      "removed listener public: closes 127.0.0.1:8080: no new connections, what is in flight there ends",
    ],
  },
  {
    name: "knows that the engine of an open address cannot change",
    edits: [[`engine = "wire"`, `engine = "serve"`]],
    changes: [`changed listener public: engine "wire" → "serve"`],
    refusals: [/^listener public: engine and TLS cannot change at 127\.0\.0\.1:8080/],
  },
  {
    name: "warns of retries of what is not idempotent",
    edits: [["[upstreams.web]", `[upstreams.api.retry]\nmethods = ["GET", "POST", "PATCH"]\n[upstreams.web]`]],
    changes: [
      `changed setting upstreams.api.retry.methods: ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] → ["GET", "POST", "PATCH"]`,
      `changed upstream api: b1, b2: ${KEEPS}`,
    ],
    warnings: [/^upstreams\.api\.retry\.methods: POST, PATCH are not idempotent/],
  },
  {
    name: "does not warn of methods when nothing is retried",
    edits: [["[upstreams.web]", `[upstreams.api.retry]\nattempts = 1\nmethods = ["POST"]\n[upstreams.web]`]],
    changes: [
      `changed setting upstreams.api.retry.attempts: 2 → 1`,
      `changed setting upstreams.api.retry.methods: ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] → ["POST"]`,
      `changed upstream api: b1, b2: ${KEEPS}`,
    ],
  },
];

for (const { name, edits, changes = [], warnings = [], refusals = [] } of CASES) {
  Deno.test(`planDiff() ${name}`, async () => {
    const diff = await differ(edited(edits));
    assertEquals(diff.changes.map(line).sort(), [...changes].sort());
    matchAll(diff.warnings, warnings);
    matchAll(diff.refusals, refusals);
  });
}

const WARNING_CASES: ReadonlyArray<readonly [toml: string, warning: RegExp]> = [
  [`[upstreams.api.retry]\non = [503]\nbudget = 1.0`, /retry\.budget: 1 hardly bounds/],
  [`[upstreams.api.retry]\nbudget = 0.0`, /retry\.budget: is 0/],
  [`[upstreams.api.health]\ninterval = "2s"`, /health\.timeout: is as long as the interval/],
  [`panic_threshold = 60`, /panic_threshold: at 60 percent/],
  [`[upstreams.api.circuit]\nfailures = 0\nerror_rate = 0.0`, /circuit: is off and there are no probes/],
];

for (const [toml, warning] of WARNING_CASES) {
  Deno.test(`planDiff() warns: ${warning.source}`, async () => {
    const { warnings } = await differ(edited([["[upstreams.api.pool]\nmax_idle = 64", toml]]));
    matchAll(warnings, [warning]);
  });
}

Deno.test("planDiff() warns that cookies without a secret do not last, and that another secret voids them", async () => {
  const sticky = (secret: string) =>
    edited([[`"weighted_round_robin"`, `"sticky"`], [
      "[upstreams.api.pool]",
      `sticky = { ${secret} }\n[upstreams.api.pool]`,
    ]]);
  matchAll((await differ(sticky(""))).warnings, [/sticky\.secret: is not set/]);
  const [one, other] = [await load(sticky(`secret = "one"`)), await load(sticky(`secret = "other"`))];
  const { changes, warnings } = planDiff(one.config, other.config, { inFlight: () => 0, filtersOf: () => [] });
  matchAll(warnings, [/sticky: cookies that clients have are void/]);
  assert(!JSON.stringify(changes).includes("other"), "a secret must not be shown");
});

Deno.test("planDiff() tells the filters of a route", async () => {
  const [running, next] = await Promise.all([
    load(RUNNING),
    load(edited([[`name = "web"\nupstream = "web"`, `name = "site"\nupstream = "web"`], ["/v1/*", "/v2/*"]])),
  ]);
  const { changes } = planDiff(running.config, next.config, {
    inFlight: () => 0,
    filtersOf: ({ match, name }) => name === "site" ? ["cors", "auth"] : match.path === "/v2/*" ? ["auth"] : [],
  });
  assertEquals(changes.map(line), [
    'changed route api: path "/v1/*" → "/v2/*"; filters none → auth',
    "added route site: /* to upstream web, filters cors, auth",
    "removed route web: /* to upstream web",
  ]);
});

function differ(toml: string) {
  return Promise.all([load(RUNNING), load(toml)]).then(([running, next]) =>
    planDiff(running.config, next.config, {
      inFlight: (upstream, backend) => IN_FLIGHT[`${upstream}/${backend}`] ?? 0,
      filtersOf: () => [],
    })
  );
}

function load(toml: string): Promise<LoadedConfig> {
  return loadConfig("/etc/sluice/config.toml", { env: () => undefined, readTextFile: () => Promise.resolve(toml) });
}

function edited(edits: Case["edits"]): string {
  let toml = RUNNING;
  for (const [from, to] of edits) {
    assertStringIncludes(toml, from);
    toml = toml.replace(from, to);
  }
  return toml;
}

function line({ kind, area, name, detail, inFlight }: PlanChange): string {
  return `${kind} ${area} ${name}: ${detail}${inFlight === 0 || kind === "changed" ? "" : ` [${inFlight}]`}`;
}

function matchAll(lines: readonly string[], patterns: readonly RegExp[]): void {
  const unmatched = patterns.filter((pattern) => !lines.some((text) => pattern.test(text)));
  assertEquals([lines.length, unmatched], [patterns.length, []], lines.join("\n"));
}
