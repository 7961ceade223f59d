/** What `sluice explain` says of backends: by the configuration alone, and with the health of now. */

import { loadConfig } from "../../../../lib/config/load.ts";
import type { HealthMachine } from "../../../../lib/health/machine.ts";
import type { FailureCode } from "../../../../lib/health/reason.ts";
import { type ExplainedHealth, explainRequest, requestToExplain } from "../../../../lib/plan/people/explain.ts";
import type { MakeHandler, Plan, UpstreamPlan } from "../../../../lib/plan/types.ts";
import { compile } from "../../../../lib/plan/compile.ts";
import { JudgedHealth } from "../../../../lib/plan/health_source.ts";
import { Resources } from "../../../../lib/plan/resources.ts";
import { makeRouteHandler } from "../../../../lib/proxy/route_handler.ts";
import { Deadlines } from "../../../../lib/transport/deadlines.ts";
import { assertEquals, assertThrows } from "../../../support/assert.ts";

const START_MS = 50_000;
/** What the clock of the wall says at `START_MS`. */
const START_EPOCH_MS = Date.UTC(2026, 0, 1, 12, 3, 2);

class Stage {
  nowMs = START_MS;
  readonly plan: Plan;
  readonly upstream: UpstreamPlan;

  private constructor(plan: Plan) {
    this.plan = plan;
    this.upstream = plan.upstreams.get("api")!;
  }

  static async set(
    keys: string,
    backends: readonly string[] = ["b1", "b2"],
    filters: readonly string[] = [],
  ): Promise<Stage> {
    const entries = backends.map((text, index) => {
      const [name, ...more] = text.split(" ");
      const extra = more.length === 0 ? "" : `, ${more.join(" ")}`;
      return `{ name = "${name}", url = "http://127.0.0.1:${9001 + index}"${extra} }`;
    });
    const toml = `[[listeners]]\naddress = "127.0.0.1:0"\n[[routes]]\nname = "all"\nupstream = "api"\n` +
      `[upstreams.api]\nbackends = [${entries.join(", ")}]\n${keys}`;
    const { config } = await loadConfig("/c.toml", { env: () => undefined, readTextFile: () => Promise.resolve(toml) });
    const clock = { nowMs: () => START_MS, epochMs: () => START_EPOCH_MS };
    const deadlines = new Deadlines(clock.nowMs);
    const resources = new Resources({ clock, deadlines, onHealthChange: () => {} });
    const context = {
      resources,
      generation: 1,
      health: new JudgedHealth(new Set()),
      stickySecret: "x",
      random: () => 0,
      makeHandler: (...parts: Parameters<MakeHandler>) => ({ ...makeRouteHandler(...parts), filters }),
    };
    return new Stage(await compile(config, context));
  }

  machine(index: number): HealthMachine {
    return this.upstream.members.judged!.machines[index];
  }

  fail(index: number, code: FailureCode, times: number): this {
    const machine = this.machine(index);
    const ticket = machine.tryAdmit(this.nowMs);
    for (let i = 0; i < times; i++) machine.onTrafficFailure(code, this.nowMs, ticket);
    return this;
  }

  wait(ms: number): this {
    this.nowMs += ms;
    this.upstream.members.judged!.group.tick(this.nowMs);
    return this;
  }

  /** The lines about the upstream. */
  lines(): readonly string[] {
    const health: ExplainedHealth = {
      members: ({ members: { judged } }) => judged!.group.snapshot(),
      nowMs: this.nowMs,
      epochMs: START_EPOCH_MS + this.nowMs - START_MS,
    };
    const { lines } = explainRequest(this.plan, requestToExplain("GET", "/", []), health);
    return lines.slice(lines.findIndex((line) => line.startsWith("upstream ")));
  }
}

interface Case {
  readonly name: string;
  readonly keys?: string;
  readonly backends?: readonly string[];
  readonly play: (stage: Stage) => void;
  /** One a backend, without the url in brackets. */
  readonly expected: readonly string[];
}

