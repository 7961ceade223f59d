/**
 * What worker threads share, in one `SharedArrayBuffer`, laid out here and nowhere else.
 *
 *     part            columns                                         written by
 *     wake            1 word: counts calls for the control thread     workers (add), once a report
 *     counts          in flight by row, connections by listener      workers, by `Atomics`
 *                     and by client address (`shared_connections.ts`)
 *     backend table   recent, latency, latency's time                 workers
 *     health          status, ticket, term, offer, since              control thread (offer: also taken by workers)
 *     per region      header: heartbeat, exchanges                    its worker
 *                     own share of the counts                         its worker; taken off by the control thread
 *                     successes, one a health row                     its worker
 *                     ring of reports                                 its worker; its head: control thread
 *
 * Each part and each region's part begins on a cache line of its own, so that a line is written by one thread wherever
 * it can be. Totals are the exception: least_connections has to see one number, and an atomic add costs about 10 ns
 * more than a plain one.
 *
 * A *region* is what one thread writes to. There are more of them than workers, because a thread that was ended goes on
 * to the end of its turn: the one that takes its place gets another region. Own shares are kept beside the totals, so
 * that what a thread held can be taken off again; both are changed by `Atomics` only, so that this is exact also while
 * the thread still runs.
 *
 * `recent`, latency and its time are written by all without locks. A lost update is a lost sample, and both are
 * averages that fade.
 *
 * Masks and standings are not in here: each plan brings its own buffer (`group_memory.ts`), because an exchange of an
 * old plan goes on reading the old plan's.
 */

import { BACKEND_ROWS_MAX, type BackendTable } from "../backend_table.ts";

/** Health machines that may exist at once; as many as rows of the backend table. */
export const HEALTH_ROWS_MAX = BACKEND_ROWS_MAX;
/** Listeners whose connections are counted. */
export const LISTENER_ROWS_MAX = 1024;
/** Counters a hash of client addresses chooses from; there are two hashes. A power of two. */
export const ADDRESS_BUCKETS = 16_384;
/** Where the counts of listeners and of addresses begin; those of backends come first. */
export const COUNT_AT = { listeners: BACKEND_ROWS_MAX, addresses: BACKEND_ROWS_MAX + LISTENER_ROWS_MAX } as const;
const COUNTS = COUNT_AT.addresses + 2 * ADDRESS_BUCKETS;

/** Regions per worker: its own, and one for the thread that follows it. */
const REGIONS_PER_WORKER = 2;

/** Reports of one worker that the control thread has not read. It reads within a millisecond or so. */
export const REPORTS_MAX = 4096;
/** Words of one report: kind and code, health row, ticket, successes on that row before it. */
export const REPORT_WORDS = 4;

const CACHE_LINE_BYTES = 64;

/** Words of a region's header. */
export const RegionWord = { heartbeat: 0, exchanges: 1, ring_tail: 4 } as const;
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

export interface SharedRegion {
  readonly header: Int32Array;
  /** Its share of `SharedState.counts`. */
  readonly own: Int32Array;
  readonly successes: Int32Array;
  readonly reports: Int32Array;
  /** One word: how many reports the control thread has read. On a line of its own. */
  readonly ringHead: Int32Array;
}

export interface SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly workers: number;
  readonly wake: Int32Array;
  readonly counts: Int32Array;
  readonly health: HealthColumns;
  readonly regions: readonly SharedRegion[];
}

/** @param workers 1 to 256. */
export function createSharedState(workers: number): SharedState {
  const sizer = new Parts(null);
  layOut(sizer, workers);
  return sharedStateOn(new SharedArrayBuffer(sizer.bytes), workers);
}

/** The same state, seen from another thread. */
export function sharedStateOn(buffer: SharedArrayBuffer, workers: number): SharedState {
  const { wake, counts, health, regions } = layOut(new Parts(buffer), workers);
  return { buffer, workers, wake, counts, health, regions };
}

/**
 * The backend table in shared memory.
 *
 * @param region Whose own counts are kept; -1 for the control thread, which holds no backend.
 */
export function sharedTable(state: SharedState, region: number): BackendTable {
  return new SharedTable(state, region);
}

/** Takes what a thread that has ended held off the totals. To be repeated while it may still be in its last turn. */
export function forgetCounts({ counts, regions }: SharedState, region: number): void {
  const { own } = regions[region];
  for (let index = 0; index < own.length; index++) {
    if (own[index] !== 0) Atomics.sub(counts, index, Atomics.exchange(own, index, 0));
  }
}

class SharedTable implements BackendTable {
  readonly inFlight: Int32Array;
  readonly recent: Float64Array;
  readonly latencyMs: Float64Array;
  readonly latencyAtMs: Float64Array;
  readonly #own: Int32Array;

  constructor(state: SharedState, region: number) {
    const columns = layOut(new Parts(state.buffer), state.workers).table;
    this.inFlight = state.counts.subarray(0, BACKEND_ROWS_MAX);
    this.recent = columns.recent;
    this.latencyMs = columns.latencyMs;
    this.latencyAtMs = columns.latencyAtMs;
    this.#own = region < 0 ? new Int32Array(BACKEND_ROWS_MAX) : state.regions[region].own;
  }

  begin(row: number): void {
    Atomics.add(this.#own, row, 1);
    Atomics.add(this.inFlight, row, 1);
    this.recent[row]++;
  }

  end(row: number): void {
    Atomics.sub(this.#own, row, 1);
    Atomics.sub(this.inFlight, row, 1);
  }
}

interface TableColumns {
  readonly recent: Float64Array;
  readonly latencyMs: Float64Array;
  readonly latencyAtMs: Float64Array;
}

type Layout = Omit<SharedState, "buffer" | "workers"> & { readonly table: TableColumns };

function layOut(parts: Parts, workers: number): Layout {
  const wake = parts.int32(1);
  const counts = parts.int32(COUNTS);
  const table: TableColumns = {
    recent: parts.float64(BACKEND_ROWS_MAX),
    latencyMs: parts.float64(BACKEND_ROWS_MAX),
    latencyAtMs: parts.float64(BACKEND_ROWS_MAX),
  };
  const health: HealthColumns = {
    status: parts.int32(HEALTH_ROWS_MAX),
    ticket: parts.int32(HEALTH_ROWS_MAX),
    term: parts.int32(HEALTH_ROWS_MAX),
    offer: parts.int32(HEALTH_ROWS_MAX),
    sinceMs: parts.float64(HEALTH_ROWS_MAX),
  };
  const regions = Array.from({ length: workers * REGIONS_PER_WORKER }, (): SharedRegion => ({
    header: parts.int32(HEADER_WORDS),
    own: parts.int32(COUNTS),
    successes: parts.int32(HEALTH_ROWS_MAX),
    reports: parts.int32(REPORTS_MAX * REPORT_WORDS),
    ringHead: parts.int32(1),
  }));
  return { wake, counts, table, health, regions };
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
