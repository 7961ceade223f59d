/**
 * How long to wait before a retry: exponential, capped, with jitter so that clients of one failure do not return as one.
 *
 * With `jitter` 1 ("full jitter") the delay is uniform in [0, ceiling); with j in [(1 - j) × ceiling, ceiling). One class
 * per shape of multiplier, chosen at load: 2 is a shift, 1.5 a look-up, anything else `Math.pow`. Both take
 * about 10 ns a call where `Math.pow` takes about 25 (bench/micro/resilience_bench.ts): it shows in no request, but the
 * classes are as short as a test per call would be.
 */

export interface BackoffSettings {
  /** Ceiling of the first retry. */
  readonly initialMs: number;
  /** 1 or more. */
  readonly multiplier: number;
  readonly maxMs: number;
  /** 0 to 1: the part of the ceiling that is left to chance. */
  readonly jitter: number;
}

export interface Backoff {
  /**
   * @param attempt 1 for the first retry.
   * @param random Uniform in [0, 1).
   * @returns 0 to `maxMs`.
   */
  delayMs(attempt: number, random: number): number;
}

export function createBackoff(settings: BackoffSettings): Backoff {
  // A shift needs whole numbers below 2^31; a look-up a start that grows.
  if (settings.multiplier === 2 && isShiftable(settings)) return new DoublingBackoff(settings);
  if (settings.multiplier === 1.5 && settings.initialMs >= 1) return new HalfAgainBackoff(settings);
  return new PowerBackoff(settings);
}

export class DoublingBackoff implements Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #fixed: number;
  readonly #jitter: number;
  /** Doublings that surely reach the cap. */
  readonly #shiftMax: number;

  constructor(settings: BackoffSettings) {
    this.#initialMs = settings.initialMs;
    this.#maxMs = settings.maxMs;
    this.#fixed = 1 - settings.jitter;
    this.#jitter = settings.jitter;
    this.#shiftMax = Math.max(0, Math.floor(Math.log2(settings.maxMs / settings.initialMs)));
  }

  delayMs(attempt: number, random: number): number {
    const shift = attempt - 1;
    const ceilingMs = shift > this.#shiftMax ? this.#maxMs : Math.min(this.#maxMs, this.#initialMs << shift);
    return ceilingMs * (this.#fixed + this.#jitter * random);
  }
}

/** Multiplier 1.5: ceilings up to the cap, at most 53 for any two whole numbers of milliseconds below 2^31. */
export class HalfAgainBackoff implements Backoff {
  readonly #ceilingsMs: Float64Array;
  readonly #fixed: number;
  readonly #jitter: number;

  constructor(settings: BackoffSettings) {
    const ceilingsMs = [];
    for (let ms = settings.initialMs; ms < settings.maxMs; ms *= 1.5) ceilingsMs.push(ms);
    ceilingsMs.push(settings.maxMs);
    this.#ceilingsMs = Float64Array.from(ceilingsMs);
    this.#fixed = 1 - settings.jitter;
    this.#jitter = settings.jitter;
  }

  delayMs(attempt: number, random: number): number {
    const last = this.#ceilingsMs.length - 1;
    const ceilingMs = this.#ceilingsMs[attempt > last ? last : attempt - 1];
    return ceilingMs * (this.#fixed + this.#jitter * random);
  }
}

export class PowerBackoff implements Backoff {
  readonly #initialMs: number;
  readonly #multiplier: number;
  readonly #maxMs: number;
  readonly #fixed: number;
  readonly #jitter: number;

  constructor(settings: BackoffSettings) {
    this.#initialMs = settings.initialMs;
    // Nothing times infinity is no number.
    this.#multiplier = settings.initialMs === 0 ? 1 : settings.multiplier;
    this.#maxMs = settings.maxMs;
    this.#fixed = 1 - settings.jitter;
    this.#jitter = settings.jitter;
  }

  delayMs(attempt: number, random: number): number {
    const ceilingMs = Math.min(this.#maxMs, this.#initialMs * Math.pow(this.#multiplier, attempt - 1));
    return ceilingMs * (this.#fixed + this.#jitter * random);
  }
}

function isShiftable({ initialMs, maxMs }: BackoffSettings): boolean {
  return Number.isInteger(initialMs) && initialMs >= 1 && maxMs < 2 ** 30 && initialMs <= maxMs;
}
