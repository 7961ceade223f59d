/**
 * What choosing costs, each specialised class against the plain way: filter the indexes into an array, loop over it.
 * Also the two kinds of round robin, and the two draws of peak_ewma against a scan of all.
 *
 *     deno bench -A bench/micro/strategies_bench.ts
 *
 * Each iteration is 100 picks, so that the timer does not weigh in: divide by 100.
 */

import type { BackendTable } from "../../lib/base/backend_table.ts";
import { hasBit, lowestBit } from "../../lib/base/bits.ts";
import { decay, LATENCY_DECAY_MS } from "../../lib/base/ewma.ts";
import { selectMembers } from "../../strategies/members.ts";
import { WideRoundRobin } from "../../strategies/round_robin.ts";
import type { PickInput, Selector, SelectorSpec, StrategyName } from "../../strategies/selector.ts";
import { createFixture } from "../../tests/unit/strategies/strategies_fixture.ts";

const PICKS = 100;

/** How one would write it first. */
class Plain implements Selector {
  readonly #spec: SelectorSpec;
  readonly #choose: (available: number[], input: PickInput) => number;

  constructor(spec: SelectorSpec, choose: (available: number[], input: PickInput) => number) {
    this.#spec = spec;
    this.#choose = choose;
  }

  pick(input: PickInput): number {
    const { weights, eligible } = this.#spec;
    const available = [...weights.keys()].filter((index) =>
      weights[index] > 0 && hasBit(eligible, index) && !hasBit(input.tried, index)
    );
    return available.length === 0 ? -1 : this.#choose(available, input);
  }
}

function plainFor(strategy: StrategyName, spec: SelectorSpec): Selector {
  const { weights, rows, table, random } = spec;
  let turn = 0;
  const credits = weights.map(() => 0);
  const draw = (available: number[]): number => {
    let left = random() * available.reduce((sum, index) => sum + weights[index], 0);
    return available.find((index) => (left -= weights[index]) < 0) ?? available[0];
  };
  const load = (index: number): number => (table.inFlight[rows[index]] + 1) / weights[index];
  const best = (available: number[], score: (index: number) => number): number =>
    available.reduce((least, index) => score(index) < score(least) ? index : least);
  switch (strategy) {
    case "weighted_round_robin":
      return new Plain(spec, (available) => {
        for (const index of available) credits[index] += weights[index];
        const richest = best(available, (index) => -credits[index]);
        credits[richest] -= available.reduce((sum, index) => sum + weights[index], 0);
        return richest;
      });
    case "random":
      return new Plain(spec, draw);
    case "least_connections":
      return new Plain(spec, (available) => best(available, load));
    case "power_of_two":
      return new Plain(spec, (available) => best([draw(available), draw(available)], load));
    case "peak_ewma": // by a scan of all
      return new Plain(
        spec,
        (available, { nowMs }) =>
          best(
            available,
            (index) => fadedLatency(table, rows[index], nowMs) * load(index),
          ),
      );
    case "hash": // not even consistent
      return new Plain(spec, (available, { keyHash }) => available[keyHash % available.length]);
    case "sticky":
      return new Plain(spec, (available, { affinity }) => available.includes(affinity) ? affinity : draw(available));
    case "round_robin":
      return new Plain(spec, (available) => available[turn++ % available.length]);
  }
}

function fadedLatency(table: BackendTable, row: number, nowMs: number): number {
  return decay(table.latencyMs[row], nowMs - table.latencyAtMs[row], LATENCY_DECAY_MS);
}

/** What `PeakEwma` would be with a scan of all, as carefully written as the rest. */
class ScanEwma implements Selector {
  readonly #spec: SelectorSpec;
  readonly #weights: Float64Array;

  constructor(spec: SelectorSpec) {
    this.#spec = spec;
    this.#weights = Float64Array.from(spec.weights);
  }

  pick(input: PickInput): number {
    const { eligible, rows, table } = this.#spec;
    let best = -1;
    let least = Infinity;
    for (let w = 0; w < eligible.length; w++) {
      for (let rest = eligible[w] & ~input.tried[w]; rest !== 0; rest &= rest - 1) {
        const index = (w << 5) | lowestBit(rest);
        const row = rows[index];
        const latencyMs = fadedLatency(table, row, input.nowMs);
        const score = latencyMs * (table.inFlight[row] + 1) / this.#weights[index];
        if (score < least) {
          least = score;
          best = index;
        }
      }
    }
    return best;
  }
}

function add(name: string, group: string, selector: Selector, input: PickInput, isBaseline: boolean): void {
  Deno.bench(name, { group, baseline: isBaseline }, () => {
    for (let i = 0; i < PICKS; i++) selector.pick(input);
  });
}

function addGroup(strategy: StrategyName, name: string, weights: number[]): void {
  const { spec, selector, input } = createFixture(strategy, { weights });
  for (const row of weights.keys()) {
    spec.table.inFlight[row] = row * 7 % 5;
    spec.table.latencyMs[row] = 5 + row * 3 % 7;
  }
  input.nowMs = 5000;
  input.keyHash = 0xdeadbeef;
  input.affinity = weights.length - 1;
  const group = `${strategy}, ${name}`;
  add("plain", group, plainFor(strategy, spec), input, true);
  add("made by the factory", group, selector, input, false);
  if (strategy === "peak_ewma") add("scan of all", group, new ScanEwma(spec), input, false);
  if (strategy === "round_robin" && weights.length <= 32) {
    add("wide", group, new WideRoundRobin(spec, selectMembers(spec, false)), input, false);
  }
}

addGroup("round_robin", "1", [1]);
for (
  const strategy of [
    "round_robin",
    "random",
    "least_connections",
    "power_of_two",
    "peak_ewma",
    "hash",
    "sticky",
  ] as const
) {
  for (const count of [10, 100]) addGroup(strategy, `${count} equal`, Array(count).fill(1));
}
for (const strategy of ["weighted_round_robin", "random", "least_connections", "power_of_two", "peak_ewma"] as const) {
  for (const count of [10, 100]) {
    addGroup(strategy, `${count} different`, Array.from({ length: count }, (_, index) => 1 + index % 4));
  }
}
