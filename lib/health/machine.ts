/**
 * The one health machine of a backend, fed by traffic and by active probes.
 *
 *     healthy ──failures──▶ open ──wait──▶ probation ──success──▶ (slow_start) healthy
 *        ▲                   ▲                 │
 *        └── admin           └────failure──────┘ (longer wait)
 *
 * Traffic and probes are two witnesses that may disagree, so their streaks are kept apart: a passing probe never clears
 * a streak of failed requests, nor a request that of failed probes. An *episode* is the time from leaving service until
 * coming back. It belongs to whoever found the backend down, and each takes back only its own word:
 *
 * - Probes (`fall` failures in a row) hold it open for as long as it takes, without a wait and without a trial, until
 *   `rise` pass in a row. A backend that is about to go says so there, while its requests still succeed.
 * - Traffic holds it open for a wait; then one request is let through. Passing probes cut the wait short. When the request
 *   let through then fails, they vouched wrongly and lose that right until the backend was calm. Else a `/healthz`
 *   that says 200 while requests fail would undo every doubled wait.
 * - Probes may join an episode of traffic, at any time. When they pass again, what is left is traffic's. Traffic cannot
 *   join one of probes: no request is let through, and those that a group spares change nothing.
 *
 * A request brings the *ticket* of its admission back. Tickets from before the last opening are stragglers (a hundred
 * requests hanging in a dead backend time out together) and change nothing. Tickets are even; that of the one
 * request that probation lets through, the *trial*, is odd.
 *
 * Whether a fact may cost a group its last members is the group's affair (`group.ts`).
 *
 * Pure: times are ms of the caller's monotonic clock. Reports in service are O(1) and allocate nothing.
 */

import {
  type AdminCommand,
  type FailureCode,
  type HealthChange,
  type HealthReason,
  type HealthState,
  isBackendFault,
  isUnreachable,
} from "./reason.ts";
import type { HealthInitial, HealthSettings } from "./settings.ts";
import type { HealthSnapshot } from "./snapshot.ts";
import { type BackendHealth, REFUSED } from "./gate.ts";
import { OpenWait } from "./open_wait.ts";
import { OutcomeWindow } from "./outcome_window.ts";
import { rampFraction } from "./ramp.ts";

/** Told after every change of state and whenever the trial is taken or given back. Must not report to the machine. */
export interface HealthListener {
  healthChanged(machine: HealthMachine): void;
  /** After everybody was told. */
  healthSettled?(machine: HealthMachine): void;
}

const NEVER = Number.POSITIVE_INFINITY;
const NO_TRIAL = -1;

export class HealthMachine implements BackendHealth {
  readonly #settings: HealthSettings;
  readonly #rise: number;
  readonly #fall: number;
  readonly #window: OutcomeWindow;
  readonly #onChange: (change: HealthChange) => void;
  readonly #listeners: Set<HealthListener>;
  #state: HealthState;
  #reason: HealthReason;
  #sinceMs: number;
  /** When `tick` has something to do. */
  #dueMs: number;
  readonly #wait: OpenWait;
  /** When the backend last left service. */
  #episodeAtMs: number;
  #isHeldByTraffic: boolean;
  #isHeldByProbes: boolean;
  /** Why traffic opened last, and when its wait ends. */
  #trafficReason: HealthReason;
  #waitEndMs: number;
  #mayBeSpared: boolean;
  /** Probes brought the present probation about. */
  #isVouched: boolean;
  #canVouch: boolean;
  #failures: number;
  #probePasses: number;
  #probeFailures: number;
  #probeCode: FailureCode;
  /** The next even ticket; the first one of the present term; the odd one that is out. */
  #ticket: number;
  #termTicket: number;
  #trial: number;

