/**
 * How many requests may be in flight on one connection of a backend, found out from its answers.
 *
 * Answers come in the order of the requests, so one that waits in line shares the fate of those before it. Whether that
 * costs anything depends on the backend: one that answers in 0.2 ms holds nobody up, one that takes 100 ms makes the
 * eighth in line wait for 0.8 s. So depth is earned. It grows by a little with each answer that came about as fast from
 * behind others as answers come on a connection of their own, and is halved when one came late: once for all that were
 * sent before (as TCP finds out what a network carries). Rejected: a fixed depth, which is either no gain or a hazard; and the time between two answers as the
 * measure, which on a busy proxy is the time of a turn of its own event loop.
 *
 * At depth 1 nobody waits in line and nothing is learned. When the backend answers at once anyway, two may share again at
 * once; otherwise it is tried again from time to time, ever more rarely.
 *
 * Pure. Milliseconds on the caller's monotonic clock.
 */

/**
 * Waiting in line may cost so much, beside half of what an answer takes anyway or twice what answers differ by: a busy
 * machine is no slow backend.
 */
const HOLD_MS = 4;
/** What one good answer earns; one late answer costs half of all. At 2 % of late ones the depth stays around 4. */
const STEP = 1 / 16;
/** Weight of a new sample in the average of answers that did not wait in line. */
const WEIGHT = 1 / 16;
const FIRST_PROBE_MS = 250;
/** A probe costs a few requests the time of one answer. */
const PROBE_MS_MAX = 2000;

export class PipelineDepth {
  readonly #max: number;
  #depth = 1;
  /** Average of answers on a connection of their own; -1 before the first one. */
  #aloneMs = -1;
  /** How far they are from it, on average. */
  #spreadMs = 0;
  #lateAtMs = -Infinity;
  #probeAtMs = 0;
  #probeWaitMs = FIRST_PROBE_MS;

  /** @param max Requests on a connection; 2 or more. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Whole, from 1 to the maximum. */
  get depth(): number {
    return Math.floor(this.#depth);
  }

  /** An answer that takes longer than that holds others up: nobody more should stand behind it. */
  get overdueMs(): number {
    return this.#aloneMs + HOLD_MS + Math.max(this.#aloneMs / 2, this.#spreadMs * 2);
  }

  /** @param wasQueued Other requests were before it on its connection. @param tookMs Sent to end of its response. */
  onAnswered(tookMs: number, wasQueued: boolean, nowMs: number): void {
    if (!wasQueued) return this.#onAlone(tookMs, nowMs);
    if (tookMs > this.overdueMs) {
      if (nowMs - tookMs >= this.#lateAtMs) this.onLate(nowMs);
      return;
    }
    this.#probeWaitMs = FIRST_PROBE_MS;
    if (this.#depth < this.#max) this.#depth = Math.min(this.#max, this.#depth + STEP);
  }

  /** Somebody in line waited for too long. */
  onLate(nowMs: number): void {
    this.#lateAtMs = nowMs;
    this.#depth = Math.max(1, this.#depth / 2);
    if (this.#depth >= 2) return;
    this.#probeAtMs = nowMs + this.#probeWaitMs;
    this.#probeWaitMs = Math.min(PROBE_MS_MAX, this.#probeWaitMs * 2);
  }

  #onAlone(tookMs: number, nowMs: number): void {
    if (this.#aloneMs < 0) {
      this.#aloneMs = tookMs;
      this.#spreadMs = tookMs / 2; // as TCP begins
    }
    const difference = tookMs - this.#aloneMs;
    this.#spreadMs += (Math.abs(difference) - this.#spreadMs) * WEIGHT;
    this.#aloneMs += difference * WEIGHT;
    if (this.#depth < 2 && (this.#aloneMs < HOLD_MS || nowMs >= this.#probeAtMs)) this.#depth = 2;
  }
}
