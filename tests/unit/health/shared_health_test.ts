/**
 * Health judged in one thread and asked in others: reports in a ring, the collector that hears them, and the same
 * answers as a thread that judges by itself.
 */

import { createPlanMemory, groupMemories } from "../../../lib/health/group_memory.ts";
import { HealthMachine } from "../../../lib/health/machine.ts";
import { ReportCollector } from "../../../lib/health/report_collector.ts";
import { REFUSED } from "../../../lib/health/gate.ts";
import { HealthGroup } from "../../../lib/health/group.ts";
import type { FailureCode } from "../../../lib/health/reason.ts";
import { type HealthReport, ReportReader, ReportWriter } from "../../../lib/health/report.ts";
import type { HealthSettings } from "../../../lib/health/settings.ts";
import { SharedGroup, SharedMachine } from "../../../lib/health/shared_health.ts";
import { createSharedState, REPORTS_MAX, type SharedState } from "../../../lib/base/shared/shared_state.ts";
import { createRandom } from "../../../lib/base/random.ts";
import { assert, assertEquals } from "../../support/assert.ts";

const UNTRIED = new Int32Array(1);
const SETTINGS: HealthSettings = {
  health: { rise: 2, fall: 3 },
  circuit: { failures: 3, errorRate: 0, windowMs: 1000, minRequests: 6, openMs: 100, maxOpenMs: 1000 },
  slowStartMs: 0,
};

/** One control thread and two workers, in this thread. */
class World {
  readonly state: SharedState = createSharedState(2);
  readonly collector: ReportCollector = new ReportCollector(this.state);
  readonly machines: HealthMachine[];
  readonly group: HealthGroup;
  readonly workers: { readonly machines: SharedMachine[]; readonly group: SharedGroup }[];
  nowMs = 0;

  /**
   * @param between The collector and the group: told of each machine when the first knows it, and the second does not.
   */
  constructor(
    members = 1,
    settings = SETTINGS,
    policy = { ejected: 100, panic: 0 },
    between: (machine: HealthMachine) => void = () => {},
  ) {
    this.machines = Array.from({ length: members }, () => {
      const machine = new HealthMachine(settings, { nowMs: 0, state: "healthy" });
      this.collector.admitMachine(machine);
      between(machine);
      return machine;
    });
    const [memory] = groupMemories(createPlanMemory([members]), [members]);
    this.group = groupOf(this.machines, policy, memory);
    this.workers = [0, 1].map((region) => {
      const writer = new ReportWriter(this.state, region, (report) => this.collector.judge(region, report, this.nowMs));
      const machines = this.machines.map((machine) =>
        new SharedMachine({
          columns: this.state.health,
          row: this.collector.rowOf(machine),
          writer,
          slowStartMs: settings.slowStartMs,
        })
      );
      return { machines, group: new SharedGroup(machines, memory) };
    });
  }

  admit(worker: number, index = 0): number {
    return this.workers[worker].group.admit(index, this.nowMs, UNTRIED);
  }

  fail(worker: number, code: FailureCode = "connection_reset", ticket = this.admit(worker)): void {
    this.workers[worker].machines[0].onTrafficFailure(code, this.nowMs, ticket);
  }

  succeed(worker: number, ticket = this.admit(worker)): void {
    this.workers[worker].machines[0].onTrafficSuccess(this.nowMs, ticket);
  }

  hear(): void {
    this.collector.hear(this.nowMs);
  }

  /** Until the first machine is in probation. */
  bringToProbation(): void {
    for (let count = 0; count < 3; count++) this.fail(0, "connect_refused");
    this.hear();
    this.nowMs += 100;
    this.group.tick(this.nowMs);
    assertEquals(this.machines[0].state, "probation");
  }
}

function groupOf(
  machines: readonly HealthMachine[],
  policy: { ejected: number; panic: number },
  memory?: ConstructorParameters<typeof HealthGroup>[2],
): HealthGroup {
  const members = machines.map((machine) => ({ machine, weight: 1, backup: false }));
  const settings = { circuit: { maxEjectedPercent: policy.ejected }, panicThresholdPercent: policy.panic };
  return new HealthGroup(members, settings, memory);
}

