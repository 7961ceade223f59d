/** Sticky sessions: the backend that the client's cookie names while it can be used, else whoever the fallback says. */

import { hasBit } from "../lib/base/bits.ts";
import type { Members } from "./members.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

export class Sticky implements Selector {
  readonly #eligible: Int32Array;
  readonly #members: Int32Array;
  readonly #count: number;
  readonly #fallback: Selector;

  constructor(spec: SelectorSpec, members: Members, fallback: Selector) {
    this.#eligible = spec.eligible;
    this.#members = members.words;
    this.#count = spec.weights.length;
    this.#fallback = fallback;
  }

  pick(input: PickInput): number {
    const index = input.affinity;
    // A cookie may name a member of the other tier, or one whose weight has become 0.
    if (index >= 0 && index < this.#count && hasBit(this.#members, index)) {
      if (hasBit(this.#eligible, index) && !hasBit(input.tried, index)) return index;
    }
    return this.#fallback.pick(input);
  }
}
