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
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;

  function next(): number {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  }

  for (let round = 0; round < WARM_UP_ROUNDS; round++) next();
  return next;
}
