/** The exposition: how each metric is written from what the blocks hold and what only the scraped thread knows. */

import { BACKEND, GLOBAL, RESULT_OK, RESULTS, RETRY_REASONS, ROUTE, STATUS_CLASSES, UPSTREAM } from "./layout.ts";
import { type MetricsSources, MetricsWriter } from "./writer.ts";
import { METRIC_NAMES, type MetricName } from "./table.ts";

/** In the order of the table, and of rows within a metric. The same numbers give the same text. */
export function renderMetrics(sources: MetricsSources): string {
  const writer = new MetricsWriter(sources);
  for (const name of METRIC_NAMES) {
    writer.family(name);
    WAYS[name](writer);
  }
  return writer.toString();
}

const WAYS: { readonly [Name in MetricName]: (writer: MetricsWriter) => void } = {
  sluice_requests_total: (to) =>
    to.byTable("route", ROUTE.requests, { label: "status_class", values: STATUS_CLASSES, always: -1 }),
  sluice_request_failures_total: (to) => to.rows("route", ROUTE.failures),
  sluice_request_bytes_total: (to) => to.rows("route", ROUTE.bytesIn),
  sluice_response_bytes_total: (to) => to.rows("route", ROUTE.bytesOut),
  sluice_request_duration_seconds: (to) => to.histograms("route", ROUTE.duration),
  sluice_rejected_total: (to) => to.codes(GLOBAL.rejected),
  sluice_aborted_total: (to) => to.codes(GLOBAL.aborted),
  sluice_exchanges_in_flight: (to) => to.value(to.store.sum(GLOBAL.exchanges)),
  sluice_connections: (to) => to.connections(),

  sluice_backend_attempts_total: (to) =>
    to.byTable("backend", BACKEND.attempts, { label: "result", values: RESULTS, always: RESULT_OK }),
  sluice_backend_responses_total: (to) =>
    to.byTable("backend", BACKEND.responses, { label: "status_class", values: STATUS_CLASSES, always: -1 }),
  sluice_backend_attempt_duration_seconds: (to) => to.histograms("backend", BACKEND.attempt),
  sluice_backend_first_byte_seconds: (to) => to.histograms("backend", BACKEND.firstByte),
  sluice_queue_seconds: (to) => to.histograms("backend", BACKEND.queue),
  sluice_backend_connect_seconds: (to) => to.histograms("backend", BACKEND.connect),
  sluice_backend_tls_seconds: (to) => to.histograms("backend", BACKEND.tls),
  sluice_backend_in_flight: (to) => to.rows("backend", BACKEND.inFlight),
  sluice_retries_total: (to) =>
    to.byTable("upstream", UPSTREAM.retries, { label: "reason", values: RETRY_REASONS, always: -1 }),

  sluice_backend_up: (to) => to.members(({ isEligible }) => isEligible ? 1 : 0),
  sluice_backend_state: (to) => to.memberStates(),
  sluice_backend_weight: (to) => to.members(({ weight }) => weight),
  sluice_backend_health_changes_total: (to) => to.healthChanges(),
  sluice_circuit_openings_total: (to) => to.openings(),

  sluice_pool_connections: (to) => to.poolConnections(),
  sluice_pool_waiting: (to) => to.rows("backend", BACKEND.poolWaiting),
  sluice_pool_opened_total: (to) => to.rows("backend", BACKEND.poolOpened),
  sluice_pool_reused_total: (to) => to.rows("backend", BACKEND.poolReused),
  sluice_pipelined_total: (to) => to.rows("backend", BACKEND.pipelined),
  sluice_pipelining_lost_total: (to) => to.rows("backend", BACKEND.pipelineLost),
  sluice_pipelining_fallbacks_total: (to) => to.rows("backend", BACKEND.pipelineFallbacks),

  sluice_reloads_total: (to) => to.reloads(),
  sluice_config_generation: (to) => to.value(to.facts.generation),
  sluice_config_last_reload_successful: (to) => to.value(to.facts.isLastReloadGood ? 1 : 0),
  sluice_plans_alive: (to) => to.value(to.store.max(GLOBAL.plansAlive)),
  sluice_workers: (to) => to.value(to.facts.workers),
  sluice_worker_restarts_total: (to) => to.value(to.facts.workerRestarts),
  sluice_access_log_dropped_total: (to) => to.value(to.store.sum(GLOBAL.accessLogDropped)),
  sluice_spans_dropped_total: (to) => to.value(to.store.sum(GLOBAL.spansDropped)),
  sluice_build_info: (to) => to.buildInfo(),

  process_resident_memory_bytes: (to) => to.known(to.facts.process.residentBytes),
  process_cpu_seconds_total: (to) => to.known(to.facts.process.cpuSeconds),
  process_start_time_seconds: (to) => to.known(to.facts.process.startedAtSeconds),
  process_open_fds: (to) => to.known(to.facts.process.openDescriptors),

  lb_request_latency_p50: (to) => to.value(to.traffic.p50Ms / 1000),
  lb_request_latency_p95: (to) => to.value(to.traffic.p95Ms / 1000),
  lb_request_latency_p99: (to) => to.value(to.traffic.p99Ms / 1000),
  lb_throughput_rps: (to) => to.value(to.traffic.requestsPerSecond),
  lb_cache_hit_rate: (to) => to.value(to.traffic.cacheHitRate),
  lb_connection_pool_efficiency: (to) => to.value(to.traffic.poolEfficiency),
};