Deno.test("ReportWriter and ReportReader keep order and content over the end of the ring", () => {
  const state = createSharedState(1);
  const writer = new ReportWriter(state, 0, () => assert(false, "full"));
  const reader = new ReportReader(state, 0);
  const heard: number[] = [];
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < REPORTS_MAX - 1; index++) {
      writer.push("failure", index, round * REPORTS_MAX + index, "response_timeout");
    }
    assertEquals(reader.isDrained, false);
    reader.drain(({ kind, code, row, ticket }) => {
      assertEquals([kind, code, row], ["failure", "response_timeout", ticket % REPORTS_MAX]);
      heard.push(ticket);
    });
    assertEquals(reader.isDrained, true);
  }
  assertEquals(heard.length, 3 * (REPORTS_MAX - 1));
  assertEquals(heard, heard.toSorted((a, b) => a - b));
  assertEquals(state.wake[0], heard.length);
});

Deno.test("ReportWriter.push() sends a trial's fate another way when the ring is full, and only that", () => {
  const state = createSharedState(1);
  const sent: HealthReport[] = [];
  const writer = new ReportWriter(state, 0, (report) => sent.push(report));
  writer.countSuccess(1);
  for (let index = 0; index < REPORTS_MAX + 5; index++) writer.push("failure", 1, 2, "connection_reset");
  writer.push("trial", 1, 5);
  writer.push("failure", 1, 5, "connect_refused");
  assertEquals(sent, [
    { kind: "trial", row: 1, ticket: 5, code: "bad_status", successes: 1 },
    { kind: "failure", row: 1, ticket: 5, code: "connect_refused", successes: 1 },
  ]);
  let heard = 0;
  new ReportReader(state, 0).drain(() => heard++);
  assertEquals(heard, REPORTS_MAX);
});

const STREAKS: readonly { name: string; events: string; failures: number }[] = [
  { name: "in a row in one worker", events: "f f", failures: 2 },
  { name: "in a row over both", events: "f F", failures: 2 },
  { name: "a success between, in the same worker", events: "f s f", failures: 1 },
  { name: "a success before", events: "s f f", failures: 2 },
  { name: "a success of another worker, told late", events: "f S f", failures: 2 },
  // Nobody knows the order of two workers' reports: successes count first.
  { name: "a success of another worker that comes with its own failure", events: "f S F", failures: 1 },
  { name: "both, each with a success between", events: "f F s S f F", failures: 1 },
];
for (const { name, events, failures } of STREAKS) {
  Deno.test(`ReportCollector.hear() puts successes where they belong: ${name}`, () => {
    const world = new World();
    for (const event of events.split(" ")) {
      const worker = event === event.toLowerCase() ? 0 : 1;
      if (event.toLowerCase() === "f") world.fail(worker);
      else world.succeed(worker);
    }
    world.hear();
    assertEquals(world.machines[0].snapshot().consecutiveFailures, failures);
    world.collector.count(0);
    assertEquals(world.machines[0].snapshot().windowRequests, events.split(" ").length);
  });
}

Deno.test("ReportCollector: an opening is seen by the other worker, and tickets from before it change nothing", () => {
  const world = new World(2);
  const stragglers = [0, 1].map((worker) => world.admit(worker));
  for (let count = 0; count < 3; count++) world.fail(0, "connect_refused");
  world.hear();
  assertEquals([world.admit(1), world.workers[1].group.eligible[0]], [REFUSED, 0b10]);
  world.nowMs = 100;
  world.group.tick(100);
  const trial = world.admit(1);
  assertEquals(trial % 2, 1);
  world.fail(0, "response_timeout", stragglers[0]);
  world.succeed(1, stragglers[1]);
  world.hear();
  assertEquals(world.machines[0].state, "probation");
  world.succeed(1, trial);
  world.hear();
  assertEquals(world.machines[0].state, "healthy");
});

