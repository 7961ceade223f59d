/**
 * Random among the available, each as likely as the others, and the two different draws that `power_of_two` and
 * `peak_ewma` choose between.
 *
 * Draws one of all members and throws the draw away when it is not available: what remains is even among the available.
 * After `DRAWS_MAX` misses the set bits are counted and the one of a drawn rank is taken, which is even too, so the
 * bound costs no bias. Counting first, every time, was rejected: it took 41 ns a pick with 10 backends and 56 with 100,
 * against 18 and 19 this way (`bench/micro/strategies_bench.ts`), and a class of its own for one mask word saved nothing.
 */

import { clearBit, countBits, nthMember } from "../lib/base/bits.ts";
import { RandomSource } from "../lib/base/random.ts";
import { copyAvailable, type Members } from "./members.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

/** With half of the members available, 15 draws of 16 need no count. */
export const DRAWS_MAX = 4;

/** Draws from the available members, one (`pick`) or two. */
export interface Draw extends Selector {
  /**
   * Two different indexes in the order drawn, `first << 16 | second`, so that nothing is allocated.
   *
   * @returns The same index twice when it is the only one; -1 when there is none.
   */
  pickPair(input: PickInput): number;
}

/** A generator of its own for each selector, seeded from the caller's: see `RandomSource` for why not the caller's. */
export function createSource(spec: SelectorSpec): RandomSource {
  return new RandomSource(spec.random() * 0x1_0000_0000);
}

/** Equal weights. */
export class UniformRandom implements Draw {
  readonly #eligible: Int32Array;
  readonly #members: Int32Array;
  readonly #indexes: Int32Array;
  readonly #available: Int32Array;
  readonly #random: RandomSource;

  constructor(spec: SelectorSpec, members: Members) {
    this.#eligible = spec.eligible;
    this.#members = members.words;
    this.#indexes = Int32Array.from(members.indexes);
    this.#available = new Int32Array(members.words.length);
    this.#random = createSource(spec);
  }

  pick(input: PickInput): number {
    return this.#draw(input, -1);
  }

  pickPair(input: PickInput): number {
    const first = this.#draw(input, -1);
    if (first === -1) return -1;
    const second = this.#draw(input, first);
    return (first << 16) | (second === -1 ? first : second);
  }

  /** @param except An index that must not be drawn again; -1 for none. */
  #draw(input: PickInput, except: number): number {
    for (let attempt = 0; attempt < DRAWS_MAX; attempt++) {
      const index = this.#indexes[this.#random.below(this.#indexes.length)];
      const w = index >>> 5;
      const isAvailable = (this.#eligible[w] & ~input.tried[w] & (1 << (index & 31))) !== 0;
      if (isAvailable && index !== except) return index;
    }
    return this.#drawRank(input, except);
  }

  #drawRank(input: PickInput, except: number): number {
    copyAvailable(this.#available, this.#eligible, this.#members, input.tried);
    if (except !== -1) clearBit(this.#available, except);
    const count = countBits(this.#available);
    return count === 0 ? -1 : nthMember(this.#available, this.#random.below(count));
  }
}
