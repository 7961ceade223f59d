/**
 * The members of one upstream in one plan, and the mask of those that selectors may pick.
 *
 * Machines hold facts about backends; the group decides what the facts may cost. A member that is not *proven* (open, or
 * in probation) is ejected, which leaves it only the trial of probation, unless one of these rules makes it eligible
 * all the same:
 *
 * 1. `max_ejected`: no more than that percent of the members (rounded down, at least one) is ejected; the others are
 *    *spared*. First ejected are those that cannot be reached or that probes found down, then those that left first.
 * 2. The last one: when nobody is proven or spared, the member that left last is spared if it may be (it answers, only
 *    badly). Bad answers beat none, and they are the application's own; a shared cause (its database) would else turn
 *    a slow upstream into a dead one. A member that cannot be reached has nothing to offer: answering 503 at once, with a
 *    trial per wait, is better than making clients wait for the same failure.
 * 3. `panic_threshold`: with less than that percent of the primaries eligible (backups, if there are no primaries),
 *    health is ignored. Not when the primaries are all out and a backup is eligible: standing in is its purpose.
 *
 * Members of weight 0 and those withdrawn by the operator are never eligible and count in no percentage.
 *
 * The mask changes word by word, each in one store, and only when a machine reports a change: between the `pick()` and
 * the `admit()` of one turn it stays as it was. O(members) per change; a sort only when `max_ejected` binds.
 */

import type { HealthListener, HealthMachine } from "./machine.ts";
import type { HealthSnapshot } from "./snapshot.ts";
import { type GroupMemory, privateGroupMemory, Standing } from "./group_memory.ts";
import { type GroupHealth, REFUSED } from "./gate.ts";
import { Ramp } from "./ramp.ts";

export interface HealthGroupMember {
  readonly machine: HealthMachine;
  readonly weight: number;
  readonly backup: boolean;
}

export interface HealthGroupSettings {
  readonly circuit: { readonly maxEjectedPercent: number };
  /** 0: never. */
  readonly panicThresholdPercent: number;
}

export const STANDING_NAMES = ["out", "proven", "ejected", "spared", "panic"] as const;
/** What the group makes of a member. `panic`: ejected by rule, eligible because the whole group panics. */
export type MemberStanding = typeof STANDING_NAMES[number];

export interface HealthMemberSnapshot extends HealthSnapshot {
  readonly standing: MemberStanding;
  readonly isEligible: boolean;
}

const { out: OUT, proven: PROVEN, ejected: EJECTED, spared: SPARED, panic: PANIC } = Standing;

export class HealthGroup implements GroupHealth, HealthListener {
  /** What it writes, for threads that read it. */
  readonly memory: GroupMemory;
  /** Index p is bit `p & 31` of word `p >>> 5`. Selectors read it; nobody else writes it. */
  readonly eligible: Int32Array;
  readonly #machines: readonly HealthMachine[];
  readonly #isWeighted: readonly boolean[];
  readonly #isBackup: readonly boolean[];
  /** Taken out here by the operator, whatever the machine, which others may share, is in. */
  readonly #isWithdrawn: boolean[];
  readonly #settings: HealthGroupSettings;
  readonly #standings: Uint8Array;
  /** The same for other threads, without the steps in between. */
  readonly #published: Uint8Array;
  /** Eligible primaries that do not ramp up. */
  readonly #steady: Int32Array;
  readonly #ramp: Ramp;
  #isPanicking: boolean;

