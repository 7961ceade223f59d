/**
 * The metrics as the scraped thread sees them: totals since the start, and rates over the last seconds.
 *
 * Once a second `tick` keeps a *sample* of what rates need; a rate is the difference between now and the oldest sample,
 * over the time between the two. A `MetricsView` is one such look: all its numbers belong together.
 */

import { BUCKETS, CELLS, quantileMs } from "./histogram.ts";
import {
  BACKEND,
  backendAt,
  CODES,
  GLOBAL,
  RESULT_BAD_STATUS,
  RESULT_OF_CODE,
  RESULTS,
  ROUTE,
  routeAt,
  STATUS_CLASSES,
} from "./layout.ts";
import { ERROR_TRAITS } from "../../base/errors.ts";
import type { RowDirectory } from "./rows.ts";
import type { MetricsStore } from "./store.ts";

/** What rates and percentiles look back on. */
const RATE_WINDOW_MS = 10_000;

/** Numbers per row of a sample. */
const ROUTE_REQUESTS = 0;
const ROUTE_FAILURES = 1;
const ROUTE_WIDTH = 2;
const BACKEND_ATTEMPTS = 0;
const BACKEND_OPENED = 1;
const BACKEND_REUSED = 2;
const BACKEND_HEADS = 3;
const BACKEND_HEADS_MS = 4;
const BACKEND_WIDTH = 5;

interface Sample {
  readonly atMs: number;
  readonly latency: Float64Array;
  readonly routes: Float64Array;
  readonly backends: Float64Array;
  readonly cacheHits: number;
  readonly cacheMisses: number;
}

export interface TrafficNumbers {
  readonly requestsPerSecond: number;
  /** Requests a second that were answered with 5xx or broken off, though the client was there. */
  readonly failuresPerSecond: number;
  /** The median duration of the window's exchanges, ms; NaN when there were none. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly inFlight: number;
  readonly requestsTotal: number;
  readonly failuresTotal: number;
  /** Shares within the window, 0 to 1; NaN when there was nothing. */
  readonly cacheHitRate: number;
  readonly poolEfficiency: number;
}

export interface RequestNumbers {
  readonly requestsTotal: number;
  readonly requestsPerSecond: number;
}

export interface BackendNumbers {
  /** Attempts that ended. */
  readonly requestsTotal: number;
  /** Attempts that failed by the backend's fault. */
  readonly failuresTotal: number;
  readonly requestsPerSecond: number;
  readonly inFlight: number;
  /** Mean time to the response head within the window, ms; 0 when there was none. */
  readonly latencyMs: number;
  readonly pool: PoolNumbers;
}

export interface PoolNumbers {
  readonly active: number;
  readonly idle: number;
  readonly tunnels: number;
  readonly waiting: number;
  /** Since the start. */
  readonly opened: number;
  readonly reused: number;
}

export class MetricsReader {
  readonly #store: MetricsStore;
  readonly #rows: RowDirectory;
  /** Oldest first; the first one is at least as old as the window once that is over. */
  readonly #samples: Sample[] = [];

  constructor(store: MetricsStore, rows: RowDirectory, nowMs: number) {
    this.#store = store;
    this.#rows = rows;
    this.tick(nowMs);
  }

  /** To be called about once a second. */
  tick(nowMs: number): void {
    this.#samples.push(takeSample(this.#store, this.#rows, nowMs));
    while (this.#samples.length > 2 && nowMs - this.#samples[1].atMs >= RATE_WINDOW_MS) this.#samples.shift();
  }

  view(nowMs: number): MetricsView {
    return new MetricsView(this.#store, this.#rows, {
      before: this.#samples[0],
      now: takeSample(this.#store, this.#rows, nowMs),
    });
  }
}

export class MetricsView {
  readonly #store: MetricsStore;
  readonly #rows: RowDirectory;
  readonly #before: Sample;
  readonly #now: Sample;

  constructor(store: MetricsStore, rows: RowDirectory, { before, now }: { before: Sample; now: Sample }) {
    this.#store = store;
    this.#rows = rows;
    this.#before = before;
    this.#now = now;
  }

  traffic(): TrafficNumbers {
    const latency = this.#now.latency.map((count, cell) => Math.max(0, count - this.#before.latency[cell]));
    const { routes, backends, cacheHits, cacheMisses } = this.#now;
    const opened = this.#columnGrowth("backends", BACKEND_OPENED);
    const reused = this.#columnGrowth("backends", BACKEND_REUSED);
    const hits = cacheHits - this.#before.cacheHits;
    const misses = cacheMisses - this.#before.cacheMisses;
    return {
      requestsPerSecond: this.#perSecond(this.#columnGrowth("routes", ROUTE_REQUESTS)),
      failuresPerSecond: this.#perSecond(this.#columnGrowth("routes", ROUTE_FAILURES)),
      p50Ms: quantileMs(latency, 0.5),
      p95Ms: quantileMs(latency, 0.95),
      p99Ms: quantileMs(latency, 0.99),
      inFlight: this.#store.sum(GLOBAL.exchanges),
      requestsTotal: columnSum(routes, ROUTE_REQUESTS, ROUTE_WIDTH),
      failuresTotal: columnSum(routes, ROUTE_FAILURES, ROUTE_WIDTH),
      cacheHitRate: hits / (hits + misses),
      poolEfficiency: backends.length === 0 ? NaN : reused / (reused + opened),
    };
  }

  /** Over all upstreams that the route has gone to. */
  route(name: string): RequestNumbers {
    return this.#requestsWhere(([route]) => route === name);
  }

