/**
 * Timeouts without a timer per request.
 *
 * Whatever can time out stands in one unordered array and carries its own deadline; one interval walks the array. Adding
 * and removing are O(1) (swap with the last), moving a deadline is one store into a field, and a tick over 10,000
 * exchanges costs a few tens of microseconds. A timer wheel was rejected: it makes moving a deadline, which happens
 * several times an exchange, the expensive operation.
 *
 * Accuracy: a deadline fires between 0 and `TICK_MS` (plus the event loop's delay) after it passed, never before by the
 * clock, which stands still during a turn (lib/base/clock.ts). One that was set by `after()`, which reads no clock, up to
 * two ticks after.
 */

/** Short enough for timeouts of a few hundred ms, long enough to cost nothing. */
export const TICK_MS = 25;

export interface Timed {
  /** On the monotonic clock; `Infinity` for none. Written by its owner at any time. */
  deadlineMs: number;
  /** Where it stands in the array; owned by `Deadlines`, -1 outside. */
  deadlineIndex: number;
  /** The deadline has passed. May remove this entry or move its deadline; called again at the next tick otherwise. */
  onDeadline(nowMs: number): void;
}

export class Deadlines {
  readonly #nowMs: () => number;
  readonly #entries: Timed[] = [];
  #tickedMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#tickedMs = nowMs();
  }

  /** A deadline `ms` from now, from the time of the last tick: setting one several times an exchange costs no clock. */
  after(ms: number): number {
    return this.#tickedMs + TICK_MS + ms;
  }

  /** Somebody has read the clock anyway: `after()` counts from here, also when a busy event loop held up the ticks. */
  observe(nowMs: number): void {
    this.#tickedMs = nowMs;
  }

  /** A time that was read a moment ago, at most a tick: for what needs it no better. */
  get recentMs(): number {
    return this.#tickedMs;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Starts the interval. It does not keep the process alive. */
  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.tick(this.#nowMs()), TICK_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  add(entry: Timed): void {
    entry.deadlineIndex = this.#entries.length;
    this.#entries.push(entry);
  }

  /** Does nothing when the entry is not in. */
  remove(entry: Timed): void {
    const index = entry.deadlineIndex;
    if (index < 0) return;
    const last = this.#entries.pop()!;
    if (last !== entry) {
      this.#entries[index] = last;
      last.deadlineIndex = index;
    }
    entry.deadlineIndex = -1;
  }

  /** Walks backwards, so that an entry which removes itself only moves one that was already seen. */
  tick(nowMs: number): void {
    this.#tickedMs = nowMs;
    for (let index = this.#entries.length - 1; index >= 0; index--) {
      const entry = this.#entries[index];
      if (entry !== undefined && entry.deadlineMs <= nowMs) entry.onDeadline(nowMs);
    }
  }
}
