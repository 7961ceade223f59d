/**
 * Which region of the shared state a worker thread may have.
 *
 * A thread that was ended goes on to the end of its turn, and writes to its region meanwhile; one that is stuck in a
 * loop never ends (Deno does not stop it: measured, 12 s). So a region rests before somebody else has it, and that of a
 * thread which was silent is not used again.
 */

/** Far longer than a turn of a thread that was not silent. */
const REST_MS = 3000;
const TAKEN = -1;
const NEVER = Infinity;

export class SharedRegions {
  /** By region: since when it may be had; `TAKEN`. */
  readonly #freeAtMs: number[];

  constructor(count: number) {
    this.#freeAtMs = new Array(count).fill(0);
  }

  /** @returns -1 when none is to be had now. */
  take(nowMs: number): number {
    const region = this.#freeAtMs.findIndex((freeAtMs) => freeAtMs !== TAKEN && freeAtMs <= nowMs);
    if (region >= 0) this.#freeAtMs[region] = TAKEN;
    return region;
  }

  /** @param isStuck The thread may never end. */
  leave(region: number, nowMs: number, isStuck: boolean): void {
    this.#freeAtMs[region] = isStuck ? NEVER : nowMs + REST_MS;
  }

  /** Where a thread that was ended may still write. */
  resting(nowMs: number): number[] {
    return [...this.#freeAtMs.keys()].filter((region) => this.#freeAtMs[region] > nowMs);
  }
}
