/** Histograms, rows, blocks and the exposition, without a proxy. */

import parsePrometheus from "parse-prometheus-text-format";
import {
  BOUNDS_MS,
  bucketOf,
  BUCKETS,
  cellFromMs,
  cellOf,
  CELLS,
  HISTOGRAM_WIDTH,
  observeDuration,
  quantileMs,
} from "../../../../lib/observe/metrics/histogram.ts";
import type { MetricsFacts } from "../../../../lib/observe/metrics/facts.ts";
import {
  BACKEND,
  backendAt,
  BLOCK_LENGTH,
  GLOBAL,
  OTHER_ROW,
  ROUTE,
  routeAt,
  ROW_KINDS,
  ROW_WIDTH,
  rowAt,
  ROWS_MAX,
  UPSTREAM,
  upstreamAt,
} from "../../../../lib/observe/metrics/layout.ts";
import { MetricsReader } from "../../../../lib/observe/metrics/reader.ts";
import { AssignedRows, RowDirectory } from "../../../../lib/observe/metrics/rows.ts";
import { clearGauges, createBlock, MetricsStore } from "../../../../lib/observe/metrics/store.ts";
import { METRIC_NAMES, METRICS, renderMetricsReference } from "../../../../lib/observe/metrics/table.ts";
import { renderMetrics } from "../../../../lib/observe/metrics/text.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { SeededRandom } from "../../../support/random.ts";

interface Family {
  readonly name: string;
  readonly type: string;
  readonly metrics: ReadonlyArray<{
    readonly value?: string;
    readonly labels?: Record<string, string>;
    readonly buckets?: Record<string, string>;
  }>;
}
const parse = parsePrometheus as unknown as (text: string) => Family[];

Deno.test("bucketOf() finds the first bound that is not below, also at the bounds", () => {
  const random = new SeededRandom(7);
  const values = BOUNDS_MS.flatMap((bound) => [bound, bound - 1e-9, bound + 1e-9, bound * 1.01]);
  for (let round = 0; round < 5000; round++) values.push(2 ** (random.next() * 40 - 10));
  for (const ms of [0, -1, NaN, 1e12, ...values]) {
    const expected = BOUNDS_MS.findIndex((bound) => !(ms > bound));
    assertEquals(bucketOf(ms), expected < 0 ? BUCKETS - 1 : expected, `${ms} ms`);
  }
});

Deno.test("cellOf() rises with the duration, and its cell holds it to 1/16", () => {
  for (let cell = 1; cell < CELLS; cell++) {
    assertEquals(cellOf(cellFromMs(cell)), cell);
    assertEquals(cellOf(cellFromMs(cell) - 1e-9 * cellFromMs(cell)), cell - 1);
    if (cell >= 32) assert(cellFromMs(cell) / cellFromMs(cell - 1) <= 1 + 1 / 16 + 1e-9);
  }
});

Deno.test("quantileMs() is off by less than 1/16", () => {
  const cells = new Float64Array(CELLS);
  for (let ms = 1; ms <= 1000; ms++) cells[cellOf(ms)]++;
  for (const share of [0.5, 0.95, 0.99]) assert(Math.abs(quantileMs(cells, share) / (share * 1000) - 1) < 1 / 16);
  assertEquals(quantileMs(new Float64Array(CELLS), 0.5), NaN);
});

Deno.test("the parts of a block lie behind one another and fill it", () => {
  let at: number = GLOBAL.width;
  for (const kind of ROW_KINDS) {
    assertEquals(rowAt(kind, 0), at, kind);
    at += ROWS_MAX[kind] * ROW_WIDTH[kind];
  }
  assertEquals(at, BLOCK_LENGTH);
});

Deno.test("RowDirectory keeps a row's owner, and gives the longest gone away when rows run short", () => {
  const reused: number[] = [];
  const rows = new RowDirectory((_kind, row) => reused.push(row), { route: 4, upstream: 3, backend: 3 });
  const a = rows.acquire("upstream", ["a"]);
  const b = rows.acquire("upstream", ["b"]);
  assertEquals([a, b, rows.acquire("upstream", ["a"])], [1, 2, 1]);
  assertEquals(rows.acquire("upstream", ["c"]), OTHER_ROW, "none is free");
  rows.release("upstream", a);
  assertEquals(rows.acquire("upstream", ["c"]), OTHER_ROW, "it was acquired twice");
  rows.release("upstream", a);
  assertEquals([rows.acquire("upstream", ["a"]), reused], [1, []], "who comes back finds its row");
  rows.release("upstream", a);
  assertEquals([rows.acquire("upstream", ["c"]), reused], [1, [1]]);
  assertEquals(new AssignedRows(rows.all()).acquire("upstream", ["c"]), 1);
  assertEquals(new AssignedRows(rows.all()).acquire("upstream", ["a"]), OTHER_ROW);
});

Deno.test("clearGauges() leaves counters", () => {
  const block = createBlock({ isShared: true });
  block[GLOBAL.exchanges] = 3;
  block[backendAt(2) + BACKEND.inFlight] = 2;
  block[backendAt(2) + BACKEND.poolOpened] = 5;
  clearGauges(block);
  assertEquals([block[GLOBAL.exchanges], block[backendAt(2) + BACKEND.inFlight]], [0, 0]);
  assertEquals(block[backendAt(2) + BACKEND.poolOpened], 5);
});

