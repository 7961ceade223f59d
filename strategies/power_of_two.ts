/**
 * Power of two choices (Mitzenmacher 1996): of two different random ones, the less loaded.
 *
 * Nearly as even as looking at all, at the cost of looking at two; and several threads that see the same numbers do
 * not all run to the same backend, as they would under least_connections. Load is what is in flight per weight; equal
 * loads go by the exchanges begun of late per weight, so that a quiet site is spread in proportion too; if these are
 * equal as well, the first drawn stays, which is random. Draws are in proportion to weight when weights differ.
 */

import type { Members } from "./members.ts";
import type { Draw } from "./random.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

export class PowerOfTwo implements Selector {
  readonly #draw: Draw;
  readonly #weights: Float64Array;
  readonly #rows: Int32Array;
  readonly #inFlight: Int32Array;
  readonly #recent: Float64Array;

  constructor(spec: SelectorSpec, members: Members, draw: Draw) {
    this.#draw = draw;
    this.#weights = members.weights;
    this.#rows = spec.rows;
    this.#inFlight = spec.table.inFlight;
    this.#recent = spec.table.recent;
  }

  pick(input: PickInput): number {
    const pair = this.#draw.pickPair(input);
    if (pair === -1) return -1;
    const first = pair >>> 16;
    const second = pair & 0xffff;
    const firstRow = this.#rows[first];
    const secondRow = this.#rows[second];
    const firstWeight = this.#weights[first];
    const secondWeight = this.#weights[second];
    const excess = this.#inFlight[firstRow] * secondWeight - this.#inFlight[secondRow] * firstWeight;
    if (excess !== 0) return excess > 0 ? second : first;
    return this.#recent[firstRow] * secondWeight > this.#recent[secondRow] * firstWeight ? second : first;
  }
}
