/**
 * Numbers that are kept per backend and outlive every plan: one row a backend, one typed array a column.
 *
 * Selectors read them on every request and the proxy writes them, so they are plain typed arrays that can be laid over
 * a `SharedArrayBuffer` without touching a strategy. Times are milliseconds of the caller's monotonic clock.
 */

/** Rows a process can hold at once, drained backends included. Sized so that all columns stay under 1 MiB. */
export const BACKEND_ROWS_MAX = 8192;

export interface BackendTable {
  /** Exchanges that hold this backend now. */
  readonly inFlight: Int32Array;
  /** Exchanges begun since a recent, unspecified moment: a tie-breaker that decays, not a counter. */
  readonly recent: Float64Array;
  /** Peak-sensitive moving average of the time to the response head, in ms; 0: never measured. */
  readonly latencyMs: Float64Array;
  /** When `latencyMs` was last written. */
  readonly latencyAtMs: Float64Array;
  /** An exchange takes the backend. */
  begin(row: number): void;
  /** It gives the backend back; once for each `begin`. */
  end(row: number): void;
}

/** @param rows 1 to `BACKEND_ROWS_MAX`. */
export function createBackendTable(rows: number = BACKEND_ROWS_MAX): BackendTable {
  return new PrivateTable(rows);
}

/** For one thread. */
class PrivateTable implements BackendTable {
  readonly inFlight: Int32Array;
  readonly recent: Float64Array;
  readonly latencyMs: Float64Array;
  readonly latencyAtMs: Float64Array;

  constructor(rows: number) {
    this.inFlight = new Int32Array(rows);
    this.recent = new Float64Array(rows);
    this.latencyMs = new Float64Array(rows);
    this.latencyAtMs = new Float64Array(rows);
  }

  begin(row: number): void {
    this.inFlight[row]++;
    this.recent[row]++;
  }

  end(row: number): void {
    this.inFlight[row]--;
  }
}
