/**
 * Health as a worker thread sees it: it reads the control thread's verdict and reports what became of exchanges. It takes
 * no lock and waits for nobody.
 *
 * What keeps it right while the control thread is a moment behind: a trial belongs to whoever swaps its number for 0
 * (one winner), and a ticket from before an opening is below the term and changes nothing.
 */

import { type GroupMemory, Standing } from "./group_memory.ts";
import { type BackendHealth, type GroupHealth, REFUSED } from "./gate.ts";
import { type FailureCode, HEALTH_STATES, isBackendFault } from "./reason.ts";
import { isTrial, type ReportWriter } from "./report.ts";
import { Ramp, rampFraction } from "./ramp.ts";
import type { HealthColumns } from "../base/shared/shared_state.ts";

const HEALTHY = HEALTH_STATES.indexOf("healthy");
const SLOW_START = HEALTH_STATES.indexOf("slow_start");
const DRAINING = HEALTH_STATES.indexOf("draining");
const DISABLED = HEALTH_STATES.indexOf("disabled");

export class SharedMachine implements BackendHealth {
  readonly #columns: HealthColumns;
  readonly #row: number;
  readonly #writer: ReportWriter;
  readonly #slowStartMs: number;

  constructor(parts: { columns: HealthColumns; row: number; writer: ReportWriter; slowStartMs: number }) {
    this.#columns = parts.columns;
    this.#row = parts.row;
    this.#writer = parts.writer;
    this.#slowStartMs = parts.slowStartMs;
  }

  get isInService(): boolean {
    const status = Atomics.load(this.#columns.status, this.#row);
    return status === HEALTHY || status === SLOW_START;
  }

  get isRamping(): boolean {
    return Atomics.load(this.#columns.status, this.#row) === SLOW_START;
  }

  rampFraction(nowMs: number): number {
    return this.#slowStartMs > 0 ? rampFraction(nowMs, this.#columns.sinceMs[this.#row], this.#slowStartMs) : 1;
  }

  /** @returns A ticket, or `REFUSED`. */
  tryAdmit(): number {
    // The ticket first: one that is read before the status cannot belong to a term that the status does not know yet.
    const current = Atomics.load(this.#columns.ticket, this.#row);
    if (this.isInService) return current;
    const { offer } = this.#columns;
    const ticket = Atomics.load(offer, this.#row);
    if (ticket === 0 || Atomics.compareExchange(offer, this.#row, ticket, 0) !== ticket) return REFUSED;
    this.#writer.push("trial", this.#row, ticket);
    return ticket;
  }

  /** For a group that spares the backend; refuses only a withdrawn one. */
  admitSpared(): number {
    const status = Atomics.load(this.#columns.status, this.#row);
    if (status === DRAINING || status === DISABLED) return REFUSED;
    const ticket = this.tryAdmit();
    return ticket === REFUSED ? Atomics.load(this.#columns.ticket, this.#row) : ticket;
  }

  onTrafficSuccess(_nowMs: number, ticket: number): void {
    if (ticket < Atomics.load(this.#columns.term, this.#row)) return;
    if (isTrial(ticket) || !this.isInService) this.#writer.push("success", this.#row, ticket);
    else this.#writer.countSuccess(this.#row);
  }

  onTrafficFailure(code: FailureCode, _nowMs: number, ticket: number): void {
    if (!isBackendFault(code)) return this.releaseToken(ticket);
    this.#writer.push("failure", this.#row, ticket, code);
  }

  releaseToken(ticket: number): void {
    if (isTrial(ticket)) this.#writer.push("release", this.#row, ticket);
  }
}

export class SharedGroup implements GroupHealth {
  readonly eligible: Int32Array;
  readonly #standings: Uint8Array;
  readonly #machines: readonly SharedMachine[];
  readonly #ramp: Ramp;

  /** @param machines One per index. */
  constructor(machines: readonly SharedMachine[], memory: GroupMemory) {
    this.eligible = memory.eligible;
    this.#standings = memory.standings;
    this.#machines = machines;
    this.#ramp = new Ramp(machines.length, memory.steady);
  }

  admit(index: number, nowMs: number, tried: Int32Array): number {
    const machine = this.#machines[index];
    const standing = this.#standings[index];
    if (standing === Standing.spared || standing === Standing.panic) return machine.admitSpared();
    if (machine.isRamping && !this.#ramp.allows(index, machine.rampFraction(nowMs), tried)) return REFUSED;
    return machine.tryAdmit();
  }
}
