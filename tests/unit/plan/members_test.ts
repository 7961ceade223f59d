/** Members of an upstream that take the place of others: what they hold, for how long, and what goes by them. */

import { loadConfig } from "../../../lib/config/load.ts";
import type { BackendConfig, UpstreamConfig } from "../../../lib/config/types.ts";
import { compile, dispose } from "../../../lib/plan/compile.ts";
import { type HealthSource, JudgedHealth } from "../../../lib/plan/health_source.ts";
import { compileMembers, releaseRetired, replaceMembers } from "../../../lib/plan/members.ts";
import { Resources } from "../../../lib/plan/resources.ts";
import type { Members, Plan, UpstreamPlan } from "../../../lib/plan/types.ts";
import { makeRouteHandler } from "../../../lib/proxy/route_handler.ts";
import { Deadlines } from "../../../lib/transport/deadlines.ts";
import type { PickInput } from "../../../strategies/selector.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";

const STRATEGIES = [
  "round_robin",
  "weighted_round_robin",
  "random",
  "least_connections",
  "power_of_two",
  "peak_ewma",
  "hash",
  "sticky",
];

class Stage {
  readonly plan: Plan;
  readonly upstream: UpstreamPlan;
  readonly resources: Resources;

  private constructor(plan: Plan, resources: Resources) {
    this.plan = plan;
    this.upstream = plan.upstreams.get("api")!;
    this.resources = resources;
  }

  static async set({ backends, strategy }: { backends: number; strategy: string }): Promise<Stage> {
    const urls = Array.from({ length: backends }, (_, index) => `{ url = "http://127.0.0.1:${9001 + index}" }`);
    const toml = `[[listeners]]\naddress = "127.0.0.1:0"\n[[routes]]\nupstream = "api"\n` +
      `[upstreams.api]\nstrategy = "${strategy}"\nbackends = [${urls.join(", ")}]\n`;
    const { config } = await loadConfig("/c.toml", { env: () => undefined, readTextFile: () => Promise.resolve(toml) });
    const clock = { nowMs: () => 0, epochMs: () => 0 };
    const deadlines = new Deadlines(clock.nowMs);
    const resources = new Resources({ clock, deadlines, onHealthChange: () => {} });
    const context = { ...contextOf(resources), generation: 1, makeHandler: makeRouteHandler };
    return new Stage(await compile(config, context), resources);
  }

  get sizes(): readonly number[] {
    return [this.resources.backends.size, this.resources.machines.size];
  }

  compile(edit: (backends: readonly BackendConfig[]) => readonly BackendConfig[]): Promise<Members> {
    const { config } = this.upstream.members;
    const edited: UpstreamConfig = { ...config, backends: edit(config.backends) };
    return compileMembers(edited, this.plan.features, contextOf(this.resources));
  }

  /** How often each is picked in so many turns. */
  picks(turns: number): number[] {
    const { selector, backends } = this.upstream.members;
    const counts = backends.map(() => 0);
    for (let turn = 0; turn < turns; turn++) counts[selector.pick(inputOf(turn))]++;
    return counts;
  }
}

function contextOf(resources: Resources) {
  return { resources, health: new JudgedHealth(new Set(["api"])), stickySecret: "x", random: Math.random };
}

function inputOf(turn: number): PickInput {
  return { nowMs: 0, keyHash: Math.imul(turn, 0x9e37_79b1) >>> 0, affinity: -1, tried: new Int32Array(256) };
}

Deno.test("compileMembers() makes members of other weights, and those that serve stay as they are", async () => {
  const stage = await Stage.set({ backends: 2, strategy: "weighted_round_robin" });
  const { upstream } = stage;
  const before = upstream.members;
  const next = await stage.compile(([one, two]) => [{ ...one, weight: 3 }, two]);
  assertStrictEquals(upstream.members, before);
  assertEquals(stage.picks(8), [4, 4]);
  replaceMembers(upstream, next);
  assertEquals(stage.picks(8), [6, 2]);
  assertStrictEquals(next.backends[0].pool, before.backends[0].pool, "warm connections stay");
  assertStrictEquals(next.judged!.machines[0], before.judged!.machines[0], "health stays");
  dispose(stage.plan);
  assertEquals(stage.sizes, [0, 0]);
});