  constructor(settings: HealthSettings, initial: HealthInitial, onChange: (change: HealthChange) => void = () => {}) {
    this.#settings = settings;
    this.#rise = settings.health?.rise ?? NEVER;
    this.#fall = settings.health?.fall ?? NEVER;
    this.#window = new OutcomeWindow(settings.circuit.windowMs);
    this.#onChange = onChange;
    this.#listeners = new Set();
    const ramps = initial.state === "slow_start" && settings.slowStartMs > 0;
    this.#state = initial.state === "slow_start" && !ramps ? "healthy" : initial.state;
    this.#reason = { cause: "join", code: "join", count: 0 };
    this.#sinceMs = initial.nowMs;
    this.#dueMs = ramps ? initial.nowMs + settings.slowStartMs : NEVER;
    this.#wait = new OpenWait(settings.circuit, initial.nowMs);
    this.#episodeAtMs = -1;
    this.#isHeldByTraffic = false;
    this.#isHeldByProbes = false;
    this.#trafficReason = this.#reason;
    this.#waitEndMs = -1;
    this.#mayBeSpared = false;
    this.#isVouched = false;
    this.#canVouch = true;
    this.#failures = 0;
    this.#probePasses = 0;
    this.#probeFailures = 0;
    this.#probeCode = "bad_status";
    this.#ticket = 2;
    this.#termTicket = 2;
    this.#trial = NO_TRIAL;
  }

  get state(): HealthState {
    return this.#state;
  }