const FACTS: MetricsFacts = {
  version: "1.2.3",
  generation: 4,
  reloadsOk: 3,
  reloadsRefused: 1,
  isLastReloadGood: false,
  workers: 2,
  workerRestarts: 1,
  connections: [{ listener: 'we"b', open: 7 }],
  backends: [{ upstream: 'a"b\\c\nd', backend: "b1", isEligible: true, state: "healthy", weight: 3 }],
  healthStates: ["healthy", "open"],
  healthChanges: [{ upstream: "a", backend: "b1", to: "open", reason: "connect_refused", count: 2 }],
  process: { residentBytes: 1e6, cpuSeconds: 1.5, startedAtSeconds: 1e9, openDescriptors: -1 },
};

function stage() {
  const store = new MetricsStore();
  const blocks = [createBlock({ isShared: true }), createBlock({ isShared: true })];
  for (const block of blocks) store.add(block);
  const rows = new RowDirectory((kind, row) => store.clearRow(kind, row));
  const route = routeAt(rows.acquire("route", ["r1", 'a"b\\c\nd']));
  const backend = backendAt(rows.acquire("backend", ['a"b\\c\nd', "b1"]));
  const upstream = upstreamAt(rows.acquire("upstream", ["a"]));
  observeDuration(blocks[0], backend + BACKEND.firstByte, 2);
  const reader = new MetricsReader(store, rows, 0);
  for (const block of blocks) {
    block[route + ROUTE.requests + 2] += 10;
    block[route + ROUTE.requests + 5] += 1;
    block[route + ROUTE.failures] += 1;
    block[upstream + UPSTREAM.retries] += 1;
    block[backend + BACKEND.attempts] += 10;
    block[backend + BACKEND.poolOpened] += 1;
    block[backend + BACKEND.poolReused] += 9;
    for (let count = 0; count < 11; count++) {
      observeDuration(block, route + ROUTE.duration, count);
      block[GLOBAL.latency + cellOf(count)]++;
    }
  }
  const text = () => renderMetrics({ store, rows, traffic: reader.view(10_000).traffic(), facts: FACTS });
  return { store, rows, blocks, reader, text };
}

Deno.test("renderMetrics() is what a parser of the format reads, every metric once", () => {
  const families = parse(stage().text());
  assertEquals(families.map(({ name }) => name), [...METRIC_NAMES]);
  for (const { name, type } of families) assertEquals(type.toLowerCase(), METRICS[name as keyof typeof METRICS].type);
  const samples = (name: string) => families.find((family) => family.name === name)!.metrics;
  assertEquals(samples("sluice_requests_total"), [
    { value: "20", labels: { route: "r1", upstream: 'a"b\\c\nd', status_class: "2xx" } },
    { value: "2", labels: { route: "r1", upstream: 'a"b\\c\nd', status_class: "5xx" } },
  ]);
  const duration = samples("sluice_request_duration_seconds");
  assertEquals(
    duration.flatMap(({ buckets }) => buckets === undefined ? [] : [buckets]).map((
      buckets,
    ) => [buckets["0.001"], buckets["+Inf"]]),
    [
      ["4", "22"],
    ],
  );
  assertEquals(/^sluice_request_duration_seconds_(?:sum|count){.*} (.+)$/gm.exec(stage().text())![1], "0.11");
  assertEquals(samples("sluice_circuit_openings_total").map(({ value }) => value), ["0", "2"]);
  assertEquals(samples("lb_throughput_rps")[0].value, "2.2");
  assertEquals(samples("lb_connection_pool_efficiency")[0].value, "0.9");
  assertEquals(samples("process_open_fds").length, 0, "what is not known is left out");
});

Deno.test("renderMetrics() names no series twice", () => {
  const names = stage().text().split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.slice(0, line.lastIndexOf(" ")));
  assertEquals(new Set(names).size, names.length);
});

Deno.test("MetricsReader looks back ten seconds", () => {
  const { store, rows, reader } = stage();
  for (let second = 1; second <= 30; second++) reader.tick(second * 1000);
  assertEquals(reader.view(31_000).traffic().requestsPerSecond, 0);
  const later = new MetricsReader(store, rows, 31_000).view(31_000);
  assertEquals([later.traffic().requestsTotal, later.traffic().failuresTotal], [22, 2]);
  assertEquals(later.backend('a"b\\c\nd', "b1").pool, {
    active: 0,
    idle: 0,
    tunnels: 0,
    waiting: 0,
    opened: 2,
    reused: 18,
  });
  assertEquals(later.backend("a", "nobody").requestsTotal, 0);
});

Deno.test("MetricsReader tells the mean latency of a backend over the window, and none without traffic", () => {
  const { reader, rows, blocks } = stage();
  const latency = (nowMs: number) => reader.view(nowMs).backend('a"b\\c\nd', "b1").latencyMs;
  assertEquals(latency(500), 0, "counted before it began to look");
  const at = backendAt(rows.find("backend", ['a"b\\c\nd', "b1"])) + BACKEND.firstByte;
  observeDuration(blocks[0], at, 900);
  for (let count = 0; count < 8; count++) observeDuration(blocks[1], at, 1);
  assertEquals(latency(1000), (900 + 8) / 9);
  for (let second = 1; second <= 12; second++) reader.tick(second * 1000);
  assertEquals(latency(12_500), 0);
  observeDuration(blocks[1], at, 3);
  assertEquals(latency(13_000), 3, "an outlier of long ago is over");
});

Deno.test("docs/metrics.md is what the table of metrics says", async () => {
  const file = await Deno.readTextFile(new URL("../../../../docs/metrics.md", import.meta.url));
  assertEquals(file, renderMetricsReference(), "deno task docs");
});

Deno.test("a histogram's numbers are its buckets and the sum", () => {
  const block = new Float64Array(HISTOGRAM_WIDTH);
  observeDuration(block, 0, 3);
  observeDuration(block, 0, 100_000);
  assertEquals([block[3], block[BUCKETS - 1], block[BUCKETS]], [1, 1, 100_003]);
});
