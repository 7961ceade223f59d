import { assertEquals, assertStrictEquals } from "../../../support/assert.ts";
import { HealthMachine } from "../../../../lib/health/machine.ts";
import { HealthGroup } from "../../../../lib/health/group.ts";
import type { HealthState } from "../../../../lib/health/reason.ts";
import type { Config } from "../../../../lib/config/types.ts";
import type { Plan } from "../../../../lib/plan/types.ts";
import { type ChangeResult, Control, type Running } from "../../../../lib/runtime/operator/control.ts";
import { TlsProblems } from "../../../../lib/runtime/logs/tls_problems.ts";
import { EventRings } from "../../../../lib/runtime/operator/event_rings.ts";
import { EventLog } from "../../../../lib/runtime/logs/event_log.ts";
import { Metrics } from "../../../../lib/runtime/telemetry/metrics.ts";
import { Overrides, sharersOf } from "../../../../lib/runtime/operator/overrides.ts";

const SETTINGS = {
  health: null,
  circuit: { failures: 1, errorRate: 0, windowMs: 1000, minRequests: 1, openMs: 100, maxOpenMs: 1000 },
  slowStartMs: 0,
};

/** A plan of upstreams whose backends are named as their machines: `{ api: ["a", "b"], web: ["a"] }` shares "a". */
function planOf(shape: Readonly<Record<string, readonly string[]>>, known = new Map<string, HealthMachine>()) {
  const upstreams = new Map(
    Object.entries(shape).map(([name, backends]) => {
      const machines = backends.map((backend) => {
        const machine = known.get(backend) ?? new HealthMachine(SETTINGS, { nowMs: 0, state: "healthy" });
        known.set(backend, machine);
        return machine;
      });
      const members = machines.map((machine) => ({ machine, weight: 1, backup: false }));
      const settings = { circuit: { maxEjectedPercent: 100 }, panicThresholdPercent: 0 };
      const health = new HealthGroup(members, settings);
      const plans = backends.map((backend, index) => ({ name: backend, index, machine: machines[index] }));
      const config = { strategy: "weighted_round_robin", backends: backends.map((name) => ({ name, weight: 1 })) };
      return [name, { name, members: { config, backends: plans, health, judged: { group: health, machines } } }];
    }),
  );
  const eligible = () =>
    Object.keys(shape).map((name) => `${name} ${upstreams.get(name)!.members.health.eligible[0].toString(2)}`).join(
      ", ",
    );
  return { plan: { upstreams } as unknown as Plan, machines: known, eligible };
}

function drained(...names: readonly string[]): Overrides {
  const overrides = new Overrides();
  for (const name of names) {
    const [upstream, backend, command = "drain"] = name.split("/");
    overrides.set(upstream, backend, { command: command as "drain", weight: null, sinceMs: 1 });
  }
  return overrides;
}

interface SettleCase {
  readonly name: string;
  readonly overrides: readonly string[];
  readonly eligible: string;
  /** The state of machine "a". */
  readonly machine: HealthState;
}

const SHARED = { api: ["a", "b"], web: ["a"] };
const CASES: readonly SettleCase[] = [
  { name: "leaves everything in without overrides", overrides: [], eligible: "api 11, web 1", machine: "healthy" },
  {
    name: "takes a shared backend out of one upstream alone",
    overrides: ["api/a"],
    eligible: "api 10, web 1",
    machine: "healthy",
  },
  {
    name: "drains the machine when all that share it drain",
    overrides: ["api/a", "web/a"],
    eligible: "api 10, web 0",
    machine: "draining",
  },
  {
    name: "goes on probing while one of them only drains",
    overrides: ["api/a/disable", "web/a"],
    eligible: "api 10, web 0",
    machine: "draining",
  },
  {
    name: "stops probing when all are disabled",
    overrides: ["api/a/disable", "web/a/disable"],
    eligible: "api 10, web 0",
    machine: "disabled",
  },
  { name: "drains one that nobody shares", overrides: ["api/b"], eligible: "api 1, web 1", machine: "healthy" },
  { name: "knows what is not there", overrides: ["api/z", "old/a"], eligible: "api 11, web 1", machine: "healthy" },
];

for (const { name, overrides, eligible, machine } of CASES) {
  Deno.test(`Overrides.settle() ${name}`, () => {
    const stage = planOf(SHARED);
    drained(...overrides).settle(stage.plan, 1);
    assertEquals(stage.eligible(), eligible);
    assertEquals(stage.machines.get("a")!.state, machine);
    drained().settle(stage.plan, 2);
    assertEquals(stage.eligible(), "api 11, web 1", "cleared");
    assertEquals(stage.machines.get("a")!.state, "healthy");
  });
}

