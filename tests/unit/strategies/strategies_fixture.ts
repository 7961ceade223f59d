/** Builds selectors for tests and benches, and stands in for the proxy around them. */

import { createBackendTable } from "../../../lib/base/backend_table.ts";
import { clearBit, maskOf, setBit, wordsFor } from "../../../lib/base/bits.ts";
import { createRandom } from "../../../lib/base/random.ts";
import { createSelector } from "../../../strategies/factory.ts";
import type { PickInput, Selector, SelectorSpec, StrategyName } from "../../../strategies/selector.ts";

export type MutableInput = { -readonly [K in keyof PickInput]: PickInput[K] };

export interface Fixture {
  readonly spec: SelectorSpec;
  readonly selector: Selector;
  readonly input: MutableInput;
  readonly random: () => number;
}

export interface FixtureOptions {
  readonly count?: number;
  readonly weights?: readonly number[];
  /** Indexes. */
  readonly backups?: readonly number[];
  readonly identities?: readonly string[];
  readonly fallback?: StrategyName;
  readonly seed?: number;
}

/** All indexes eligible. Rows run backwards, so that who mixes up row and index is found out. */
export function createFixture(strategy: StrategyName, options: FixtureOptions): Fixture {
  const weights = options.weights ?? Array<number>(options.count ?? 1).fill(1);
  const count = weights.length;
  const random = createRandom(options.seed ?? 1);
  const spec: SelectorSpec = {
    strategy,
    weights,
    backups: weights.map((_, index) => options.backups?.includes(index) ?? false),
    identities: options.identities ?? weights.map((_, index) => `http://10.0.0.${index}:8080`),
    rows: Int32Array.from(weights, (_, index) => count - 1 - index),
    table: createBackendTable(count),
    eligible: maskOf(Array(count).keys(), count),
    random,
    fallback: options.fallback ?? "random",
  };
  const input = { nowMs: 0, keyHash: -1, affinity: -1, tried: new Int32Array(Math.max(1, wordsFor(count))) };
  return { spec, selector: createSelector(spec), input, random };
}

export function setEligible(fixture: Fixture, index: number, isEligible: boolean): void {
  if (isEligible) setBit(fixture.spec.eligible, index);
  else clearBit(fixture.spec.eligible, index);
}

/** An unsigned 32-bit key, evenly spread. */
export function drawKey(random: () => number): number {
  return Math.floor(random() * 0x1_0000_0000);
}

/**
 * Picks `rounds` times as the proxy would: a new key each time, one exchange after the other, each counted in `recent`.
 *
 * @param concurrent How many exchanges are kept in flight; the oldest ends when one more begins.
 * @returns Picks by index.
 */
export function countPicks(fixture: Fixture, rounds: number, concurrent = 0): number[] {
  const { spec, selector, input, random } = fixture;
  const counts = spec.weights.map(() => 0);
  const running: number[] = [];
  for (let round = 0; round < rounds; round++) {
    if (spec.strategy === "hash") input.keyHash = drawKey(random);
    const index = selector.pick(input);
    counts[index]++;
    spec.table.recent[spec.rows[index]]++;
    spec.table.inFlight[spec.rows[index]]++;
    running.push(index);
    if (running.length > concurrent) spec.table.inFlight[spec.rows[running.shift()!]]--;
  }
  return counts;
}