  /** Exchanges of all routes that go there. */
  upstream(name: string): RequestNumbers {
    return this.#requestsWhere(([, upstream]) => upstream === name);
  }

  backend(upstream: string, name: string): BackendNumbers {
    const row = this.#rows.find("backend", [upstream, name]);
    if (row < 0) return NO_BACKEND;
    const at = backendAt(row);
    const heads = this.#growth("backends", row * BACKEND_WIDTH + BACKEND_HEADS);
    let requestsTotal = 0;
    let failuresTotal = 0;
    for (let result = 0; result < RESULTS.length; result++) {
      const count = this.#store.sum(at + BACKEND.attempts + result);
      requestsTotal += count;
      if (IS_FAULT[result]) failuresTotal += count;
    }
    return {
      requestsTotal,
      failuresTotal,
      requestsPerSecond: this.#perSecond(this.#growth("backends", row * BACKEND_WIDTH + BACKEND_ATTEMPTS)),
      inFlight: this.#store.sum(at + BACKEND.inFlight),
      latencyMs: heads > 0 ? this.#growth("backends", row * BACKEND_WIDTH + BACKEND_HEADS_MS) / heads : 0,
      pool: {
        active: this.#store.sum(at + BACKEND.poolActive),
        idle: this.#store.sum(at + BACKEND.poolIdle),
        tunnels: this.#store.sum(at + BACKEND.poolTunnels),
        waiting: this.#store.sum(at + BACKEND.poolWaiting),
        opened: this.#store.sum(at + BACKEND.poolOpened),
        reused: this.#store.sum(at + BACKEND.poolReused),
      },
    };
  }

  #requestsWhere(isWanted: (labels: readonly string[]) => boolean): RequestNumbers {
    let requestsTotal = 0;
    let growth = 0;
    for (const { row, labels } of this.#rows.assignments("route")) {
      if (!isWanted(labels)) continue;
      const index = row * ROUTE_WIDTH + ROUTE_REQUESTS;
      requestsTotal += this.#now.routes[index] ?? 0;
      growth += this.#growth("routes", index);
    }
    return { requestsTotal, requestsPerSecond: this.#perSecond(growth) };
  }

  /** A row that is new counts from 0, and so does one that was cleared for a new owner. */
  #growth(part: "routes" | "backends", index: number): number {
    const now = this.#now[part][index] ?? 0;
    const before = this.#before[part][index] ?? 0;
    return now < before ? now : now - before;
  }

  #columnGrowth(part: "routes" | "backends", column: number): number {
    const width = part === "routes" ? ROUTE_WIDTH : BACKEND_WIDTH;
    let growth = 0;
    for (let index = column; index < this.#now[part].length; index += width) growth += this.#growth(part, index);
    return growth;
  }

  #perSecond(count: number): number {
    const elapsedMs = this.#now.atMs - this.#before.atMs;
    return elapsedMs > 0 ? count * 1000 / elapsedMs : 0;
  }
}

const NO_BACKEND: BackendNumbers = {
  requestsTotal: 0,
  failuresTotal: 0,
  requestsPerSecond: 0,
  inFlight: 0,
  latencyMs: 0,
  pool: { active: 0, idle: 0, tunnels: 0, waiting: 0, opened: 0, reused: 0 },
};

/** By result: whether the backend answers for it. */
const IS_FAULT: readonly boolean[] = RESULTS.map((_, result) =>
  result === RESULT_BAD_STATUS ||
  (result >= RESULT_OF_CODE && ERROR_TRAITS[CODES[result - RESULT_OF_CODE]].source === "upstream")
);

function takeSample(store: MetricsStore, rows: RowDirectory, atMs: number): Sample {
  const routes = new Float64Array(rows.count("route") * ROUTE_WIDTH);
  for (let row = 0; row < rows.count("route"); row++) {
    const at = routeAt(row);
    for (let status = 0; status < STATUS_CLASSES.length; status++) {
      routes[row * ROUTE_WIDTH + ROUTE_REQUESTS] += store.sum(at + ROUTE.requests + status);
    }
    routes[row * ROUTE_WIDTH + ROUTE_FAILURES] = store.sum(at + ROUTE.failures);
  }
  const backends = new Float64Array(rows.count("backend") * BACKEND_WIDTH);
  for (let row = 0; row < rows.count("backend"); row++) {
    const at = backendAt(row);
    for (let result = 0; result < RESULTS.length; result++) {
      backends[row * BACKEND_WIDTH + BACKEND_ATTEMPTS] += store.sum(at + BACKEND.attempts + result);
    }
    backends[row * BACKEND_WIDTH + BACKEND_OPENED] = store.sum(at + BACKEND.poolOpened);
    backends[row * BACKEND_WIDTH + BACKEND_REUSED] = store.sum(at + BACKEND.poolReused);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      backends[row * BACKEND_WIDTH + BACKEND_HEADS] += store.sum(at + BACKEND.firstByte + bucket);
    }
    backends[row * BACKEND_WIDTH + BACKEND_HEADS_MS] = store.sum(at + BACKEND.firstByte + BUCKETS);
  }
  return {
    atMs,
    latency: store.sums(GLOBAL.latency, CELLS),
    routes,
    backends,
    cacheHits: store.sum(GLOBAL.cacheHits),
    cacheMisses: store.sum(GLOBAL.cacheMisses),
  };
}

function columnSum(numbers: Float64Array, column: number, width: number): number {
  let sum = 0;
  for (let index = column; index < numbers.length; index += width) sum += numbers[index];
  return sum;
}