Deno.test("Overrides.withdrawIn() leaves the machines of the running plan alone", () => {
  const running = planOf({ api: ["a", "b"] });
  const overrides = drained("api/a");
  overrides.settle(running.plan, 1);
  const next = planOf(SHARED, running.machines);
  overrides.withdrawIn(next.plan);
  assertEquals([running.eligible(), running.machines.get("a")!.state], ["api 10", "draining"]);
  overrides.settle(next.plan, 2);
  assertEquals(next.eligible(), "api 10, web 1", "web is new, and nobody drained it there");
});

Deno.test("Overrides.settle() takes a backend out that comes back with a new machine", () => {
  const overrides = drained("api/a");
  overrides.settle(planOf({ api: ["a", "b"] }).plan, 1);
  overrides.settle(planOf({ api: ["b"] }).plan, 2);
  const back = planOf({ api: ["a", "b"] });
  overrides.settle(back.plan, 3);
  assertEquals([back.eligible(), back.machines.get("a")!.state], ["api 10", "draining"]);
});

Deno.test("sharersOf() names who else sends traffic to the same backend", () => {
  const { plan } = planOf({ ...SHARED, other: ["c", "a"] });
  assertEquals(sharersOf(plan, "api", 0), [{ upstream: "web", backend: "a" }, { upstream: "other", backend: "a" }]);
  assertEquals(sharersOf(plan, "api", 1), []);
});

Deno.test("Overrides.applyTo() sets weights by name and touches nothing else", () => {
  const backends = [{ name: "a", weight: 1 }, { name: "b", weight: 2 }];
  const config = { upstreams: [{ name: "api", backends }, { name: "web", backends }] } as unknown as Config;
  const overrides = drained("api/b");
  assertStrictEquals(overrides.applyTo(config), config);
  overrides.set("api", "a", { command: null, weight: 0, sinceMs: 1 });
  overrides.set("api", "gone", { command: null, weight: 9, sinceMs: 1 });
  const weights = overrides.applyTo(config).upstreams.map((upstream) => upstream.backends.map(({ weight }) => weight));
  assertEquals(weights, [[0, 2], [1, 2]]);
  assertEquals(config.upstreams[0].backends[0].weight, 1);
});

Deno.test("Overrides.viewOf() says what was set, and since when", () => {
  const overrides = new Overrides();
  overrides.set("api", "a", { command: "drain", weight: 3, sinceMs: 1000 });
  assertEquals(overrides.viewOf("api", "a"), { command: "drain", weight: 3, since: "1970-01-01T00:00:01.000Z" });
  overrides.set("api", "a", { command: null, weight: null, sinceMs: 1000 });
  assertEquals(overrides.viewOf("api", "a"), null);
});

function controlOf(replaceMembers: () => Promise<ChangeResult>): Control {
  const { plan } = planOf({ api: ["a", "b"] });
  const running = { now: () => ({ plan, isDraining: false }), replaceMembers } as unknown as Running;
  const clock = { nowMs: () => 0, epochMs: () => 1000 };
  const log = new EventLog("error", clock.epochMs);
  const parts = { running, clock, log, events: new EventRings(clock.epochMs), metrics: new Metrics(1, clock.nowMs) };
  return new Control({ ...parts, tlsProblems: new TlsProblems(clock.nowMs, () => {}) });
}

Deno.test("Control.setWeight() that is refused leaves what was commanded meanwhile", async () => {
  // It put back what it had found, so that a drain vanished which was said to be done.
  const control = controlOf(async () => {
    await control.command("api", "a", "drain");
    return { ok: false, problems: ["no"] };
  });
  assertEquals((await control.setWeight("api", "a", 3)).ok, false);
  assertEquals(control.overrides.of("api", "a"), { command: "drain", weight: null, sinceMs: 1000 });
});

Deno.test("Control.setWeight() gives back the weight of the file, but not of a backend that nobody knows", async () => {
  const control = controlOf(() => Promise.resolve({ ok: true }));
  control.overrides.set("api", "gone", { command: null, weight: 3, sinceMs: 1 });
  const outcomes = [];
  for (const name of ["a", "gone", "gone"]) outcomes.push((await control.setWeight("api", name, null)).message);
  assertEquals(outcomes, [
    "api/a has the weight of the file now",
    "api/gone has the weight of the file now",
    "no backend api/gone",
  ]);
});
