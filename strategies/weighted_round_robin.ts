/**
 * Smooth weighted round robin (nginx, 2012). Weights 5:1:1 give a a b a c a a, not a a a a a b c.
 *
 * At each pick every available member earns its weight in credit; the richest is picked (the first of equals) and pays
 * what all available ones earned together. Credits so sum up to 0 for ever.
 *
 * One that is not available neither earns nor pays: its credit stays frozen. It saves up no turns while it is away, and
 * returns at the point of its cycle where it left. Setting the credit to 0 instead was rejected: a backend that flaps
 * would leave rich and return level each time, and the growing debt of the others would end in a burst. With frozen
 * credits nobody gets further than one total weight from what is due to it, in whatever order backends come and go
 * (the tests try many), so a return is worth at most one turn more than the share.
 *
 * Costs O(members) a pick. Members of equal weight are round robin's business: the factory sees to it.
 */

import { lowestBit } from "../lib/base/bits.ts";
import type { Members } from "./members.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

export class SmoothWeighted implements Selector {
  readonly #eligible: Int32Array;
  readonly #members: Int32Array;
  readonly #weights: Float64Array;
  readonly #credits: Int32Array; // below the total weight, 8192 × 65535 at most

  constructor(spec: SelectorSpec, members: Members) {
    this.#eligible = spec.eligible;
    this.#members = members.words;
    this.#weights = members.weights;
    this.#credits = new Int32Array(members.weights.length);
  }

  pick(input: PickInput): number {
    const weights = this.#weights;
    const credits = this.#credits;
    let richest = -1;
    let highest = -Infinity;
    let earned = 0;
    for (let w = 0; w < this.#members.length; w++) {
      let available = this.#eligible[w] & this.#members[w] & ~input.tried[w];
      while (available !== 0) {
        const index = (w << 5) | lowestBit(available);
        available &= available - 1;
        const credit = credits[index] + weights[index];
        credits[index] = credit;
        earned += weights[index];
        if (credit > highest) {
          highest = credit;
          richest = index;
        }
      }
    }
    if (richest !== -1) credits[richest] = highest - earned;
    return richest;
  }
}
