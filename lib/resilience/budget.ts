/**
 * Keeps retries from multiplying an outage: they may be no more than a share of the requests of the last seconds.
 *
 * A ring of ten buckets in typed arrays with running totals; O(1), nothing allocated. A fixed floor lets a quiet
 * upstream, for which any share rounds to nothing, retry all the same. Rejected: a token bucket (it saves up credit in
 * good hours and spends it all in the first bad second).
 *
 * Held to: a retry granted at t makes at most max(`floor`, `share` × requests) in the window that ends at t. The
 * window reaches back between 9 and 10 tenths of `windowMs`. A clock that steps back is taken as standing still.
 */

const BUCKETS = 10;
/** Long enough to smooth bursts, short enough that the traffic from before an outage stops paying for retries. */
const WINDOW_MS = 10_000;
/**
 * Retries that any upstream may make in a window: twice the failures that open a circuit by default. So a quiet one, of
 * which one backend has died, answers everybody until the circuit is open, and while trials fail then.
 */
const FLOOR = 10;

export interface RetryBudgetOptions {
  readonly windowMs?: number;
  readonly floor?: number;
}

export class RetryBudget {
  readonly #share: number;
  readonly #floor: number;
  readonly #bucketMs: number;
  readonly #requests: Int32Array;
  readonly #retries: Int32Array;
  /** Ordinal of the newest bucket since the clock's zero. */
  #newest: number;
  #requestTotal: number;
  #retryTotal: number;

  /** @param share 0 to 1; 0 grants no retry at all, whatever the floor. */
  constructor(share: number, options: RetryBudgetOptions = {}) {
    this.#share = share;
    this.#floor = share === 0 ? 0 : options.floor ?? FLOOR;
    this.#bucketMs = (options.windowMs ?? WINDOW_MS) / BUCKETS;
    this.#requests = new Int32Array(BUCKETS);
    this.#retries = new Int32Array(BUCKETS);
    this.#newest = 0;
    this.#requestTotal = 0;
    this.#retryTotal = 0;
  }

  /** One per exchange, not per attempt. */
  onRequest(nowMs: number): void {
    this.#advance(nowMs);
    this.#requests[this.#newest % BUCKETS]++;
    this.#requestTotal++;
  }

  /** Whether `tryTake` would grant one. */
  hasRoom(nowMs: number): boolean {
    this.#advance(nowMs);
    const next = this.#retryTotal + 1;
    return next <= this.#floor || next <= this.#share * this.#requestTotal;
  }

  /** Grants and counts one retry. */
  tryTake(nowMs: number): boolean {
    if (!this.hasRoom(nowMs)) return false;
    this.#retries[this.#newest % BUCKETS]++;
    this.#retryTotal++;
    return true;
  }

  #advance(nowMs: number): void {
    const newest = Math.floor(nowMs / this.#bucketMs);
    if (newest <= this.#newest) return;
    if (newest - this.#newest >= BUCKETS) this.#clear(newest);
    while (this.#newest < newest) {
      this.#newest++;
      const index = this.#newest % BUCKETS;
      this.#requestTotal -= this.#requests[index];
      this.#retryTotal -= this.#retries[index];
      this.#requests[index] = 0;
      this.#retries[index] = 0;
    }
  }

  #clear(newest: number): void {
    this.#requests.fill(0);
    this.#retries.fill(0);
    this.#requestTotal = 0;
    this.#retryTotal = 0;
    this.#newest = newest;
  }
}