  /**
   * @param members One per index. A machine may be in several groups, and twice in one.
   * @param memory What to write; by default private.
   */
  constructor(
    members: readonly HealthGroupMember[],
    settings: HealthGroupSettings,
    memory: GroupMemory = privateGroupMemory(members.length),
  ) {
    this.memory = memory;
    this.eligible = memory.eligible;
    this.#machines = members.map((member) => member.machine);
    this.#isWeighted = members.map((member) => member.weight > 0);
    this.#isBackup = members.map((member) => member.backup);
    this.#isWithdrawn = members.map(() => false);
    this.#settings = settings;
    this.#standings = new Uint8Array(members.length);
    this.#published = memory.standings;
    this.#steady = memory.steady;
    this.#ramp = new Ramp(members.length, memory.steady);
    this.#isPanicking = false;
    for (const machine of this.#machines) machine.subscribe(this);
    this.#refresh();
  }

  get isPanicking(): boolean {
    return this.#isPanicking;
  }

  /** Lets go of the machines. The mask is stale from then on: call it when the plan's last exchange has ended. */
  close(): void {
    for (const machine of this.#machines) machine.unsubscribe(this);
  }

  /** Takes a member out of this group alone, or puts it back, at once: nobody picks it from the return of this call on. */
  withdraw(index: number, isWithdrawn: boolean): void {
    if (this.#isWithdrawn[index] === isWithdrawn) return;
    this.#isWithdrawn[index] = isWithdrawn;
    this.#refresh();
  }

  healthChanged(_machine: HealthMachine): void {
    this.#refresh();
  }

  /** To be called several times a second: waits and ramps end in it. */
  tick(nowMs: number): void {
    for (const machine of this.#machines) machine.tick(nowMs);
  }

  admit(index: number, nowMs: number, tried: Int32Array): number {
    const machine = this.#machines[index];
    const standing = this.#standings[index];
    if (standing === SPARED || standing === PANIC) return machine.admitSpared(nowMs);
    const ramps = machine.state === "slow_start";
    if (ramps && !this.#ramp.allows(index, machine.rampFraction(nowMs), tried)) return REFUSED;
    return machine.tryAdmit(nowMs);
  }

  /** Allocates: for the admin side. One per index. */
  snapshot(): HealthMemberSnapshot[] {
    return this.#machines.map((machine, index) => ({
      ...machine.snapshot(),
      standing: STANDING_NAMES[this.#standings[index]],
      isEligible: (this.eligible[index >>> 5] >>> (index & 31) & 1) === 1,
    }));
  }

  #refresh(): void {
    this.#takeCensus();
    this.#spareAboveCap();
    this.#spareLast();
    this.#isPanicking = this.#isBelowPanicThreshold();
    if (this.#isPanicking) {
      for (let index = 0; index < this.#standings.length; index++) {
        if (this.#standings[index] === EJECTED) this.#standings[index] = PANIC;
      }
    }
    this.#publish();
  }

  /**
   * Other threads may look in between: who is to be spared is so before the mask offers him, and stays so until it does
   * no more. Else a lone member would be refused for a moment.
   */
  #publish(): void {
    for (let index = 0; index < this.#standings.length; index++) {
      const standing = this.#standings[index];
      if (standing === SPARED || standing === PANIC) this.#published[index] = standing;
    }
    this.#writeMasks();
    this.#published.set(this.#standings);
  }

  #takeCensus(): void {
    for (let index = 0; index < this.#machines.length; index++) {
      const machine = this.#machines[index];
      const isOut = !this.#isWeighted[index] || this.#isWithdrawn[index] || machine.isWithdrawn;
      this.#standings[index] = isOut ? OUT : machine.isInService ? PROVEN : EJECTED;
    }
  }

  #spareAboveCap(): void {
    const ejected = this.#count(EJECTED);
    const members = ejected + this.#count(PROVEN);
    const allowed = Math.max(1, Math.floor(members * this.#settings.circuit.maxEjectedPercent / 100));
    if (ejected <= allowed) return;
    const order: number[] = [];
    this.#standings.forEach((standing, index) => {
      if (standing === EJECTED) order.push(index);
    });
    order.sort((a, b) => this.#compareGuilt(a, b));
    for (let rank = allowed; rank < order.length; rank++) this.#standings[order[rank]] = SPARED;
  }

  /** The one to be ejected first comes first. */
  #compareGuilt(a: number, b: number): number {
    const one = this.#machines[a];
    const other = this.#machines[b];
    return Number(one.mayBeSpared) - Number(other.mayBeSpared) || one.episodeAtMs - other.episodeAtMs || a - b;
  }

  #spareLast(): void {
    let last = -1;
    for (let index = 0; index < this.#standings.length; index++) {
      const standing = this.#standings[index];
      if (standing === PROVEN || standing === SPARED) return;
      const machine = this.#machines[index];
      if (standing === OUT || !machine.mayBeSpared) continue;
      if (last === -1 || machine.episodeAtMs >= this.#machines[last].episodeAtMs) last = index;
    }
    if (last !== -1) this.#standings[last] = SPARED;
  }

  #isBelowPanicThreshold(): boolean {
    const threshold = this.#settings.panicThresholdPercent;
    let primaries = 0;
    let primariesIn = 0;
    let backups = 0;
    let backupsIn = 0;
    for (let index = 0; index < this.#standings.length; index++) {
      const standing = this.#standings[index];
      if (standing === OUT) continue;
      const isIn = standing === EJECTED ? 0 : 1;
      if (this.#isBackup[index]) {
        backups++;
        backupsIn += isIn;
      } else {
        primaries++;
        primariesIn += isIn;
      }
    }
    if (primaries === 0) return backupsIn * 100 < threshold * backups;
    return primariesIn * 100 < threshold * primaries && (primariesIn > 0 || backupsIn === 0);
  }

  #writeMasks(): void {
    for (let word = 0; word < this.eligible.length; word++) {
      let eligible = 0;
      let steady = 0;
      const end = Math.min(this.#machines.length, (word + 1) << 5);
      for (let index = word << 5; index < end; index++) {
        const standing = this.#standings[index];
        const machine = this.#machines[index];
        if (standing === OUT || (standing === EJECTED && !machine.isEligible)) continue;
        eligible |= 1 << (index & 31);
        if (machine.state === "healthy" && !this.#isBackup[index]) steady |= 1 << (index & 31);
      }
      this.eligible[word] = eligible;
      this.#steady[word] = steady;
    }
  }

  #count(wanted: number): number {
    let count = 0;
    for (let index = 0; index < this.#standings.length; index++) {
      if (this.#standings[index] === wanted) count++;
    }
    return count;
  }
}
