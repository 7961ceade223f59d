/**
 * The contract of every strategy.
 *
 * A selector belongs to one upstream of one plan. It speaks in *indexes*: 0 to n-1, the order of the backends in the
 * configuration. It reads which indexes are eligible from a bit mask that the health side writes, and numbers per
 * backend from the table through `rows[index]`. It owns only the state of its own algorithm (a turn, credits, a
 * look-up table), all of it allocated in the constructor: `pick()` allocates nothing.
 *
 * Masks are words of 32 bits: index p is bit `p & 31` of word `p >>> 5`.
 */

import type { BackendTable } from "../lib/base/backend_table.ts";

/** What a request brings to the choice. Read during `pick()` only; never retained. */
export interface PickInput {
  /** The monotonic clock, ms. */
  readonly nowMs: number;
  /** Unsigned 32-bit hash of what `[hash] key` names; -1 when the request does not have it. */
  readonly keyHash: number;
  /** Index that a valid sticky cookie names; -1 when there is none. */
  readonly affinity: number;
  /** Indexes that this exchange has tried already, as mask words; as long as the eligibility mask. */
  readonly tried: Int32Array;
}

export interface Selector {
  /** @returns The index to use, or -1 when no member is eligible and untried. */
  pick(input: PickInput): number;
}

/** Everything a selector is made from. Arrays are shared with their owners, not copied, unless said otherwise. */
export interface SelectorSpec {
  readonly strategy: StrategyName;
  /** One per index, 0 to 65535. A weight of 0 takes no traffic. Copied. */
  readonly weights: readonly number[];
  /** One per index: used only when no other index is eligible. Copied. */
  readonly backups: readonly boolean[];
  /** One per index: stable identity (never an address that a client may see), for hashing. Copied. */
  readonly identities: readonly string[];
  /** Row of each index in `table`. */
  readonly rows: Int32Array;
  readonly table: BackendTable;
  /** Eligible indexes; written by the health side at any time. */
  readonly eligible: Int32Array;
  /** Uniform in [0, 1). Read when the selector is made, to seed its own generator; not retained. */
  readonly random: () => number;
  /** `hash`: who chooses when the key is absent. `sticky`: who chooses without a valid cookie. */
  readonly fallback: StrategyName;
}

export const STRATEGY_NAMES = [
  "round_robin",
  "weighted_round_robin",
  "random",
  "least_connections",
  "power_of_two",
  "peak_ewma",
  "hash",
  "sticky",
] as const;

export type StrategyName = typeof STRATEGY_NAMES[number];