Deno.test("releaseRetired() gives back what was replaced and nobody uses, and asks only when there is any", async () => {
  const stage = await Stage.set({ backends: 3, strategy: "round_robin" });
  const { plan, upstream } = stage;
  releaseRetired(plan, () => {
    throw new Error("Asked for nothing");
  });
  const first = upstream.members;
  replaceMembers(upstream, await stage.compile((backends) => backends.slice(0, 2)));
  const second = upstream.members;
  replaceMembers(upstream, await stage.compile((backends) => backends.slice(0, 1)));
  assertEquals(stage.sizes, [3, 3]);
  const freed: Members[] = [];
  releaseRetired(plan, () => new Set([first]), (members) => freed.push(members));
  assertEquals([freed.length, freed[0] === second, upstream.retired.has(first)], [1, true, true]);
  assertEquals(stage.sizes, [3, 3], "the first ones hold all three");
  releaseRetired(plan, () => new Set());
  assertEquals([stage.sizes, upstream.retired.size], [[1, 1], 0]);
  dispose(plan);
  assertEquals(stage.sizes, [0, 0]);
});

Deno.test("members that were replaced hear of health until they are given back", async () => {
  const stage = await Stage.set({ backends: 2, strategy: "round_robin" });
  const { plan, upstream } = stage;
  const old = upstream.members;
  replaceMembers(upstream, await stage.compile((backends) => backends));
  const [machine] = upstream.members.judged!.machines;
  const masks = () => [old.health.eligible[0], upstream.members.health.eligible[0]];
  machine.admin("drain", 0);
  assertEquals(masks(), [0b10, 0b10]);
  releaseRetired(plan, () => new Set());
  machine.admin("enable", 1);
  assertEquals(masks(), [0b10, 0b11], "stale: nobody reads it any more");
  dispose(plan);
});

Deno.test("dispose() gives back replaced members, too", async () => {
  const stage = await Stage.set({ backends: 2, strategy: "round_robin" });
  for (let change = 0; change < 5; change++) {
    replaceMembers(
      stage.upstream,
      await stage.compile((backends) => backends),
    );
  }
  assertEquals(stage.sizes, [2, 2]);
  dispose(stage.plan);
  assertEquals([stage.sizes, stage.upstream.retired.size], [[0, 0], 0]);
});

Deno.test("compileMembers() that fails holds nothing", async () => {
  const stage = await Stage.set({ backends: 1, strategy: "round_robin" });
  const health: HealthSource = {
    healthOf(upstream, held) {
      held.acquireMachine(upstream, upstream.backends[0], true);
      throw new RangeError("All rows are taken");
    },
  };
  const { config } = stage.upstream.members;
  const other = {
    ...config,
    backends: [{ ...config.backends[0], address: { kind: "unix", tls: false, path: "/s" } as const }],
  };
  const context = { ...contextOf(stage.resources), health };
  await assertRejects(() => compileMembers(other, stage.plan.features, context), RangeError, "All rows are taken");
  assertEquals(stage.sizes, [1, 1]);
  dispose(stage.plan);
});

for (const strategy of STRATEGIES) {
  Deno.test(`members that are fewer are all that ${strategy} picks from`, async () => {
    const stage = await Stage.set({ backends: 40, strategy });
    const { upstream, plan } = stage;
    replaceMembers(upstream, await stage.compile((backends) => backends.slice(37)));
    const { selector, backends, health, maskWords } = upstream.members;
    assertEquals([backends.length, maskWords, health.eligible.length], [3, 1, 1]);
    const picked = new Set<number>();
    for (let turn = 0; turn < 300; turn++) {
      const index = selector.pick(inputOf(turn));
      picked.add(index);
      upstream.table.begin(backends[index].row);
    }
    assert([...picked].every((index) => index >= 0 && index < 3), [...picked].join());
    assertEquals(picked.size, 3);
    dispose(plan);
  });
}
