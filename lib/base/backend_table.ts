/**
 * Numbers that are kept per backend and outlive every plan: one row (*slot*) a backend, one typed array a column.
 *
 * Selectors read them on every request and the proxy writes them, so they are plain typed arrays that can be laid over
 * a `SharedArrayBuffer` without touching a strategy. Times are milliseconds of the caller's monotonic clock.
 */

/** Rows a process can hold at once, drained backends included. Sized so that all columns stay under 1 MiB. */
export const SLOTS_MAX = 8192;

export interface BackendTable {
  /** Exchanges that hold this backend now. */
  readonly inFlight: Int32Array;
  /** Exchanges begun since a recent, unspecified moment: a tie-breaker that decays, not a counter. */
  readonly recent: Float64Array;
  /** Peak-sensitive moving average of the time to the response head, in ms; 0: never measured. */
  readonly latencyMs: Float64Array;
  /** When `latencyMs` was last written. */
  readonly latencyAtMs: Float64Array;
}

/** @param slots 1 to `SLOTS_MAX`. */
export function createBackendTable(slots: number = SLOTS_MAX): BackendTable {
  return {
    inFlight: new Int32Array(slots),
    recent: new Float64Array(slots),
    latencyMs: new Float64Array(slots),
    latencyAtMs: new Float64Array(slots),
  };
}
