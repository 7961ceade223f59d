/**
 * Random among the available, each as likely as the others, and the two different draws that `power_of_two` and
 * `peak_ewma` choose between.
 *
 * Both count the bits of the mask, draw a rank, and take the bit of that rank: one random number a draw, no rejection,
 * and no bias however many are out.
 */

import { clearBit, countBits, nthBit, nthMember, popcount } from "../lib/base/bits.ts";
import { RandomSource } from "../lib/base/random.ts";
import { copyAvailable, type Members } from "./members.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

/** Draws from the available members, one (`pick`) or two. */
export interface Draw extends Selector {
  /**
   * Two different positions in the order drawn, `first << 16 | second`, so that nothing is allocated.
   *
   * @returns The same position twice when it is the only one; -1 when there is none.
   */
  pickPair(input: PickInput): number;
}

/** Up to 32 positions, equal weights. */
export class NarrowRandom implements Draw {
  readonly #eligible: Int32Array;
  readonly #members: number;
  readonly #random: RandomSource;

  constructor(spec: SelectorSpec, members: Members) {
    this.#eligible = spec.eligible;
    this.#members = members.words[0];
    this.#random = createSource(spec);
  }

  pick(input: PickInput): number {
    const available = this.#eligible[0] & this.#members & ~input.tried[0];
    if (available === 0) return -1;
    return nthBit(available, this.#random.below(popcount(available)));
  }

  pickPair(input: PickInput): number {
    const available = this.#eligible[0] & this.#members & ~input.tried[0];
    if (available === 0) return -1;
    const count = popcount(available);
    const first = nthBit(available, this.#random.below(count));
    if (count === 1) return (first << 16) | first;
    return (first << 16) | nthBit(available & ~(1 << first), this.#random.below(count - 1));
  }
}

/** Any number of positions, equal weights. */
export class WideRandom implements Draw {
  readonly #eligible: Int32Array;
  readonly #members: Int32Array;
  readonly #available: Int32Array;
  readonly #random: RandomSource;

  constructor(spec: SelectorSpec, members: Members) {
    this.#eligible = spec.eligible;
    this.#members = members.words;
    this.#available = new Int32Array(members.words.length);
    this.#random = createSource(spec);
  }

  pick(input: PickInput): number {
    copyAvailable(this.#available, this.#eligible, this.#members, input.tried);
    const count = countBits(this.#available);
    if (count === 0) return -1;
    return nthMember(this.#available, this.#random.below(count));
  }

  pickPair(input: PickInput): number {
    copyAvailable(this.#available, this.#eligible, this.#members, input.tried);
    const count = countBits(this.#available);
    if (count === 0) return -1;
    const first = nthMember(this.#available, this.#random.below(count));
    if (count === 1) return (first << 16) | first;
    clearBit(this.#available, first);
    return (first << 16) | nthMember(this.#available, this.#random.below(count - 1));
  }
}

/** A generator of its own for each selector, seeded from the caller's: see `RandomSource` for why not the caller's. */
export function createSource(spec: SelectorSpec): RandomSource {
  return new RandomSource(spec.random() * 0x1_0000_0000);
}
