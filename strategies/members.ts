/**
 * Who takes part in one selector: the indexes of one tier, whose weight is not 0, in the forms that strategies need.
 */

import { maskOf } from "../lib/base/bits.ts";
import type { SelectorSpec } from "./selector.ts";

export interface Members {
  /** Ascending. */
  readonly indexes: readonly number[];
  /** The same as mask words, as many as the eligibility mask has. */
  readonly words: Int32Array;
  /** By index, not by member: 1 to 65535 for members, 0 for all others. */
  readonly weights: Float64Array;
  /** Whether all members weigh the same, so that weights decide nothing. */
  readonly isUniform: boolean;
}

/** Members of one tier: the ordinary ones, or the backups. */
export function selectMembers(spec: SelectorSpec, isBackup: boolean): Members {
  const indexes: number[] = [];
  const weights = new Float64Array(spec.weights.length);
  for (let index = 0; index < spec.weights.length; index++) {
    const weight = spec.weights[index];
    if (weight === 0 || spec.backups[index] !== isBackup) continue;
    indexes.push(index);
    weights[index] = weight;
  }
  return {
    indexes,
    words: maskOf(indexes, spec.eligible.length * 32),
    weights,
    isUniform: indexes.every((index) => weights[index] === weights[indexes[0]]),
  };
}

/**
 * Copies what can be picked now: eligible, a member, untried.
 *
 * A copy because other threads may write the eligibility mask: who counts and then chooses must do both on one state.
 *
 * @param into As long as the other masks.
 */
export function copyAvailable(into: Int32Array, eligible: Int32Array, members: Int32Array, tried: Int32Array): void {
  for (let w = 0; w < into.length; w++) into[w] = eligible[w] & members[w] & ~tried[w];
}
