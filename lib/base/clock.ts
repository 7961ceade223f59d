/** The two clocks, in one place. Monotonic for everything that is measured, epoch only for what a person reads. */

export interface Clock {
  /** Monotonic, ms, fractional. */
  nowMs(): number;
  /** Since 1970, ms. */
  epochMs(): number;
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
};
