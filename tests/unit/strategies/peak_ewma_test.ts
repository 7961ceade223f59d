/** The latency average and the strategy on top of it, driven by a clock of our own. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createBackendTable } from "../../../lib/base/backend_table.ts";
import { decay, LATENCY_DECAY_MS, LATENCY_MS_MIN, observeLatency } from "../../../lib/base/ewma.ts";
import { createFixture, type Fixture } from "./strategies_fixture.ts";

Deno.test("observeLatency() takes a peak at once and better news bit by bit", () => {
  const table = createBackendTable(1);
  observeLatency(table, 0, 10, 1000, 100);
  assertEquals(table.latencyMs[0], 10);
  observeLatency(table, 0, 50, 1000, 100);
  assertEquals(table.latencyMs[0], 50);
  observeLatency(table, 0, 10, 1100, 100);
  assertAlmostEquals(table.latencyMs[0], 10 + 40 / Math.E, 1e-9);
  assertEquals(table.latencyAtMs[0], 1100);
});

for (const sampleMs of [0, -5, NaN]) {
  Deno.test(`observeLatency() never stores what means unmeasured (${sampleMs})`, () => {
    const table = createBackendTable(1);
    observeLatency(table, 0, sampleMs, 0, 100);
    assertEquals(table.latencyMs[0], LATENCY_MS_MIN);
  });
}

for (
  const { name, nowMs, expected } of [
    { name: "fades to 1/e in the decay time", nowMs: 1100, expected: 20 / Math.E },
    { name: "does not fade at once", nowMs: 1000, expected: 20 },
    { name: "does not grow when clocks disagree", nowMs: 900, expected: 20 },
  ]
) {
  Deno.test(`decay() of a latency ${name}`, () => {
    const table = createBackendTable(1);
    observeLatency(table, 0, 20, 1000, 100);
    assertAlmostEquals(decay(table.latencyMs[0], nowMs - table.latencyAtMs[0], 100), expected, 1e-9);
  });
}

Deno.test("decay() never fades to unmeasured", () => {
  const table = createBackendTable(1);
  observeLatency(table, 0, 1, 0, 100);
  assert(decay(table.latencyMs[0], 1e12, 100) > 0);
});

/** One exchange at a time, each as long as its backend's latency; then the clock goes on by `gapMs`. */
function drive(fixture: Fixture, latenciesMs: readonly number[], rounds: number, gapMs: number): number[] {
  const { selector, input, spec } = fixture;
  const counts = latenciesMs.map(() => 0);
  for (let round = 0; round < rounds; round++) {
    const index = selector.pick(input);
    counts[index]++;
    input.nowMs += latenciesMs[index];
    observeLatency(spec.table, spec.rows[index], latenciesMs[index], input.nowMs, LATENCY_DECAY_MS);
    input.nowMs += gapMs;
  }
  return counts;
}

Deno.test("PeakEwma.pick() avoids a slow backend and takes it back when it has become fast", () => {
  const fixture = createFixture("peak_ewma", { count: 4 });
  const slow = drive(fixture, [10, 10, 10, 1000], 1000, 1);
  assert(slow[3] <= 3, `slow got ${slow[3]} of 1000`);
  drive(fixture, [10, 10, 10, 10], 8000, 5);
  const recovered = drive(fixture, [10, 10, 10, 10], 4000, 5);
  assert(recovered[3] > 700, `recovered got ${recovered[3]} of 4000`);
});

Deno.test("PeakEwma.pick() sends a faded backend one request, not all, until it answers", () => {
  const fixture = createFixture("peak_ewma", { count: 2 });
  const { table, rows } = fixture.spec;
  fixture.input.nowMs = 100 * LATENCY_DECAY_MS;
  observeLatency(table, rows[0], 10, fixture.input.nowMs, LATENCY_DECAY_MS);
  observeLatency(table, rows[1], 1000, 80 * LATENCY_DECAY_MS, LATENCY_DECAY_MS);
  const picked = Array.from({ length: 20 }, () => {
    const index = fixture.selector.pick(fixture.input);
    table.inFlight[rows[index]]++;
    return index;
  });
  assertEquals(picked, [1, ...Array(19).fill(0)]);
});

Deno.test("PeakEwma.pick() sends a cold backend one request, not all, until it answers", () => {
  const fixture = createFixture("peak_ewma", { count: 2 });
  const { table, rows } = fixture.spec;
  table.latencyMs[rows[0]] = 500;
  const picked = Array.from({ length: 20 }, () => {
    const index = fixture.selector.pick(fixture.input);
    table.inFlight[rows[index]]++;
    return index;
  });
  assertEquals(picked, [1, ...Array(19).fill(0)]);
});

Deno.test("PeakEwma.pick() spreads over backends that are all cold", () => {
  const fixture = createFixture("peak_ewma", { count: 2 });
  const { table, rows } = fixture.spec;
  for (let held = 0; held < 20; held++) table.inFlight[rows[fixture.selector.pick(fixture.input)]]++;
  assertEquals([...table.inFlight], [10, 10]);
});

Deno.test("PeakEwma.pick() weighs latency against what is in flight", () => {
  const fixture = createFixture("peak_ewma", { count: 2 });
  const { table, rows } = fixture.spec;
  table.latencyMs[rows[0]] = 10;
  table.latencyMs[rows[1]] = 30;
  for (let held = 0; held < 40; held++) table.inFlight[rows[fixture.selector.pick(fixture.input)]]++;
  assertEquals([table.inFlight[rows[0]], table.inFlight[rows[1]]], [30, 10]);
});
