/**
 * Seeded randomness. The seed is printed, and `SLUICE_TEST_SEED` sets it again, so that a failure can be replayed.
 * The generator is mulberry32: small, good enough to choose inputs with, never for secrets.
 */

export class SeededRandom {
  /** Unsigned 32-bit. */
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** Uniform in [0, 1). Bound to its object: may be handed out as `() => number`. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError("Cannot pick from an empty list");
    return choices[this.integer(0, choices.length - 1)];
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.integer(0, 255));
  }

  /** Cuts `bytes` into up to `piecesMax` pieces that are not empty and, put together, are `bytes` again. */
  split(bytes: Uint8Array<ArrayBuffer>, piecesMax: number): Uint8Array<ArrayBuffer>[] {
    if (bytes.length === 0) return [];
    const cuts = new Set<number>([0]);
    for (let cut = 1; cut < piecesMax; cut++) cuts.add(this.integer(0, bytes.length - 1));
    const starts = [...cuts].sort((a, b) => a - b);
    return starts.map((start, index) => bytes.slice(start, starts[index + 1] ?? bytes.length));
  }
}

/** A generator for the test called `label`: from `SLUICE_TEST_SEED` when that is set, else a fresh, printed seed. */
export function seededRandom(label: string): SeededRandom {
  const given = Deno.env.get("SLUICE_TEST_SEED");
  const seed = given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(given);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Cannot use SLUICE_TEST_SEED: must be a whole number from 0, got "${given}"`);
  }
  console.log(`${label}: SLUICE_TEST_SEED=${seed >>> 0}`);
  return new SeededRandom(seed);
}
