/**
 * Every metric by name: the one table that the exposition, docs/metrics.md and whoever writes alerts go by.
 *
 * Label values come from the configuration or from fixed tables, never from a request, so that their number is bounded.
 */

export interface MetricSpec {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

const ROUTE = ["route", "upstream"] as const;
const BACKEND = ["upstream", "backend"] as const;

function counter(labels: readonly string[], help: string): MetricSpec {
  return { type: "counter", labels, help };
}

function gauge(labels: readonly string[], help: string): MetricSpec {
  return { type: "gauge", labels, help };
}

function histogram(labels: readonly string[], help: string): MetricSpec {
  return { type: "histogram", labels, help };
}

export const METRICS = {
  // What clients see.
  sluice_requests_total: counter(
    [...ROUTE, "status_class"],
    "Exchanges that ended, by the class of their status; none: the client left before a response began.",
  ),
  sluice_request_failures_total: counter(
    ROUTE,
    "Exchanges answered with 5xx, or broken off by a backend or by sluice. Clients that leave do not count.",
  ),
  sluice_request_bytes_total: counter(ROUTE, "Bytes of request bodies."),
  sluice_response_bytes_total: counter(ROUTE, "Bytes of response bodies."),
  sluice_request_duration_seconds: histogram(ROUTE, "From the request head to the end of the response."),
  sluice_rejected_total: counter(["reason"], "Exchanges that sluice answered with an error of its own, by code."),
  sluice_aborted_total: counter(
    ["reason"],
    "Exchanges that ended with an error when it was too late for an answer, or nobody was there to get one, by code.",
  ),
  sluice_exchanges_in_flight: gauge([], "Exchanges under way."),
  sluice_connections: gauge(
    ["listener"],
    "Open connections of clients, idle ones included. Only of listeners with the engine wire: with serve, Deno has them and does not tell.",
  ),

  // What backends do.
  sluice_backend_attempts_total: counter(
    [...BACKEND, "result"],
    "Attempts that ended: ok, bad_status (one that counts as a failure), or an error code.",
  ),
  sluice_backend_responses_total: counter(
    [...BACKEND, "status_class"],
    "Response heads, by the class of their status.",
  ),
  sluice_backend_attempt_duration_seconds: histogram(
    BACKEND,
    "From the choice of the backend to the end of its response, or to the failure.",
  ),
  sluice_backend_first_byte_seconds: histogram(BACKEND, "From the request head sent to the response head received."),
  sluice_queue_seconds: histogram(
    BACKEND,
    "From the choice of the backend to having a connection, or to none: in line for one, or while one was opened.",
  ),
  sluice_backend_connect_seconds: histogram(
    BACKEND,
    "Opening connections (TCP or Unix socket, with the name look-up), without TLS.",
  ),
  sluice_backend_tls_seconds: histogram(BACKEND, "TLS handshakes."),
  sluice_backend_in_flight: gauge(BACKEND, "Attempts under way."),
  sluice_retries_total: counter(["upstream", "reason"], "Further attempts, by why the one before was given up."),

  // Health.
  sluice_backend_up: gauge(BACKEND, "1 when requests are sent there, else 0."),
  sluice_backend_state: gauge([...BACKEND, "state"], "1 for the state that the backend is in, 0 for the others."),
  sluice_backend_weight: gauge(BACKEND, "Weight in effect."),
  sluice_backend_health_changes_total: counter(
    [...BACKEND, "to", "reason"],
    "Changes of state, by the new one and why.",
  ),
  sluice_circuit_openings_total: counter(BACKEND, "Changes to the state open, by traffic or by probes."),

  // Pools. Backends of two upstreams with the same address and settings share one, which is shown for one of them.
  sluice_pool_connections: gauge(
    [...BACKEND, "state"],
    "Connections in use (active), kept (idle), and carrying another protocol (tunnel).",
  ),
  sluice_pool_waiting: gauge(BACKEND, "Exchanges that wait for a connection."),
  sluice_pool_opened_total: counter(BACKEND, "Connections opened."),
  sluice_pool_reused_total: counter(BACKEND, "Attempts that found an idle connection."),
  sluice_pipelined_total: counter(BACKEND, "Attempts that were answered behind others on one connection."),
  sluice_pipelining_lost_total: counter(
    BACKEND,
    "Attempts that failed because of another one before them on their connection.",
  ),
  sluice_pipelining_fallbacks_total: counter(BACKEND, "Times that pipelining was given up for a minute."),

  // The proxy itself.
  sluice_reloads_total: counter(["result"], "Reloads of the configuration: ok, or refused with nothing changed."),
  sluice_config_generation: gauge([], "Of the running configuration: 1 at the start, and one more with each reload."),
  sluice_config_last_reload_successful: gauge([], "1 unless the last reload was refused."),
  sluice_plans_alive: gauge([], "Configurations that some exchange still runs on, the running one included."),
  sluice_workers: gauge([], "Threads that serve."),
  sluice_worker_restarts_total: counter([], "Threads that were replaced."),
  sluice_access_log_dropped_total: counter(
    [],
    "Access log lines lost because disk or pipe failed, or could not follow.",
  ),
  sluice_spans_dropped_total: counter([], "Trace spans lost because the collector could not follow."),
  sluice_build_info: gauge(["version"], "Always 1."),

  // The process, under the names that Prometheus clients have agreed on.
  process_resident_memory_bytes: gauge([], "Resident memory."),
  process_cpu_seconds_total: counter([], "User and system time."),
  process_start_time_seconds: gauge([], "When the process began, since 1970."),
  process_open_fds: gauge([], "Open file descriptors. Only when run with all permissions, which reading them takes."),

  // At a glance. NaN while there was nothing to measure.
  lb_request_latency_p50: gauge([], "Seconds that half of the last 10 s' exchanges did not exceed."),
  lb_request_latency_p95: gauge([], "Seconds that 95 % of the last 10 s' exchanges did not exceed."),
  lb_request_latency_p99: gauge([], "Seconds that 99 % of the last 10 s' exchanges did not exceed."),
  lb_throughput_rps: gauge([], "Exchanges a second, over the last 10 s."),
  lb_cache_hit_rate: gauge(
    [],
    "Share of the last 10 s' hosts and targets that were among those seen before, 0 to 1. The engine wire has this cache.",
  ),
  lb_connection_pool_efficiency: gauge(
    [],
    "Reused / (reused + opened) backend connections over the last 10 s, 0 to 1.",
  ),
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof METRICS;

export const METRIC_NAMES: readonly MetricName[] = Object.keys(METRICS) as MetricName[];

/** docs/metrics.md. */
export function renderMetricsReference(): string {
  const rows = METRIC_NAMES.map((name) => {
    const { type, labels, help } = METRICS[name];
    return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(", "), help];
  });
  return `${INTRODUCTION}\n${alignedTable([["name", "type", "labels", "meaning"], ...rows])}\n`;
}

const INTRODUCTION = `# Metrics

<!-- Made from lib/observe/metrics/table.ts by \`deno task docs\`; do not edit. -->

In the Prometheus text format (0.0.4), at \`/metrics\` of the admin listener.

- Label values come from the configuration or from fixed lists, never from a request. \`(none)\` is the route of exchanges
  that no route was found for; \`upstream\` is empty where a route answers by itself.
- Counters never go back at a reload, also not those of what the configuration has lost. What is gone is forgotten only
  when its place is needed, the longest gone first: there is room for 2048 routes, 1024 upstreams and 8192 backends.
  What finds none is counted under \`(other)\`.
- Series by reason, result or status class, and the histograms, appear with their first event.
- With several worker threads, numbers are sums over all of them.
- Upstreams that have a backend with the same address and settings share its connections: the numbers of pools, of
  connecting and of TLS stand under the first of them, and are 0 under the others.
`;

/** Aligned as \`deno fmt\` aligns it, so that the committed file is this text. */
function alignedTable(rows: ReadonlyArray<readonly string[]>): string {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((cells) => cells[column].length)));
  const lines = rows.map((cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`);
  return [lines[0], `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...lines.slice(1)].join("\n");
}