const CASES: readonly Case[] = [
  { name: "healthy", play: () => {}, expected: ["b1 eligible, weight 1", "b2 eligible, weight 1"] },
  {
    name: "open",
    play: (stage) => stage.fail(0, "connect_refused", 5),
    expected: ["b1 skipped: open until 12:03:07 after 5 × connect_refused", "b2 eligible, weight 1"],
  },
  {
    name: "open, and its probes fail",
    keys: `health = { path = "/", fall = 2 }`,
    play: (stage) => {
      for (let count = 0; count < 2; count++) stage.machine(0).onProbeFailure("connect_refused", stage.nowMs);
      stage.fail(1, "bad_status", 5).machine(1).onProbeFailure("bad_status", stage.nowMs);
    },
    expected: [
      "b1 skipped: open until probes pass after 2 × connect_refused of probes",
      "b2 eligible, weight 1, although open until 12:03:07 after 5 × bad_status: bad answers beat none",
    ],
  },
  {
    name: "probation, and its trial",
    play: (stage) => {
      stage.fail(0, "connect_refused", 5).fail(1, "connect_refused", 5).wait(5000);
      stage.machine(1).tryAdmit(stage.nowMs);
    },
    expected: [
      "b1 eligible for one trial request: in probation since 12:03:07",
      "b2 skipped: in probation since 12:03:07, its trial request is under way",
    ],
  },
  {
    name: "drained and disabled",
    play: (stage) => {
      stage.machine(0).admin("drain", stage.nowMs);
      stage.wait(60_000).machine(1).admin("disable", stage.nowMs);
    },
    expected: [
      "b1 skipped: draining since 12:03:02, by the operator",
      "b2 skipped: disabled since 12:04:02, by the operator",
      "nobody is eligible: answers with status 503, backend_unavailable",
    ],
  },
  {
    name: "a backup stands by, and takes over",
    backends: ["b1", "b2 backup = true", "b3 weight = 0"],
    keys: `strategy = "weighted_round_robin"`,
    play: () => {},
    expected: [
      "b1 eligible, weight 1",
      "b2 backup: only when no other is eligible",
      "b3 skipped: weight 0 takes no new traffic",
    ],
  },
  {
    name: "one that is out, and one that takes nothing",
    backends: ["b1", "b2 weight = 0"],
    keys: `strategy = "weighted_round_robin"`,
    play: (stage) => stage.fail(0, "connect_refused", 5),
    expected: [
      "b1 skipped: open until 12:03:07 after 5 × connect_refused",
      "b2 skipped: weight 0 takes no new traffic",
      "nobody is eligible: answers with status 503, backend_unavailable",
    ],
  },
  {
    name: "a backup takes over",
    backends: ["b1", "b2 backup = true"],
    play: (stage) => stage.fail(0, "connect_refused", 5),
    expected: ["b1 skipped: open until 12:03:07 after 5 × connect_refused", "b2 eligible, weight 1"],
  },
  {
    name: "the last one is spared",
    play: (stage) => stage.fail(0, "connect_refused", 5).fail(1, "bad_status", 5),
    expected: [
      "b1 skipped: open until 12:03:07 after 5 × connect_refused",
      "b2 eligible, weight 1, although open until 12:03:07 after 5 × bad_status: bad answers beat none",
    ],
  },
  {
    name: "a ramp",
    keys: `slow_start = "20s"`,
    play: (stage) => {
      stage.machine(0).admin("drain", stage.nowMs);
      stage.machine(0).admin("enable", stage.nowMs);
      stage.wait(5000);
    },
    expected: ["b1 eligible, weight 1, ramping up since 12:03:02: 25 % of its share", "b2 eligible, weight 1"],
  },
];

for (const { name, keys = "", backends, play, expected } of CASES) {
  Deno.test(`explainRequest() tells the health of now: ${name}`, async () => {
    const stage = await Stage.set(keys, backends);
    play(stage);
    const [, ...lines] = stage.lines();
    assertEquals(lines.map((line) => line.trim().replace(/ \(http:[^)]*\)$/, "")), [...expected]);
  });
}

Deno.test("explainRequest() says which moment it speaks of, and when health is ignored", async () => {
  const stage = await Stage.set("panic_threshold = 51");
  assertEquals(stage.lines()[0], "upstream api, strategy round_robin, health at 12:03:02 UTC:");
  stage.fail(0, "connect_refused", 5);
  assertEquals(
    stage.lines()[0],
    "upstream api, strategy round_robin, health at 12:03:02 UTC; so many are out that health is ignored:",
  );
  assertEquals(
    stage.lines()[1],
    "  b1 eligible, weight 1, although open until 12:03:07 after 5 × connect_refused (http://127.0.0.1:9001)",
  );
});

Deno.test("explainRequest() says that TRACE is refused", async () => {
  const { plan } = await Stage.set("");
  const { route, lines } = explainRequest(plan, requestToExplain("TRACE", "http://a.test/", []), null);
  assertEquals(route, "all");
  assertEquals(lines.at(-1), "answered 405: TRACE passes only where a route's methods name it");
});

Deno.test("explainRequest() tells the filters before the action", async () => {
  const { plan } = await Stage.set("", ["b1", "b2"], ["cors", "auth"]);
  const { lines } = explainRequest(plan, requestToExplain("get", "http://a.test/", []), null);
  assertEquals(lines.at(-4), "passes filters: cors, auth");
  assertEquals(lines.at(-3), "upstream api, strategy round_robin:");
});

Deno.test("explainRequest() without health names no time", async () => {
  const { plan } = await Stage.set("");
  const { route, lines } = explainRequest(plan, requestToExplain("get", "http://a.test?x=1", []), null);
  assertEquals(route, "all");
  assertEquals(lines.slice(-3), [
    "upstream api, strategy round_robin:",
    "  b1 eligible, weight 1 (http://127.0.0.1:9001)",
    "  b2 eligible, weight 1 (http://127.0.0.1:9002)",
  ]);
});

Deno.test("requestToExplain() takes URLs and paths, and joins fields of one name", () => {
  const request = requestToExplain("get", "https://a.test?x=1#y", [["X-A", "1"], ["x-a", "2"]]);
  assertEquals([request.host, request.method, request.path, request.query], ["a.test", "GET", "/", "x=1"]);
  assertEquals([request.field("x-a"), request.field("host"), request.field("x-b")], ["1, 2", "a.test", null]);
  assertEquals(requestToExplain("GET", "/a", [["Host", "b.test"]]).host, "b.test");
  assertThrows(() => requestToExplain("GET", "a.test/", []), SyntaxError, `URL must begin with "http://"`);
});
