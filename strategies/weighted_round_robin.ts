/**
 * Smooth weighted round robin (nginx, 2012). Weights 5:1:1 give a a b a c a a, not a a a a a b c.
 *
 * At each pick every available member earns its weight in credit; the richest is picked (the first of equals) and pays
 * what all available ones earned together. Credits so sum up to 0 for ever.
 *
 * One that is not available neither earns nor pays: its credit stays frozen. It does not save up turns while it is
 * away, and returns at the point of its cycle where it left. Setting the credit to 0 instead was rejected: a backend
 * that flaps would leave rich and return level, and the debt of the others would grow with each flap, until its return
 * sets off a burst. For the same reason flapping in the worst order can drive frozen credits beyond what a steady set
 * ever reaches (plus or minus the total weight). So the one who is picked has its credit cut to that range: nobody is
 * ever deeper in debt than one total, and nobody who returns gets more than a few picks beyond its share at once. With
 * a steady set the cut does nothing.
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
  readonly #credits: Float64Array; // whole numbers; doubles because 8192 × 65535 × 2 comes near 2³¹
  readonly #total: number;

  constructor(spec: SelectorSpec, members: Members) {
    this.#eligible = spec.eligible;
    this.#members = members.words;
    this.#weights = members.weights;
    this.#credits = new Float64Array(members.weights.length);
    this.#total = members.weights.reduce((sum, weight) => sum + weight, 0);
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
        const position = (w << 5) | lowestBit(available);
        available &= available - 1;
        const credit = credits[position] + weights[position];
        credits[position] = credit;
        earned += weights[position];
        if (credit > highest) {
          highest = credit;
          richest = position;
        }
      }
    }
    if (richest !== -1) {
      const paid = (highest < this.#total ? highest : this.#total) - earned;
      credits[richest] = paid > -this.#total ? paid : -this.#total;
    }
    return richest;
  }
}