  get reason(): HealthReason {
    return this.#reason;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** When the wait of `open` ends; -1 when it lasts until probes pass, and in other states. */
  get untilMs(): number {
    return this.#state === "open" && !this.#isHeldByProbes ? this.#dueMs : -1;
  }

  /** A new request would be admitted now. */
  get isEligible(): boolean {
    return this.isInService || (this.#state === "probation" && this.#trial === NO_TRIAL);
  }

  get isInService(): boolean {
    return this.#state === "healthy" || this.#state === "slow_start";
  }

  /** Taken out by the operator, which no rule about traffic overrides. */
  get isWithdrawn(): boolean {
    return this.#state === "draining" || this.#state === "disabled";
  }

  /** When the present episode began: stable over its waits and trials; -1 before the first. */
  get episodeAtMs(): number {
    return this.#episodeAtMs;
  }

  /**
   * The backend answers, only badly: requests opened the circuit, and the one that did had got a connection. False when
   * it could not be reached, or when probes, which speak for the backend itself, say that it is down.
   */
  get mayBeSpared(): boolean {
    return this.#mayBeSpared;
  }

  get ticket(): number {
    return this.#ticket;
  }

  /** Reports with a ticket below it change nothing. */
  get termTicket(): number {
    return this.#termTicket;
  }

  /** The ticket that a trial would get now, never the same for two; 0 when none is to be had. */
  get offer(): number {
    return this.#state === "probation" && this.#trial === NO_TRIAL ? this.#ticket + 3 : 0;
  }

  /** Another thread has taken the offer. A number that is not on offer any more changes nothing. */
  takeOffered(ticket: number, nowMs: number): void {
    if (ticket === this.offer) this.#takeTrial(nowMs);
  }

  subscribe(listener: HealthListener): void {
    this.#listeners.add(listener);
  }

  unsubscribe(listener: HealthListener): void {
    this.#listeners.delete(listener);
  }

  /**
   * Admits a request. Every ticket is brought back once: by `onTrafficSuccess`, `onTrafficFailure` or `releaseToken`.
   *
   * @returns A ticket, or `REFUSED` (0).
   */
  tryAdmit(nowMs: number): number {
    if (nowMs >= this.#dueMs) this.tick(nowMs);
    if (this.isInService) return this.#ticket;
    return this.isEligible ? this.#takeTrial(nowMs) : REFUSED;
  }

  /** Admits against the machine's own word, for a group that spares the backend; refuses only a withdrawn one. */
  admitSpared(nowMs: number): number {
    if (this.isWithdrawn) return REFUSED;
    const ticket = this.tryAdmit(nowMs);
    return ticket === REFUSED ? this.#ticket : ticket;
  }

  /** The request ended and says nothing about the backend: the client left, the queue was full. */
  releaseToken(ticket: number): void {
    if (ticket !== this.#trial) return;
    this.#trial = NO_TRIAL;
    this.#dueMs = NEVER;
    this.#notify();
  }

  /** One report an attempt, once it is known how it went. */
  onTrafficSuccess(nowMs: number, ticket: number): void {
    if (ticket < this.#termTicket) return;
    if (this.isInService) {
      this.#failures = 0;
      this.#window.recordSuccess(nowMs);
    } else if (this.#state === "probation") {
      this.#enterService(nowMs, { cause: "traffic", code: "trial_passed", count: 1 });
    }
  }

  /** So many requests in service ended well, told together. */
  onTrafficSuccesses(count: number, nowMs: number): void {
    if (!this.isInService) return;
    this.#failures = 0;
    this.#window.recordSuccess(nowMs, count);
  }

  /** @param code One that is not the backend's fault only gives the ticket back. */
  onTrafficFailure(code: FailureCode, nowMs: number, ticket: number): void {
    if (!isBackendFault(code)) return this.releaseToken(ticket);
    if (ticket < this.#termTicket) return;
    if (this.isInService) {
      this.#failures++;
      this.#window.recordFailure(nowMs);
      this.#judgeTraffic(code, nowMs);
    } else if (this.#state === "probation") {
      if (this.#isVouched) this.#canVouch = false;
      this.#open(nowMs, { cause: "traffic", code, count: 1 }, !isUnreachable(code));
    }
  }

  onProbeSuccess(nowMs: number): void {
    this.#probePasses++;
    this.#probeFailures = 0;
    if (this.#probePasses < this.#rise || this.#state !== "open") return;
    const reason: HealthReason = { cause: "probe", code: "probes_passed", count: this.#probePasses };
    const wasHeld = this.#isHeldByProbes;
    this.#isHeldByProbes = false;
    if (!this.#isHeldByTraffic) this.#enterService(nowMs, reason);
    else if (this.#canVouch || nowMs >= this.#waitEndMs) this.#enterProbation(nowMs, reason, this.#canVouch);
    else if (wasHeld) this.#change("open", nowMs, this.#waitEndMs, this.#trafficReason);
  }

  onProbeFailure(code: FailureCode, nowMs: number): void {
    this.#probeFailures++;
    this.#probePasses = 0;
    this.#probeCode = code;
    const isDown = this.#probeFailures >= this.#fall;
    const reason: HealthReason = { cause: "probe", code, count: this.#probeFailures };
    if (this.#state === "open") {
      if (!isDown || this.#isHeldByProbes) return;
      this.#isHeldByProbes = true;
      this.#mayBeSpared = false;
      this.#change("open", nowMs, NEVER, reason);
    } else if (this.#state === "probation" || (this.isInService && isDown)) {
      this.#open(nowMs, reason, false);
    }
  }

  /**
   * Does what time brings: ends waits and ramps. A trial that nobody brought back within `maxOpenMs` is given up, so
   * that a lost ticket cannot hold a backend out of service for ever. O(1) and idle but for a comparison.
   */
  tick(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    if (this.#state === "open") {
      this.#enterProbation(nowMs, { cause: "timer", code: "wait_over", count: this.#wait.openings }, false);
    } else if (this.#state === "slow_start") {
      this.#change("healthy", nowMs, NEVER, { cause: "timer", code: "ramp_over", count: 0 });
    } else {
      this.releaseToken(this.#trial);
    }
  }

  /**
   * `enable` ends `drain` and `disable`, with a clean record, unless probes have meanwhile found the backend down; it
   * does nothing in other states.
   */
  admin(command: AdminCommand, nowMs: number): void {
    if (command !== "enable") {
      const state = command === "drain" ? "draining" : "disabled";
      if (this.#state !== state) this.#change(state, nowMs, NEVER, { cause: "admin", code: command, count: 0 });
      return;
    }
    if (!this.isWithdrawn) return;
    this.#wait.forget();
    if (this.#probeFailures >= this.#fall) {
      this.#open(nowMs, { cause: "probe", code: this.#probeCode, count: this.#probeFailures }, false);
    } else {
      this.#enterService(nowMs, { cause: "admin", code: "enable", count: 0 });
    }
  }

  /** Share of its usual traffic that the backend should get: 1, or less while it ramps up. */
  rampFraction(nowMs: number): number {
    if (this.#state !== "slow_start") return 1;
    return rampFraction(nowMs, this.#sinceMs, this.#settings.slowStartMs);
  }

  /** Allocates: for the admin side. */
  snapshot(): HealthSnapshot {
    return {
      state: this.#state,
      reason: this.#reason,
      sinceMs: this.#sinceMs,
      untilMs: this.untilMs,
      waitMs: this.#wait.ms,
      openings: this.#wait.openings,
      consecutiveFailures: this.#failures,
      windowRequests: this.#window.requests,
      windowFailures: this.#window.failures,
      probePasses: this.#probePasses,
      probeFailures: this.#probeFailures,
    };
  }

  #judgeTraffic(code: FailureCode, nowMs: number): void {
    const { failures, errorRate, minRequests } = this.#settings.circuit;
    const window = this.#window;
    if (failures > 0 && this.#failures >= failures) {
      this.#open(nowMs, { cause: "traffic", code, count: this.#failures }, !isUnreachable(code));
    } else if (errorRate > 0 && window.requests >= minRequests && window.failures >= errorRate * window.requests) {
      this.#open(nowMs, { cause: "traffic", code: "error_rate", count: window.failures }, !isUnreachable(code));
    }
  }

  /** From service, or again from probation: that is traffic's, whoever ends it. */
  #open(nowMs: number, reason: HealthReason, mayBeSpared: boolean): void {
    const isReopening = this.#state === "probation";
    if (!this.#wait.open(nowMs, isReopening)) this.#canVouch = true;
    if (!isReopening) this.#episodeAtMs = nowMs;
    this.#isHeldByTraffic = isReopening || reason.cause === "traffic";
    this.#isHeldByProbes = this.#probeFailures >= this.#fall;
    this.#trafficReason = reason;
    this.#waitEndMs = nowMs + this.#wait.ms;
    this.#mayBeSpared = mayBeSpared;
    this.#isVouched = false;
    this.#probePasses = 0;
    this.#ticket += 4; // beyond an offer that somebody may have taken and not told yet
    this.#termTicket = this.#ticket;
    this.#change("open", nowMs, this.#isHeldByProbes ? NEVER : this.#waitEndMs, reason);
  }

  #enterProbation(nowMs: number, reason: HealthReason, isVouched: boolean): void {
    this.#isVouched = isVouched;
    this.#change("probation", nowMs, NEVER, reason);
  }

  #enterService(nowMs: number, reason: HealthReason): void {
    const rampMs = this.#settings.slowStartMs;
    this.#wait.close(nowMs);
    this.#isHeldByTraffic = false;
    this.#isHeldByProbes = false;
    this.#failures = 0;
    this.#probeFailures = 0;
    this.#window.reset();
    this.#mayBeSpared = false;
    if (rampMs > 0) this.#change("slow_start", nowMs, nowMs + rampMs, reason);
    else this.#change("healthy", nowMs, NEVER, reason);
  }

  #takeTrial(nowMs: number): number {
    this.#ticket += 2;
    this.#trial = this.#ticket + 1;
    this.#dueMs = nowMs + this.#settings.circuit.maxOpenMs;
    this.#notify();
    return this.#trial;
  }

  #change(to: HealthState, nowMs: number, dueMs: number, reason: HealthReason): void {
    const from = this.#state;
    this.#state = to;
    this.#reason = reason;
    if (from !== to) this.#sinceMs = nowMs;
    this.#dueMs = dueMs;
    this.#trial = NO_TRIAL;
    this.#notify();
    this.#onChange({ from, to, reason, atMs: nowMs, untilMs: this.untilMs });
  }

  #notify(): void {
    for (const listener of this.#listeners) listener.healthChanged(this);
    for (const listener of this.#listeners) listener.healthSettled?.(this);
  }
}
