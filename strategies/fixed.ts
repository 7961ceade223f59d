/**
 * Selectors that have nothing to choose: no member, or one. Every strategy comes to these. A pick
 * from one takes 4 ns here and 8 in the general round robin (`bench/micro/strategies_bench.ts`).
 */

import type { Members } from "./members.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

/** All weights are 0. */
export class NoMember implements Selector {
  pick(_input: PickInput): number {
    return -1;
  }
}

export class OneMember implements Selector {
  readonly #eligible: Int32Array;
  readonly #index: number;
  readonly #word: number;
  readonly #bit: number;

  constructor(spec: SelectorSpec, members: Members) {
    this.#eligible = spec.eligible;
    this.#index = members.indexes[0];
    this.#word = this.#index >>> 5;
    this.#bit = 1 << (this.#index & 31);
  }

  pick(input: PickInput): number {
    return (this.#eligible[this.#word] & ~input.tried[this.#word] & this.#bit) !== 0 ? this.#index : -1;
  }
}
