/** Who gets how much, strategy by strategy. Seeds are fixed, so a result never changes by itself. */

import { assert, assertEquals } from "@std/assert";
import { hasBit, setBit } from "../../../lib/base/bits.ts";
import type { StrategyName } from "../../../strategies/selector.ts";
import { countPicks, createFixture, drawKey, type Fixture, setEligible } from "./strategies_fixture.ts";

function pickText(fixture: Fixture, rounds: number): string {
  return Array.from({ length: rounds }, () => "abcdefghij"[fixture.selector.pick(fixture.input)] ?? "-").join("");
}

/** Pearson's statistic of counts against shares. */
function chiSquare(counts: readonly number[], weights: readonly number[]): number {
  const rounds = counts.reduce((sum, count) => sum + count);
  const total = weights.reduce((sum, weight) => sum + weight);
  return counts.reduce((sum, count, index) => {
    const expected = rounds * weights[index] / total;
    return expected === 0 ? sum + (count === 0 ? 0 : Infinity) : sum + (count - expected) ** 2 / expected;
  }, 0);
}

/** The value that chi-square exceeds once in a thousand runs (Wilson and Hilferty's approximation). */
function chiSquareLimit(degrees: number): number {
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + 3.09 * Math.sqrt(spread)) ** 3;
}

for (
  const { name, count, out, expected } of [
    { name: "takes turns in order", count: 3, out: [], expected: "abcabcabc" },
    { name: "gives the successor of one that is out no more than its turn", count: 4, out: [1], expected: "acdacdacd" },
    { name: "takes turns between the last two", count: 10, out: [0, 1, 2, 4, 5, 6, 7, 8], expected: "djdjdjdjd" },
  ]
) {
  Deno.test(`NarrowRoundRobin.pick() ${name}`, () => {
    const fixture = createFixture("round_robin", { count });
    for (const index of out) setEligible(fixture, index, false);
    assertEquals(pickText(fixture, expected.length), expected);
  });
}

for (const count of [32, 33, 64, 65, 100]) {
  Deno.test(`RoundRobin.pick() goes round through the sign bit and over word ends (${count} members)`, () => {
    const fixture = createFixture("round_robin", { count });
    const out = [0, 30, 32, 63].filter((index) => index < count);
    for (const index of out) setEligible(fixture, index, false);
    const turn = [...Array(count).keys()].filter((index) => !out.includes(index));
    const picked = Array.from({ length: 2 * turn.length }, () => fixture.selector.pick(fixture.input));
    assertEquals(picked, [...turn, ...turn]);
  });
}

Deno.test("SmoothWeighted.pick() spreads 5:1:1 as a a b a c a a", () => {
  assertEquals(pickText(createFixture("weighted_round_robin", { weights: [5, 1, 1] }), 14), "aabacaaaabacaa");
});

for (const weights of [[5, 1, 1], [1, 2, 3, 4], [100, 1], [7, 7, 1], Array.from({ length: 40 }, (_, i) => 1 + i * i)]) {
  Deno.test(`SmoothWeighted.pick() gives each its weight in every cycle (${weights.slice(0, 4)})`, () => {
    const fixture = createFixture("weighted_round_robin", { weights });
    const total = weights.reduce((sum, weight) => sum + weight);
    for (let cycle = 0; cycle < 3; cycle++) assertEquals(countPicks(fixture, total), weights);
  });
}

Deno.test("SmoothWeighted.pick() leaves no debt when one is out, and gives it no burst when it returns", () => {
  const fixture = createFixture("weighted_round_robin", { weights: [2, 1, 1] });
  pickText(fixture, 4);
  setEligible(fixture, 0, false);
  assertEquals(pickText(fixture, 400), "bc".repeat(200));
  setEligible(fixture, 0, true);
  assertEquals(pickText(fixture, 8), "abcaabca");
});

for (const weights of [[5, 1, 1], [100, 1, 1, 1], [2, 1, 1, 1, 1, 1, 1, 1], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]) {
  for (const stays of [1, 5]) {
    Deno.test(`SmoothWeighted.pick() stays fair when backends flap (${weights}, for ${stays} picks)`, () => {
      const fixture = createFixture("weighted_round_robin", { weights, seed: 4 });
      const total = weights.reduce((sum, weight) => sum + weight);
      const due = weights.map(() => 0);
      for (let round = 0; round < 20_000; round++) {
        if (round % stays === 0) {
          for (const index of weights.keys()) setEligible(fixture, index, fixture.random() < 0.5);
        }
        const picked = fixture.selector.pick(fixture.input);
        if (picked === -1) continue;
        for (const [index, weight] of weights.entries()) {
          if (!hasBit(fixture.spec.eligible, index)) continue;
          due[index] += weight;
          due[picked] -= weight;
        }
        for (const credit of due) assert(Math.abs(credit) < total, `round ${round}: ${due} of ${total}`);
      }
    });
  }
}

const WEIGHTS: Record<string, number[]> = {
  "3 equal": [1, 1, 1],
  "32 equal": Array(32).fill(7),
  "100 equal": Array(100).fill(1),
  "5:1:1": [5, 1, 1],
  "1 to 40": Array.from({ length: 40 }, (_, index) => index + 1),
  "1000:1:0:1": [1000, 1, 0, 1],
};

for (const [name, weights] of Object.entries(WEIGHTS)) {
  for (const isHalfOut of [false, true]) {
    Deno.test(`Random.pick() is distributed by weight (${name}, ${isHalfOut ? "half out" : "all in"})`, () => {
      const fixture = createFixture("random", { weights, seed: 7 });
      const expected = weights.map((weight, index) => isHalfOut && index % 2 === 0 ? 0 : weight);
      for (const index of weights.keys()) setEligible(fixture, index, expected[index] > 0);
      const degrees = expected.filter((weight) => weight > 0).length - 1;
      const chi = chiSquare(countPicks(fixture, 50_000), expected);
      assert(chi < chiSquareLimit(Math.max(1, degrees)), `chi-square ${chi} with ${degrees} degrees`);
    });
  }
}

