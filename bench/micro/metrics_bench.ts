/** What counting costs: an exchange with one attempt, as the recorder hears of it. */

import { createBlock } from "../../lib/observe/metrics/store.ts";
import type { Exchange } from "../../lib/proxy/exchange.ts";
import { MetricsRecorder } from "../../lib/runtime/telemetry/metrics_recorder.ts";

const EXCHANGES = 64;
const recorder = new MetricsRecorder(createBlock({ isShared: false }));
const shared = new MetricsRecorder(createBlock({ isShared: true }));

/** Only what the recorder reads; durations of 0 to 8 ms. */
const exchanges = Array.from({ length: EXCHANGES }, (_, index) => ({
  backend: { metricsRow: 1 + index % 8 },
  upstream: { metricsRow: 1 },
  route: { metricsRow: 2 + index % 4 },
  local: null,
  body: null,
  status: 200,
  errorCode: "",
  bytesOut: 66,
  isAnswered: true,
  startedMs: 1000,
  attemptAtMs: 1000.01,
  sentAtMs: 1000.02,
  headAtMs: 1000.4 + index / 8,
  endedAtMs: 1000.5 + index / 8,
} as unknown as Exchange));

function count(into: MetricsRecorder): void {
  for (const exchange of exchanges) {
    into.attemptBegan(exchange);
    into.attemptEnded(exchange, "");
    into.record(exchange);
  }
}

Deno.bench({ name: "64 exchanges, own memory", group: "metrics", baseline: true }, () => count(recorder));
Deno.bench({ name: "64 exchanges, shared memory", group: "metrics" }, () => count(shared));
Deno.bench({ name: "reading the clock 64 times", group: "metrics" }, () => {
  for (let index = 0; index < EXCHANGES; index++) performance.now();
});
