/**
 * What /metrics exports, for those who check that alerts and dashboards ask for nothing else.
 *
 * Written out until the exporter has a table of its own to take it from.
 */

export interface ExportedMetric {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
}

const ROUTE = ["route", "upstream"];
const BACKEND = ["upstream", "backend"];

const counter = (...labels: string[]): ExportedMetric => ({ type: "counter", labels });
const gauge = (...labels: string[]): ExportedMetric => ({ type: "gauge", labels });
const histogram = (...labels: string[]): ExportedMetric => ({ type: "histogram", labels });

export const EXPORTED: Readonly<Record<string, ExportedMetric>> = {
  sluice_requests_total: counter(...ROUTE, "status_class"),
  sluice_request_failures_total: counter(...ROUTE),
  sluice_request_bytes_total: counter(...ROUTE),
  sluice_response_bytes_total: counter(...ROUTE),
  sluice_request_duration_seconds: histogram(...ROUTE),
  sluice_rejected_total: counter("reason"),
  sluice_exchanges_in_flight: gauge(),
  sluice_backend_attempts_total: counter(...BACKEND, "result"),
  sluice_backend_attempt_duration_seconds: histogram(...BACKEND),
  sluice_backend_first_byte_seconds: histogram(...BACKEND),
  sluice_backend_connect_seconds: histogram(...BACKEND),
  sluice_backend_tls_seconds: histogram(...BACKEND),
  sluice_backend_in_flight: gauge(...BACKEND),
  sluice_backend_up: gauge(...BACKEND),
  sluice_backend_state: gauge(...BACKEND, "state"),
  sluice_backend_health_changes_total: counter(...BACKEND, "to", "reason"),
  sluice_circuit_openings_total: counter(...BACKEND),
  sluice_queue_seconds: histogram(...BACKEND),
  sluice_retries_total: counter("upstream", "reason"),
  sluice_pool_connections: gauge(...BACKEND, "state"),
  sluice_pool_waiting: gauge(...BACKEND),
  sluice_pool_opened_total: counter(...BACKEND),
  sluice_pool_reused_total: counter(...BACKEND),
  sluice_reloads_total: counter("result"),
  sluice_config_generation: gauge(),
  sluice_config_last_reload_successful: gauge(),
  sluice_plans_alive: gauge(),
  sluice_workers: gauge(),
  sluice_worker_restarts_total: counter(),
  sluice_access_log_dropped_total: counter(),
  sluice_spans_dropped_total: counter(),
  process_resident_memory_bytes: gauge(),
  process_cpu_seconds_total: counter(),
  lb_request_latency_p50: gauge(),
  lb_request_latency_p95: gauge(),
  lb_request_latency_p99: gauge(),
  lb_throughput_rps: gauge(),
  lb_cache_hit_rate: gauge(),
  lb_connection_pool_efficiency: gauge(),
};
