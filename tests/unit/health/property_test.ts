/**
 * Random events against machines in a group; after each, what must always hold. A failure names seed and step.
 *
 * The mask is compared with rules written a second time, over states only, in the plainest way.
 */

import { assertEquals } from "@std/assert";
import { HealthMachine } from "../../../lib/health/machine.ts";
import { REFUSED } from "../../../lib/health/gate.ts";
import { HealthGroup, type HealthGroupMember } from "../../../lib/health/group.ts";
import type { FailureCode, HealthChange } from "../../../lib/health/reason.ts";
import type { HealthSettings } from "../../../lib/health/settings.ts";

const STEPS = 3000;
const CODES: FailureCode[] = ["bad_status", "connection_reset", "connect_refused", "response_timeout", "client_gone"];
const RISE = 2;
const FALL = 3;
const OPEN_MS = 50;
const MAX_OPEN_MS = 900;

interface Held {
  readonly index: number;
  readonly ticket: number;
}

class World {
  readonly random: () => number;
  readonly members: HealthGroupMember[] = [];
  readonly changes: (HealthChange & { readonly waitMs: number })[][] = [];
  readonly witnesses: Witnesses[] = [];
  readonly hasProbes: boolean;
  readonly held: Held[] = [];
  readonly group: HealthGroup;
  readonly ejectedPercent: number;
  readonly panicPercent: number;
  nowMs = 1000;

  constructor(seed: number) {
    this.random = mulberry(seed);
    this.ejectedPercent = this.#oneOf([100, 100, 60, 34, 10]);
    this.panicPercent = this.#oneOf([0, 0, 30, 60]);
    const size = this.#oneOf([1, 2, 3, 5, 8, 40]);
    this.hasProbes = this.random() < 0.8;
    const settings: HealthSettings = {
      health: this.hasProbes ? { rise: RISE, fall: FALL } : null,
      circuit: { failures: 4, errorRate: 0.6, windowMs: 200, minRequests: 6, openMs: OPEN_MS, maxOpenMs: MAX_OPEN_MS },
      slowStartMs: this.#oneOf([0, 120]),
    };
    for (let i = 0; i < size; i++) {
      const changes: (HealthChange & { readonly waitMs: number })[] = [];
      const initial = { nowMs: this.nowMs, state: "healthy" } as const;
      const machine: HealthMachine = new HealthMachine(settings, initial, (change) => {
        changes.push({ ...change, waitMs: machine.snapshot().waitMs });
      });
      this.changes.push(changes);
      this.witnesses.push(new Witnesses());
      this.members.push({ machine, weight: this.random() < 0.1 ? 0 : 1, backup: this.random() < 0.2 });
    }
    this.group = new HealthGroup(this.members, {
      circuit: { maxEjectedPercent: this.ejectedPercent },
      panicThresholdPercent: this.panicPercent,
    });
  }

