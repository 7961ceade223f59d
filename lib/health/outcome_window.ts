/**
 * Requests and failures of the last `windowMs`, in O(1) a report and without allocation.
 *
 * A ring of buckets, each a tenth of the window, with running totals. Rejected: a list of time stamps (memory grows
 * with traffic) and a decaying average (a minimum number of requests has no meaning in it). The price is grain: the
 * window reaches back between 9 and 10 tenths of its length.
 *
 * Times are of the caller's monotonic clock. One that steps back is taken as standing still.
 */

/** Tenths: fine enough that one bucket leaving does not swing a rate, coarse enough to clear in one go. */
const BUCKETS = 10;

export class OutcomeWindow {
  readonly #bucketMs: number;
  readonly #requests: Int32Array;
  readonly #failures: Int32Array;
  /** Ordinal of the newest bucket since the clock's zero. */
  #newest: number;
  #requestTotal: number;
  #failureTotal: number;

  /** @param windowMs Above 0. */
  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
    this.#requests = new Int32Array(BUCKETS);
    this.#failures = new Int32Array(BUCKETS);
    this.#newest = 0;
    this.#requestTotal = 0;
    this.#failureTotal = 0;
  }

  /** As of the last report; `advance` first for the present. */
  get requests(): number {
    return this.#requestTotal;
  }

  /** Part of `requests`. */
  get failures(): number {
    return this.#failureTotal;
  }

  recordSuccess(nowMs: number, count: number = 1): void {
    this.advance(nowMs);
    this.#requests[this.#newest % BUCKETS] += count;
    this.#requestTotal += count;
  }

  recordFailure(nowMs: number): void {
    this.advance(nowMs);
    const index = this.#newest % BUCKETS;
    this.#requests[index]++;
    this.#failures[index]++;
    this.#requestTotal++;
    this.#failureTotal++;
  }

  /** Drops what has left the window. */
  advance(nowMs: number): void {
    const newest = Math.floor(nowMs / this.#bucketMs);
    if (newest <= this.#newest) return;
    if (newest - this.#newest >= BUCKETS) {
      this.reset();
      this.#newest = newest;
      return;
    }
    while (this.#newest < newest) {
      this.#newest++;
      const index = this.#newest % BUCKETS;
      this.#requestTotal -= this.#requests[index];
      this.#failureTotal -= this.#failures[index];
      this.#requests[index] = 0;
      this.#failures[index] = 0;
    }
  }

  reset(): void {
    this.#requests.fill(0);
    this.#failures.fill(0);
    this.#requestTotal = 0;
    this.#failureTotal = 0;
  }
}
