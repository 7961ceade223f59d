/**
 * A small seeded generator (sfc32, by Chris Doty-Humphrey; 128 bits of state, passes PractRand).
 *
 * `Math.random()` cannot be seeded, so a failed test could not be repeated. Not for secrets.
 */

/** Rounds that sfc32's author lets pass before the first output, so that similar seeds part. */
const WARM_UP_ROUNDS = 12;

/**
 * @param seed Any number; its low 32 bits count. The same seed gives the same sequence.
 * @returns A generator of numbers in [0, 1), in steps of 2⁻³².
 */
export function createRandom(seed: number): () => number {
  const source = new RandomSource(seed);
  return () => (source.bits() >>> 0) / 0x1_0000_0000;
}

/**
 * The same for the request path. Whole numbers that fit into 32 bits are never boxed, while V8 puts the fraction that
 * a function returns on the heap (16 bytes a call) wherever it does not inline the call.
 */
export class RandomSource {
  readonly #state: Int32Array;

  /** @param seed Any number; its low 32 bits count. */
  constructor(seed: number) {
    this.#state = Int32Array.of(0x9e3779b9, 0x243f6a88, seed, 1);
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.bits();
  }

  /** @returns 32 uniform bits, as a signed number. */
  bits(): number {
    const state = this.#state;
    const b = state[1];
    const c = state[2];
    const sum = (state[0] + b + state[3]) | 0;
    state[3]++;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    return sum;
  }

  /**
   * @param limit 1 to 2³¹ - 1.
   * @returns A whole number from 0 to `limit - 1`; uneven by at most `limit` parts in 2³².
   */
  below(limit: number): number {
    return ((this.bits() >>> 0) * limit / 0x1_0000_0000) | 0;
  }
}