Deno.test("ReportCollector: probation gives one trial over all workers, also before it has heard of it", () => {
  const world = new World();
  world.bringToProbation();
  const tickets = [0, 1, 0, 1].map((worker) => world.admit(worker));
  assertEquals(tickets.filter((ticket) => ticket !== REFUSED).length, 1);
  world.hear();
  assertEquals([world.admit(0), world.admit(1), world.group.eligible[0]], [REFUSED, REFUSED, 0]);
  world.workers[0].machines[0].releaseToken(tickets[0]);
  world.hear();
  const again = [world.admit(1), world.admit(0)];
  assertEquals([again[0] % 2, again[1]], [1, REFUSED]);
  assert(again[0] !== tickets[0], "a number is given once");
  world.fail(1, "connect_refused", again[0]);
  world.hear();
  assertEquals(world.machines[0].state, "open");
});

const DEATHS: readonly { name: string; before: (world: World) => void }[] = [
  { name: "that it has told of", before: (world) => (world.admit(0), world.hear()) },
  { name: "that is in its ring", before: (world) => world.admit(0) },
  {
    name: "that it has taken and not told of",
    before: ({ state }) => Atomics.store(state.health.offer, 0, 0),
  },
];
for (const { name, before } of DEATHS) {
  Deno.test(`ReportCollector.endRegion() gives back a trial ${name}`, () => {
    const world = new World();
    world.bringToProbation();
    before(world);
    assertEquals(world.admit(1), REFUSED);
    world.collector.endRegion(0, world.nowMs);
    assertEquals(world.admit(1) % 2, 1);
  });
}

Deno.test("ReportCollector: a thread that was ended is heard no more, but for a trial that it takes", () => {
  const world = new World();
  const ticket = world.admit(0);
  world.collector.endRegion(0, 0);
  for (let count = 0; count < 5; count++) world.fail(0, "connect_refused", ticket);
  world.succeed(0, ticket);
  world.collector.count(0);
  assertEquals([world.machines[0].state, world.machines[0].snapshot().windowRequests], ["healthy", 0]);
  for (let count = 0; count < 3; count++) world.fail(1, "connect_refused");
  world.hear();
  world.nowMs = 100;
  world.group.tick(100);
  assertEquals(world.admit(0) % 2, 1);
  world.hear();
  assertEquals(world.admit(1) % 2, 1);
  // Another thread with that region begins with nothing.
  world.collector.beginRegion(0);
  world.succeed(0, ticket);
  world.collector.count(100);
  assertEquals(world.machines[0].snapshot().windowRequests, 3);
});

Deno.test("ReportCollector.dismissMachine() leaves nothing in the rings for the next machine of its row", () => {
  const world = new World();
  for (let count = 0; count < 5; count++) world.fail(0);
  const row = world.collector.rowOf(world.machines[0]);
  world.collector.dismissMachine(world.machines[0], 0);
  const next = new HealthMachine(SETTINGS, { nowMs: 0, state: "healthy" });
  world.collector.admitMachine(next);
  assertEquals(world.collector.rowOf(next), row);
  world.hear();
  assertEquals([next.state, next.snapshot().windowFailures], ["healthy", 0]);
});

Deno.test("SharedGroup never refuses a lone member that is spared, whatever moment a worker looks at", () => {
  let refused = 0;
  let looks = 0;
  // Before and after the group has heard of a change: where another thread could look.
  const look = () => {
    looks++;
    if (world.admit(1) === REFUSED) refused++;
  };
  const watcher = { healthChanged: look, healthSettled: look };
  const world: World = new World(1, SETTINGS, { ejected: 100, panic: 0 }, (machine) => machine.subscribe(watcher));
  world.machines[0].subscribe({ healthChanged: look });
  for (let count = 0; count < 3; count++) world.fail(0, "bad_status");
  world.hear();
  look();
  assertEquals([world.machines[0].state, refused], ["open", 0]);
  assert(looks >= 3, `${looks} looks`);
});

