/**
 * What worker threads share, in one `SharedArrayBuffer`, laid out here and nowhere else.
 *
 *     part            columns                                         written by
 *     wake            1 word: counts calls for the control thread     workers (add), once a report
 *     backend table   in flight, recent, latency, latency's time      workers (in flight by `Atomics`)
 *     health          status, ticket, term, offer, since              control thread (offer: also taken by workers)
 *     per worker      header: heartbeat, exchanges                    that worker
 *                     own in flight, one a slot                       that worker
 *                     successes, one a health row                     that worker
 *                     ring of reports                                 that worker; its head: control thread
 *
 * Each part and each worker's part begins on a cache line of its own, so that a line is written by one thread wherever
 * it can be. The total in flight of a slot is the exception: least_connections has to see one number, and an atomic add
 * costs about 10 ns more than a plain one. Own counts are kept beside it, so that what a worker that died had in flight
 * can be taken off again.
 *
 * `recent`, latency and its time are written by all without locks. A lost update is a lost sample, and both are
 * averages that fade.
 *
 * Masks and standings are not in here: each plan brings its own buffer (`group_memory.ts`), because an exchange of an
 * old plan goes on reading the old plan's.
 */

import { type BackendTable, SLOTS_MAX } from "../base/backend_table.ts";

/** Health machines that may exist at once; as many as slots. */
export const HEALTH_ROWS_MAX = SLOTS_MAX;
/** Reports of one worker that the control thread has not read. It reads within a millisecond or so. */
export const REPORTS_MAX = 4096;
/** Words of one report: kind and code, health row, ticket, successes on that row before it. */
export const REPORT_WORDS = 4;

const CACHE_LINE_BYTES = 64;

/** Words of a worker's header. */
export const WorkerWord = { heartbeat: 0, exchanges: 1, plansAlive: 2, ring_tail: 4 } as const;
const HEADER_WORDS = 16;

/** Columns of the health machines, one row each. Status is an index into `HEALTH_STATES`. */
export interface HealthColumns {
  readonly status: Int32Array;
  /** What a request in service is admitted with. */
  readonly ticket: Int32Array;
  /** Reports with a ticket below it change nothing. */
  readonly term: Int32Array;
  /** The trial that probation has to give, 0 for none; whoever swaps it for 0 has it. */
  readonly offer: Int32Array;
  /** When the status was entered, on the control thread's clock. */
  readonly sinceMs: Float64Array;
}

export interface WorkerPart {
  readonly header: Int32Array;
  readonly inFlight: Int32Array;
  readonly successes: Int32Array;
  readonly reports: Int32Array;
  /** One word: how many reports the control thread has read. On a line of its own. */
  readonly ringHead: Int32Array;
}

export interface SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly workers: number;
  readonly wake: Int32Array;
  readonly health: HealthColumns;
  /** Index 0 is worker 1. */
  readonly parts: readonly WorkerPart[];
}

/** @param workers 1 to 256. */
export function createSharedState(workers: number): SharedState {
  const sizer = new Parts(null);
  layOut(sizer, workers);
  return sharedStateOn(new SharedArrayBuffer(sizer.bytes), workers);
}

/** The same state, seen from another thread. */
export function sharedStateOn(buffer: SharedArrayBuffer, workers: number): SharedState {
  return { buffer, workers, ...layOut(new Parts(buffer), workers) };
}

/**
 * The backend table in shared memory.
 *
 * @param worker Whose own counts are kept; 0 for the control thread, which holds no backend.
 */
export function sharedTable(state: SharedState, worker: number): BackendTable {
  return new SharedTable(state, worker);
}

/** Takes what a worker that has died had in flight off the totals. */
export function forgetInFlight(state: SharedState, worker: number): void {
  const { inFlight } = sharedTable(state, 0);
  const own = state.parts[worker - 1].inFlight;
  for (let slot = 0; slot < own.length; slot++) {
    if (own[slot] === 0) continue;
    Atomics.sub(inFlight, slot, own[slot]);
    own[slot] = 0;
  }
}

class SharedTable implements BackendTable {
  readonly inFlight: Int32Array;
  readonly recent: Float64Array;
  readonly latencyMs: Float64Array;
  readonly latencyAtMs: Float64Array;
  readonly #own: Int32Array;

  constructor(state: SharedState, worker: number) {
    const columns = layOut(new Parts(state.buffer), state.workers).table;
    this.inFlight = columns.inFlight;
    this.recent = columns.recent;
    this.latencyMs = columns.latencyMs;
    this.latencyAtMs = columns.latencyAtMs;
    this.#own = worker === 0 ? new Int32Array(SLOTS_MAX) : state.parts[worker - 1].inFlight;
  }

  begin(slot: number): void {
    this.#own[slot]++;
    Atomics.add(this.inFlight, slot, 1);
    this.recent[slot]++;
  }

  end(slot: number): void {
    this.#own[slot]--;
    Atomics.sub(this.inFlight, slot, 1);
  }
}

interface TableColumns {
  readonly inFlight: Int32Array;
  readonly recent: Float64Array;
  readonly latencyMs: Float64Array;
  readonly latencyAtMs: Float64Array;
}

function layOut(parts: Parts, workers: number): Omit<SharedState, "buffer" | "workers"> & { table: TableColumns } {
  const wake = parts.int32(1);
  const table: TableColumns = {
    inFlight: parts.int32(SLOTS_MAX),
    recent: parts.float64(SLOTS_MAX),
    latencyMs: parts.float64(SLOTS_MAX),
    latencyAtMs: parts.float64(SLOTS_MAX),
  };
  const health: HealthColumns = {
    status: parts.int32(HEALTH_ROWS_MAX),
    ticket: parts.int32(HEALTH_ROWS_MAX),
    term: parts.int32(HEALTH_ROWS_MAX),
    offer: parts.int32(HEALTH_ROWS_MAX),
    sinceMs: parts.float64(HEALTH_ROWS_MAX),
  };
  const ofWorkers = Array.from({ length: workers }, (): WorkerPart => ({
    header: parts.int32(HEADER_WORDS),
    inFlight: parts.int32(SLOTS_MAX),
    successes: parts.int32(HEALTH_ROWS_MAX),
    reports: parts.int32(REPORTS_MAX * REPORT_WORDS),
    ringHead: parts.int32(1),
  }));
  return { wake, table, health, parts: ofWorkers };
}

/** Hands out views one behind the other; without a buffer it only adds up. */
class Parts {
  bytes = 0;
  readonly #buffer: SharedArrayBuffer | null;

  constructor(buffer: SharedArrayBuffer | null) {
    this.#buffer = buffer;
  }

  int32(length: number): Int32Array {
    const at = this.#take(length * Int32Array.BYTES_PER_ELEMENT);
    return this.#buffer === null ? NO_INT32 : new Int32Array(this.#buffer, at, length);
  }

  float64(length: number): Float64Array {
    const at = this.#take(length * Float64Array.BYTES_PER_ELEMENT);
    return this.#buffer === null ? NO_FLOAT64 : new Float64Array(this.#buffer, at, length);
  }

  #take(bytes: number): number {
    const at = this.bytes;
    this.bytes += Math.ceil(bytes / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
    return at;
  }
}

const NO_INT32 = new Int32Array(0);
const NO_FLOAT64 = new Float64Array(0);
