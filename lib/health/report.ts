/**
 * Reports of exchanges on their way from a worker to the control thread, which alone judges health.
 *
 * Successes in service, nearly all there is, are only counted (one store into a column of the worker's own). Everything
 * else, failures and the fate of trials, is one entry in the worker's ring and a wake-up. An entry carries the count of
 * successes before it, so that "five failures in a row" means what it says for each worker.
 *
 * The ring has one writer and one reader, so head and tail are enough. When it is full (the control thread is stopped,
 * or 4,096 failures came in a millisecond) a trial's fate, which must not be lost, goes as a message instead; of other
 * failures there are enough then.
 */

import { ERROR_TRAITS, type ErrorCode } from "../base/errors.ts";
import type { FailureCode } from "./reason.ts";
import {
  RegionWord,
  REPORT_WORDS,
  REPORTS_MAX,
  type SharedRegion,
  type SharedState,
} from "../base/shared/shared_state.ts";

export interface HealthReport {
  readonly kind: ReportKind;
  readonly row: number;
  readonly ticket: number;
  /** What failed, for `failure`. */
  readonly code: FailureCode;
  /** The worker's count of successes on this row before it. */
  readonly successes: number;
}

export type ReportKind = "success" | "failure" | "release" | "trial";

const KINDS: readonly ReportKind[] = ["success", "failure", "release", "trial"];
const CODES: readonly FailureCode[] = ["bad_status", ...Object.keys(ERROR_TRAITS) as ErrorCode[]];
const INDEX_OF_KIND = new Map(KINDS.map((kind, index) => [kind, index]));
const INDEX_OF_CODE = new Map(CODES.map((code, index) => [code, index]));

/** The worker's end. */
export class ReportWriter {
  readonly #part: SharedRegion;
  readonly #wake: Int32Array;
  readonly #onFull: (report: HealthReport) => void;

  /** @param onFull Takes what must not be lost and does not fit into the ring. */
  constructor(state: SharedState, region: number, onFull: (report: HealthReport) => void) {
    this.#part = state.regions[region];
    this.#wake = state.wake;
    this.#onFull = onFull;
  }

  countSuccess(row: number): void {
    this.#part.successes[row]++;
  }

  push(kind: ReportKind, row: number, ticket: number, code: FailureCode = "bad_status"): void {
    const { header, reports, ringHead, successes } = this.#part;
    const tail = header[RegionWord.ring_tail];
    if (((tail - Atomics.load(ringHead, 0)) | 0) >= REPORTS_MAX) {
      if (isTrial(ticket)) this.#onFull({ kind, row, ticket, code, successes: successes[row] });
    } else {
      const at = (tail & (REPORTS_MAX - 1)) * REPORT_WORDS;
      reports[at] = INDEX_OF_KIND.get(kind)! | INDEX_OF_CODE.get(code)! << 8;
      reports[at + 1] = row;
      reports[at + 2] = ticket;
      reports[at + 3] = successes[row];
      Atomics.store(header, RegionWord.ring_tail, (tail + 1) | 0); // what was written before is seen with it
    }
    Atomics.add(this.#wake, 0, 1);
    Atomics.notify(this.#wake, 0);
  }
}

/** The control thread's end, for one region. */
export class ReportReader {
  readonly #part: SharedRegion;

  constructor(state: SharedState, region: number) {
    this.#part = state.regions[region];
  }

  /** Hands everything that is there to `take`, oldest first. */
  drain(take: (report: HealthReport) => void): void {
    const { header, reports, ringHead } = this.#part;
    const tail = Atomics.load(header, RegionWord.ring_tail);
    for (let head = ringHead[0]; head !== tail; head = (head + 1) | 0) {
      const at = (head & (REPORTS_MAX - 1)) * REPORT_WORDS;
      const report: HealthReport = {
        kind: KINDS[reports[at] & 0xff],
        code: CODES[reports[at] >>> 8],
        row: reports[at + 1],
        ticket: reports[at + 2],
        successes: reports[at + 3],
      };
      Atomics.store(ringHead, 0, (head + 1) | 0);
      take(report);
    }
  }

  /** Whether everything that was reported up to now has been handed out. */
  get isDrained(): boolean {
    return Atomics.load(this.#part.header, RegionWord.ring_tail) === this.#part.ringHead[0];
  }

  successes(row: number): number {
    return Atomics.load(this.#part.successes, row);
  }
}

/** Tickets of trials are odd. */
export function isTrial(ticket: number): boolean {
  return (ticket & 1) === 1;
}