/** The same events to a thread that judges by itself, and to workers that are heard after each. */
for (let seed = 1; seed <= 30; seed++) {
  Deno.test(`SharedGroup and ReportCollector do what HealthGroup and HealthMachine do (seed ${seed})`, () => {
    const random = createRandom(seed);
    const below = (end: number) => Math.floor(random() * end);
    const members = [1, 2, 3, 5][below(4)];
    const policy = { ejected: [100, 50, 10][below(3)], panic: [0, 50][below(2)] };
    const settings = { ...SETTINGS, circuit: { ...SETTINGS.circuit, errorRate: 0.6 } };
    const world = new World(members, settings, policy);
    const oracle = Array.from({ length: members }, () => new HealthMachine(settings, { nowMs: 0, state: "healthy" }));
    const oracleGroup = groupOf(oracle, policy);
    const held: { worker: number; index: number; ticket: number }[] = [];
    const codes: FailureCode[] = ["bad_status", "connection_reset", "connect_refused", "client_gone"];
    for (let step = 0; step < 1500; step++) {
      const index = below(members);
      const worker = below(2);
      const dice = random();
      world.nowMs += random() * 8;
      const { nowMs } = world;
      oracleGroup.tick(nowMs);
      world.group.tick(nowMs);
      if (dice < 0.45) {
        const ticket = world.admit(worker, index);
        assertEquals(ticket, oracleGroup.admit(index, nowMs, UNTRIED), `admission at step ${step}`);
        if (ticket !== REFUSED) held.push({ worker, index, ticket });
      } else if (dice < 0.85 && held.length > 0) {
        const [{ worker, index, ticket }] = held.splice(below(held.length), 1);
        const isBroken = Math.floor(nowMs / 800 + index) % 2 === 0;
        const verdict = random();
        for (const machine of [world.workers[worker].machines[index], oracle[index]]) {
          if (verdict < 0.1) machine.releaseToken(ticket);
          else if (isBroken === verdict < 0.9) {
            machine.onTrafficFailure(codes[step % codes.length], nowMs, ticket);
          } else machine.onTrafficSuccess(nowMs, ticket);
        }
      } else if (dice < 0.92) {
        for (const machine of [world.machines[index], oracle[index]]) machine.onProbeSuccess(nowMs);
      } else if (dice < 0.98) {
        for (const machine of [world.machines[index], oracle[index]]) {
          machine.onProbeFailure("response_timeout", nowMs);
        }
      } else {
        const command = (["drain", "disable", "enable", "enable"] as const)[below(4)];
        for (const machine of [world.machines[index], oracle[index]]) machine.admin(command, nowMs);
      }
      world.collector.count(nowMs);
      assertEquals(world.group.snapshot(), oracleGroup.snapshot(), `step ${step}`);
      assertEquals([...world.workers[worker].group.eligible], [...oracleGroup.eligible], `mask at step ${step}`);
    }
  });
}

Deno.test("no worker gets a trial of what probes hold open, and none brings it back", () => {
  const world = new World();
  const [machine] = world.machines;
  const before = [world.admit(0), world.admit(1)];
  for (let count = 0; count < 3; count++) machine.onProbeFailure("bad_status", world.nowMs);
  world.nowMs += 100_000;
  world.group.tick(world.nowMs);
  assertEquals([world.admit(0), world.admit(1), world.state.health.offer[0]], [REFUSED, REFUSED, 0]);
  before.forEach((ticket, worker) => world.succeed(worker, ticket));
  world.hear();
  world.collector.count(world.nowMs);
  assertEquals([machine.state, world.admit(0)], ["open", REFUSED]);
  for (let count = 0; count < 2; count++) machine.onProbeSuccess(world.nowMs);
  assert(world.admit(0) !== REFUSED && world.admit(1) !== REFUSED);
});

Deno.test("a trial that a worker has out when probes join brings nothing back", () => {
  const world = new World();
  world.bringToProbation();
  const [machine] = world.machines;
  const trial = world.admit(1);
  for (let count = 0; count < 3; count++) machine.onProbeFailure("bad_status", world.nowMs);
  world.succeed(1, trial);
  world.hear();
  assertEquals([machine.state, world.admit(0)], ["open", REFUSED]);
  for (let count = 0; count < 2; count++) machine.onProbeSuccess(world.nowMs);
  assertEquals(machine.state, "probation");
  world.succeed(0);
  world.hear();
  assertEquals(machine.state, "healthy");
});