  step(): void {
    const index = this.#below(this.members.length);
    const machine = this.members[index].machine;
    const witness = this.witnesses[index];
    const seen = this.changes.map((changes) => changes.length);
    const dice = this.random();
    this.nowMs += this.random() * 4;
    if (dice < 0.35) this.#admit(index);
    else if (dice < 0.7) this.#report(this.random() < this.#badness(index));
    else if (dice < 0.8) witness.probed(machine, true, () => machine.onProbeSuccess(this.nowMs));
    else if (dice < 0.9) {
      witness.probed(machine, false, () => machine.onProbeFailure(this.#oneOf(CODES), this.nowMs));
    } else if (dice < 0.99) this.group.tick(this.nowMs);
    else if (dice < 0.992) this.nowMs += this.random() * 2 * MAX_OPEN_MS;
    else machine.admin(this.#oneOf(["drain", "disable", "enable", "enable", "enable"] as const), this.nowMs);
    if (!this.hasProbes) return;
    this.members.forEach((member, at) => this.witnesses[at].check(member.machine, this.changes[at].slice(seen[at])));
  }

  /** The backends take turns at being broken. */
  #badness(index: number): number {
    return Math.floor(this.nowMs / 1500 + index) % 3 === 0 ? 0.95 : 0.05;
  }

  #admit(index: number): void {
    const ticket = this.group.admit(index, this.nowMs, new Int32Array(2));
    if (ticket !== REFUSED) this.held.push({ index, ticket });
  }

  #report(isBad: boolean): void {
    if (this.held.length === 0) return;
    const [{ index, ticket }] = this.held.splice(this.#below(this.held.length), 1);
    const { machine } = this.members[index];
    if (isBad) machine.onTrafficFailure(this.#oneOf(CODES), this.nowMs, ticket);
    else machine.onTrafficSuccess(this.nowMs, ticket);
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[this.#below(choices.length)];
  }

  #below(end: number): number {
    return Math.floor(this.random() * end);
  }
}

/** Indexes that the rules of `health/group.ts` make eligible. */
function expectedEligible(world: World): boolean[] {
  const { members } = world;
  const counted = members.map(({ machine, weight }) => weight > 0 && !/draining|disabled/.test(machine.state));
  const proven = members.map(({ machine }, p) => counted[p] && /healthy|slow_start/.test(machine.state));
  const fallen = members.map((_, p) => p).filter((p) => counted[p] && !proven[p]);
  const guilt = (p: number) => [members[p].machine.mayBeSpared ? 1 : 0, members[p].machine.episodeAtMs, p];
  fallen.sort((a, b) => guilt(a).map((part, i) => part - guilt(b)[i]).find((difference) => difference !== 0)!);
  const total = counted.filter(Boolean).length;
  const allowed = Math.max(1, Math.floor((total * world.ejectedPercent) / 100));
  const spared = fallen.slice(allowed);
  if (spared.length === 0 && !proven.includes(true)) {
    const last = fallen.findLast((p) => members[p].machine.mayBeSpared);
    if (last !== undefined) spared.push(last);
  }
  const isIn = members.map((_, p) => proven[p] || spared.includes(p));
  const share = (backup: boolean) => {
    const tier = members.map((_, p) => p).filter((p) => counted[p] && members[p].backup === backup);
    return { size: tier.length, in: tier.filter((p) => isIn[p]).length };
  };
  const judged = share(false).size === 0 ? share(true) : share(false);
  const standIn = share(false).in === 0 && share(true).in > 0 && share(false).size > 0;
  const panics = judged.in * 100 < world.panicPercent * judged.size && !standIn;
  return members.map(({ machine }, p) => counted[p] && (isIn[p] || panics || machine.isEligible));
}

function checkMask(world: World): void {
  const { eligible } = world.group;
  const actual = world.members.map((_, p) => ((eligible[p >>> 5] >>> (p & 31)) & 1) === 1);
  assertEquals(actual, expectedEligible(world));
  const counted = world.group.snapshot().filter((member) => member.standing !== "out");
  const ejected = counted.filter((member) => member.standing === "ejected").length;
  assertEquals(ejected <= Math.max(1, Math.floor((counted.length * world.ejectedPercent) / 100)), true);
}

function checkMachines(world: World): void {
  world.members.forEach(({ machine }, index) => {
    const { state } = machine;
    if (state === "probation") {
      // Odd tickets that can still be a trial: those newer than the opening, of which one at most blocks the others.
      assertEquals(
        machine.isEligible || world.held.some((held) => held.index === index && held.ticket % 2 === 1),
        true,
      );
    } else {
      assertEquals(machine.isEligible, state === "healthy" || state === "slow_start");
    }
    if (state !== "open") assertEquals(machine.untilMs, -1);
    assertEquals(machine.snapshot().waitMs <= MAX_OPEN_MS, true);
  });
}

/** Over the whole history of a machine: the waits of traffic are those of the rules, and nothing else ends them. */
function checkWaits(changes: readonly (HealthChange & { readonly waitMs: number })[]): void {
  let waitMs = 0;
  for (const { from, to, atMs, untilMs, reason, waitMs: next } of changes) {
    if (to !== "open" || from === "open") continue;
    const isDoubled = next === Math.min(MAX_OPEN_MS, waitMs * 2);
    assertEquals(isDoubled || (from !== "probation" && next === OPEN_MS), true, `${waitMs} → ${next}`);
    if (untilMs >= 0) assertEquals(Math.abs(untilMs - atMs - next) < 1e-6, true);
    else assertEquals(reason.cause, "probe");
    waitMs = next;
  }
}

/**
 * The words of both witnesses, kept from what they said. Probes hold what they found down until they pass, whatever
 * requests do; what traffic opened is closed by a request.
 */
class Witnesses {
  #failures = 0;
  #passes = 0;
  #isHeldByProbes = false;
  #isHeldByTraffic = false;

  probed(machine: HealthMachine, passed: boolean, report: () => void): void {
    const wasIn = machine.isInService;
    const before = machine.state;
    report();
    this.#failures = passed ? 0 : this.#failures + 1;
    this.#passes = passed ? this.#passes + 1 : 0;
    if (this.#failures >= FALL && /healthy|slow_start|open|probation/.test(before)) {
      this.#isHeldByProbes = true;
      if (wasIn) this.#isHeldByTraffic = false;
    }
    if (this.#passes >= RISE) this.#isHeldByProbes = false;
  }

  check(machine: HealthMachine, changes: readonly HealthChange[]): void {
    for (const { from, to, reason } of changes) {
      if (from === "healthy" || from === "slow_start" || from === "probation") this.#passes = 0;
      if (to === "open" && reason.cause === "traffic") this.#isHeldByTraffic = true;
      if (/draining|disabled/.test(from) && to === "open") {
        this.#isHeldByProbes = true;
        this.#isHeldByTraffic = false; // enable gives a clean record
      }
      if (to === "healthy" || to === "slow_start") {
        if (reason.cause === "traffic") assertEquals(this.#isHeldByProbes, false, "a request closed what probes hold");
        if (reason.cause === "probe") assertEquals(this.#isHeldByTraffic, false, "probes closed what traffic holds");
        this.#isHeldByTraffic = this.#isHeldByProbes = false;
        this.#failures = 0;
      }
    }
    if (!this.#isHeldByProbes || machine.isWithdrawn) return;
    assertEquals([machine.state, machine.untilMs, machine.offer], ["open", -1, 0]);
  }
}

const LEGAL = new Set([
  "healthy open",
  "slow_start open",
  "slow_start healthy",
  "open probation",
  "open healthy",
  "open slow_start",
  "open open",
  "probation open",
  "probation healthy",
  "probation slow_start",
]);

for (let seed = 1; seed <= 40; seed++) {
  Deno.test(`HealthGroup keeps its invariants under random events (seed ${seed})`, () => {
    const world = new World(seed);
    for (let step = 0; step < STEPS; step++) {
      world.step();
      checkMask(world);
      checkMachines(world);
    }
    for (const changes of world.changes) {
      checkWaits(changes);
      for (const { from, to, reason } of changes) {
        const isAdmin = /draining|disabled/.test(from + to);
        assertEquals([from, to, isAdmin || LEGAL.has(`${from} ${to}`)], [from, to, true]);
        if (from === "open" && to !== "open" && to !== "probation" && !isAdmin) assertEquals(reason.cause, "probe");
      }
    }
    world.group.close();
  });
}

Deno.test("HealthMachine never has two trials out (seeded)", () => {
  const random = mulberry(99);
  const settings: HealthSettings = {
    health: null,
    circuit: { failures: 1, errorRate: 0, windowMs: 10, minRequests: 1, openMs: 5, maxOpenMs: 200 },
    slowStartMs: 0,
  };
  const machine = new HealthMachine(settings, { nowMs: 0, state: "healthy" });
  let nowMs = 0;
  let trial = REFUSED;
  let trials = 0;
  for (let step = 0; step < 20_000; step++) {
    nowMs += random() * 3;
    machine.tick(nowMs);
    const wasProbation = machine.state === "probation";
    const ticket = machine.tryAdmit(nowMs);
    if (wasProbation && ticket !== REFUSED) {
      assertEquals(trial, REFUSED, `a second trial at step ${step}`);
      trial = ticket;
      trials++;
    } else if (trial !== REFUSED && random() < 0.3) {
      const verdict = random();
      if (verdict < 0.3) machine.onTrafficSuccess(nowMs, trial);
      else if (verdict < 0.6) machine.onTrafficFailure("connection_reset", nowMs, trial);
      else machine.releaseToken(trial);
      trial = REFUSED;
    } else if (ticket !== REFUSED && random() < 0.2) {
      machine.onTrafficFailure("connection_reset", nowMs, ticket);
    }
  }
  assertEquals(trials > 100, true, `${trials} trials`);
});

/** mulberry32: small, seeded, good enough to shuffle events. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