for (const weights of [Array(10).fill(1), [4, 2, 1, 1]]) {
  Deno.test(`LeastConnections.pick() keeps (in flight + 1) / weight level (${weights})`, () => {
    const fixture = createFixture("least_connections", { weights });
    const total = weights.reduce((sum, weight) => sum + weight);
    for (let held = 0; held < 50 * total; held++) {
      const index = fixture.selector.pick(fixture.input);
      fixture.spec.table.inFlight[fixture.spec.rows[index]]++;
    }
    assertEquals(weights.map((_, index) => fixture.spec.table.inFlight[fixture.spec.rows[index]]), [
      ...weights.map((weight) => 50 * weight),
    ]);
  });
}

for (
  const { name, weights } of [{ name: "equal", weights: [1, 1, 1, 1] }, { name: "different", weights: [9, 9, 9, 1] }]
) {
  Deno.test(`LeastConnections.pick() lets ties take turns (${name} weights)`, () => {
    const fixture = createFixture("least_connections", { weights });
    assertEquals(pickText(fixture, 6), name === "equal" ? "abcdab" : "abcabc");
  });
}

/** Balls into bins: exchanges that never end. */
function maxLoad(strategy: StrategyName): number {
  const fixture = createFixture(strategy, { count: 100, seed: 3 });
  countPicks(fixture, 10_000, 10_000);
  return Math.max(...fixture.spec.table.inFlight);
}

Deno.test("PowerOfTwo.pick() keeps the fullest of 100 backends far below what random gives it", () => {
  assert(maxLoad("power_of_two") <= 104, `got ${maxLoad("power_of_two")}, the mean is 100`);
  assert(maxLoad("random") >= 115, `got ${maxLoad("random")}`);
});

for (
  const { name, loads, recent, weights, expected } of [
    { name: "fewer in flight", loads: [3, 1], recent: [0, 9], weights: [1, 1], expected: 1 },
    { name: "fewer in flight per weight", loads: [3, 2], recent: [0, 0], weights: [4, 1], expected: 0 },
    { name: "fewer begun of late when loads are equal", loads: [2, 2], recent: [5, 4], weights: [1, 1], expected: 1 },
    { name: "fewer begun of late per weight", loads: [0, 0], recent: [7, 2], weights: [4, 1], expected: 0 },
  ]
) {
  Deno.test(`PowerOfTwo.pick() prefers ${name}`, () => {
    const fixture = createFixture("power_of_two", { weights });
    const { rows, table } = fixture.spec;
    for (const index of [0, 1]) {
      table.inFlight[rows[index]] = loads[index];
      table.recent[rows[index]] = recent[index];
    }
    for (let i = 0; i < 50; i++) assertEquals(fixture.selector.pick(fixture.input), expected);
  });
}

Deno.test("Sticky.pick() follows the cookie while its backend is eligible and untried", () => {
  const fixture = createFixture("sticky", { weights: [1, 1, 0, 1], fallback: "round_robin" });
  const { selector, input } = fixture;
  input.affinity = 3;
  assertEquals([selector.pick(input), selector.pick(input)], [3, 3]);
  setBit(input.tried, 3);
  assertEquals(selector.pick(input), 0);
  input.tried.fill(0);
  setEligible(fixture, 3, false);
  assertEquals(selector.pick(input), 1);
  setEligible(fixture, 3, true);
  assertEquals(selector.pick(input), 3);
  for (const affinity of [2, 4, 31, 40, -1]) {
    input.affinity = affinity;
    assert([0, 1, 3].includes(selector.pick(input)), `cookie for ${affinity}`);
  }
});

Deno.test("Sticky.pick() leaves a backup when an ordinary backend is eligible again", () => {
  const fixture = createFixture("sticky", { weights: [1, 1, 1, 1], backups: [2, 3] });
  fixture.input.affinity = 3;
  assert(fixture.selector.pick(fixture.input) < 2);
  setEligible(fixture, 0, false);
  setEligible(fixture, 1, false);
  assertEquals(fixture.selector.pick(fixture.input), 3);
});

for (const strategy of ["hash", "sticky"] as const) {
  for (const fallback of ["hash", "sticky"] as const) {
    Deno.test(`createSelector() ends a circle of fallbacks (${strategy} to ${fallback})`, () => {
      const fixture = createFixture(strategy, { count: 3, fallback, seed: 5 });
      const counts = [0, 0, 0];
      for (let i = 0; i < 3000; i++) counts[fixture.selector.pick(fixture.input)]++;
      assert(chiSquare(counts, [1, 1, 1]) < chiSquareLimit(2), String(counts));
    });
  }
}

Deno.test("createSelector() refuses columns of different length", () => {
  const { spec } = createFixture("random", { count: 3 });
  let message = "";
  try {
    createFixture("random", { weights: spec.weights, identities: ["only one"] });
  } catch (error) {
    message = error instanceof RangeError ? error.message : "";
  }
  assert(message.includes("equally long"), message);
});

Deno.test("createRandom() repeats its sequence for a seed and differs for another", () => {
  const first = createFixture("random", { count: 10, seed: 11 });
  const again = createFixture("random", { count: 10, seed: 11 });
  const other = createFixture("random", { count: 10, seed: 12 });
  const text = pickText(first, 50);
  assertEquals(pickText(again, 50), text);
  assert(pickText(other, 50) !== text);
  assert(drawKey(first.random) < 0x1_0000_0000);
});
