/**
 * What a configuration may hold: every section and key with type, range, default and one line of documentation. The one
 * source of validation (`read.ts`), JSON schema (`json_schema.ts`) and reference (`reference.ts`). What depends on more
 * than one key is in `validate*.ts`; what does not work yet in `unsupported.ts`.
 */

import { STRATEGY_NAMES, type StrategyName } from "../../../strategies/selector.ts";
import { DURATION_MAX } from "../defaults.ts";
import { ROUTE } from "./route.ts";
import {
  choice,
  displayName,
  duration,
  flag,
  fraction,
  list,
  named,
  optional,
  orEmpty,
  required,
  section,
  size,
  table,
  text,
  whole,
  withDefault,
} from "./spec.ts";

/** Those that need no other strategy to fall back to. */
const FALLBACK_NAMES = STRATEGY_NAMES.filter((name): name is Exclude<StrategyName, "hash" | "sticky"> =>
  name !== "hash" && name !== "sticky"
);

const SERVER = table({
  workers: withDefault("server.workers", { ...whole(1, 256), word: "auto" }, "Threads that share the ports."),
  drain: withDefault("server.drain", duration("0s", "1d"), "How long what is in flight may take after SIGTERM."),
  reload_quiet: withDefault(
    "server.reload_quiet",
    duration("0s", "1m"),
    "How long the files must have been still before a change of them is taken.",
  ),
  trusted_proxies: withDefault(
    "server.trusted_proxies",
    list(text("cidr")),
    "Networks whose `X-Forwarded-*` or `Forwarded` fields are believed.",
  ),
  forwarded: withDefault(
    "server.forwarded",
    choice("form", ["x-forwarded", "rfc7239", "both", "off"]),
    "Which fields tell backends about the client.",
  ),
  underscores: withDefault(
    "server.underscores",
    choice("treatment", ["drop", "keep", "refuse"]),
    "Request fields with `_` in their names: not passed on, passed on, or the request is answered 400.",
  ),
});

const SOCKET_MODE = 'Rights of a Unix socket, as `"0660"`. Default: the umask\'s; with a group `0660`.';
const SOCKET_GROUP = "Its group, by name (as `/etc/group` has it) or number. Default: the process's.";

const ADMIN = table({
  address: withDefault("admin.address", text("listen_address"), "Where metrics, health, API and dashboard are."),
  mode: optional(text("file_mode"), SOCKET_MODE),
  group: optional(text("group"), SOCKET_GROUP),
  token: withDefault("admin.token", text("field_value"), "Required unless the address is loopback or a Unix socket.", {
    isSecret: true,
  }),
});

const WIRE = { isWireOnly: true };

const LIMITS = table({
  head: withDefault("limits.head", size("1KiB", "1MiB"), "Request line and fields, in all."),
  fields: withDefault("limits.fields", whole(1, 1000), "Fields of a request."),
  body: withDefault("limits.body", size("0B", "1TiB"), "Request body; `0B`: no limit."),
  head_timeout: withDefault("limits.head_timeout", duration("0s", "1h"), "First byte to end of head.", WIRE),
  body_timeout: withDefault(
    "limits.body_timeout",
    duration("0s", "1h"),
    "Silence of a client that owes a request body, or takes nothing of its response; `0s`: no bound.",
  ),
  body_min_rate: withDefault(
    "limits.body_min_rate",
    size("0B", "1GiB"),
    'Bytes a second at which a client has to send and to take bodies, on average over twice `body_timeout`; `0B`: no bound, nor is there one with `body_timeout = "0s"`.',
  ),
  idle_timeout: withDefault("limits.idle_timeout", duration("0s", "1h"), "Keep-alive silence.", WIRE),
  half_close: withDefault(
    "limits.half_close",
    duration("0s", "1h"),
    "How long a client that has closed its side of the connection may wait for what it asked for; `0s`: it is gone at once.",
    WIRE,
  ),
  connections: withDefault("limits.connections", whole(0, 1_000_000), "Open connections; 0: no limit.", WIRE),
  connections_per_ip: withDefault(
    "limits.connections_per_ip",
    whole(0, 1_000_000),
    "Open connections of one address, of one /64 in IPv6; 0: no limit.",
    WIRE,
  ),
});

const LISTENER = table({
  name: optional(displayName(), "For logs and metrics. Default: the address."),
  address: required(text("listen_address"), "`host:port`, `[::]:8080` or `unix:/run/sluice.sock`."),
  mode: optional(text("file_mode"), SOCKET_MODE),
  group: optional(text("group"), SOCKET_GROUP),
  engine: withDefault(
    "listener.engine",
    choice("engine", ["serve", "wire"]),
    "`serve`: Deno.serve, HTTP/1.1 and HTTP/2; `wire`: own HTTP/1.1 engine, fastest and strictest, for clients that are not trusted.",
  ),
  tls: optional(
    table({
      cert: required(text("file"), "PEM file, the whole chain."),
      key: required(text("file"), "PEM file."),
    }),
    "Certificate; replaced live when the files change.",
  ),
  limits: section(LIMITS, "What a client may ask for."),
});

const BACKEND = table({
  url: required(text("backend_url"), "`http://host:port`, `https://host:port` or `unix:/run/app.sock`."),
  name: optional(displayName(), "For logs, metrics and `drain`. Default: the address."),
  weight: withDefault("backend.weight", whole(0, 65535), "Share of the traffic; 0 takes no new traffic."),
  backup: withDefault("backend.backup", flag(), "Used only when no other backend is eligible."),
  max_connections: withDefault(
    "backend.max_connections",
    whole(0, 65535),
    "Connections to it, tunnels apart; 0: as `pool.max_connections` says.",
  ),
});

const HASH = table({
  key: withDefault(
    "hash.key",
    text("hash_key"),
    "`client_ip`, `path`, `header:NAME`, `cookie:NAME` or `query:NAME`.",
  ),
  fallback: withDefault("hash.fallback", choice("strategy", FALLBACK_NAMES), "Who chooses when the key is absent."),
});

const STICKY = table({
  cookie: withDefault("sticky.cookie", text("cookie_name"), "Default: `sluice_` and the upstream's name."),
  secret: withDefault(
    "sticky.secret",
    text("any"),
    "Keys the cookie's value. Default: made at start; set it to keep cookies over restarts.",
    { isSecret: true },
  ),
  ttl: withDefault("sticky.ttl", duration("0s", "400d"), "`0s`: session cookie."),
  same_site: withDefault(
    "sticky.same_site",
    choice("rule", ["lax", "strict", "none"]),
    "Whether requests that other sites cause carry it; `none` makes it `Secure`, as browsers ask for.",
  ),
  fallback: withDefault(
    "sticky.fallback",
    choice("strategy", FALLBACK_NAMES),
    "Who gets a new client, or one whose backend is gone.",
  ),
});

const POOL = table({
  max_connections: withDefault(
    "pool.max_connections",
    whole(0, 65535),
    "Connections to one backend, tunnels apart; 0: as many as the process has descriptors for.",
  ),
  max_tunnels: withDefault(
    "pool.max_tunnels",
    whole(0, 65535),
    "Upgraded connections (WebSocket) to one backend; 0: as many as the process has descriptors for.",
  ),
  max_idle: withDefault("pool.max_idle", whole(0, 65535), "Idle connections kept."),
  idle_timeout: withDefault("pool.idle_timeout", duration("1ms", "1d"), "An idle connection is closed after that."),
  max_age: withDefault("pool.max_age", duration("0s", DURATION_MAX), "`0s`: no limit."),
  max_requests: withDefault("pool.max_requests", whole(0, 1_000_000_000), "Of one connection; 0: no limit."),
  min_idle: withDefault("pool.min_idle", whole(0, 65535), "Connections opened beforehand and kept warm."),
  queue: withDefault(
    "pool.queue",
    whole(0, 1_000_000),
    "Requests that may wait for a connection, with a `max_connections`.",
  ),
  queue_timeout: withDefault("pool.queue_timeout", duration("1ms", "1h"), "How long they may wait."),
  pipelining: withDefault(
    "pool.pipelining",
    whole(1, 256),
    "Requests in flight on one connection: GET, OPTIONS and TRACE without a body; 1: off.",
  ),
});

const UPSTREAM_TLS = table({
  ca: withDefault("tls.ca", text("file_or_none"), "PEM file of roots. Default: the system's."),
  cert: withDefault("tls.cert", text("file_or_none"), "PEM file of a client certificate."),
  key: withDefault("tls.key", text("file_or_none"), "PEM file of its key."),
  server_name: withDefault("tls.server_name", text("host_or_none"), "Name to verify. Default: the url's host."),
});

const TIMEOUTS = table({
  connect: withDefault("timeouts.connect", duration("1ms", "1h"), "TCP and TLS."),
  response: withDefault(
    "timeouts.response",
    duration("0s", DURATION_MAX),
    "Request sent to response head; `0s`: none.",
  ),
  idle: withDefault("timeouts.idle", duration("0s", DURATION_MAX), "Silence inside a body; `0s`: none."),
  total: withDefault("timeouts.total", duration("0s", DURATION_MAX), "Whole exchange with retries; `0s`: none."),
  tunnel: withDefault(
    "timeouts.tunnel",
    duration("0s", DURATION_MAX),
    "Silence in an upgraded connection; `0s`: none.",
  ),
});

const HEALTH = table({
  path: withDefault("health.path", text("probe_path"), "What is asked for."),
  method: withDefault("health.method", text("method"), "How."),
  host: withDefault("health.host", text("host_or_none"), "Host sent. Default: the backend's own."),
  interval: withDefault("health.interval", duration("10ms", "1d"), "Between probes, ±10 %."),
  timeout: withDefault("health.timeout", duration("1ms", "1h"), "For the whole probe."),
  expect: withDefault("health.expect", text("statuses"), "Status codes that pass."),
  rise: withDefault("health.rise", whole(1, 1000), "Passes in a row that bring a backend back."),
  fall: withDefault("health.fall", whole(1, 1000), "Failures in a row that take it out."),
});

const CIRCUIT = table({
  failures: withDefault("circuit.failures", whole(0, 1_000_000), "In a row; 0: never by this."),
  error_rate: withDefault("circuit.error_rate", fraction(0, 1), "Or this share over the window; 0: never by this."),
  window: withDefault("circuit.window", duration("100ms", "1h"), "What the share is taken over."),
  min_requests: withDefault("circuit.min_requests", whole(1, 1_000_000), "The window must hold so many."),
  statuses: withDefault("circuit.statuses", text("statuses"), "Responses that count as failures."),
  open: withDefault("circuit.open", duration("1ms", "1d"), "First wait, doubled at each re-opening."),
  max_open: withDefault("circuit.max_open", duration("1ms", "1d"), "Longest wait."),
  max_ejected: withDefault("circuit.max_ejected", whole(0, 100), "Percent of backends that may be open at once."),
});

const RETRY = table({
  attempts: withDefault("retry.attempts", whole(1, 16), "In all, the first included; 1: none."),
  on: withDefault(
    "retry.on",
    list({ ...text("retry_condition"), takesNumber: true }),
    "`connect`, `reset`, `timeout` and status codes from 400 to 599.",
  ),
  methods: withDefault("retry.methods", list(text("method")), "Those that may be sent twice."),
  budget: withDefault(
    "retry.budget",
    fraction(0, 1),
    "Retries as a share of requests; ten in ten seconds in any case.",
  ),
  body_buffer: withDefault(
    "retry.body_buffer",
    size("0B", "16MiB"),
    "A request body up to this size is read before a backend is asked, and kept to be sent again.",
  ),
  backoff: section(
    table({
      initial: withDefault("retry.backoff.initial", duration("0s", "1m"), "Before the first retry."),
      multiplier: withDefault("retry.backoff.multiplier", fraction(1, 10), "From each wait to the next."),
      max: withDefault("retry.backoff.max", duration("0s", "1m"), "Longest wait."),
      jitter: withDefault("retry.backoff.jitter", fraction(0, 1), "Share of the wait that is random."),
    }),
    "Waits between attempts.",
  ),
});

const UPSTREAM = table({
  strategy: withDefault("upstream.strategy", choice("strategy", STRATEGY_NAMES), "How a backend is chosen."),
  backends: required(list(BACKEND, { lengthMin: 1, isSet: false }), "Where requests can go."),
  host: withDefault("upstream.host", text("host_setting"), "Host sent: `preserve`, `backend` (its own), or a name."),
  resolve: withDefault("upstream.resolve", duration("1s", "1d"), "How often a name is looked up again."),
  slow_start: withDefault("upstream.slow_start", duration("0s", "1h"), "Ramp of a backend that comes back or joins."),
  panic_threshold: withDefault("upstream.panic_threshold", whole(0, 100), "Percent; below it health is ignored."),
  hash: section(HASH, 'With `strategy = "hash"`.'),
  sticky: section(STICKY, 'With `strategy = "sticky"`.'),
  pool: section(POOL, "Connections, per backend and worker."),
  tls: section(UPSTREAM_TLS, "For https backends."),
  timeouts: section(TIMEOUTS, "How long what may take."),
  health: optional(HEALTH, "Active probes; absent: none."),
  circuit: section(CIRCUIT, "Takes a failing backend out, judged from traffic."),
  retry: section(RETRY, "When a failed attempt is repeated at another backend."),
});

const FEATURES = table({
  pipelining: withDefault("features.pipelining", flag(), "`pool.pipelining`; false: as if it were 1 everywhere."),
  fast_path: withDefault(
    "features.fast_path",
    flag(),
    "Remembered hosts, targets and fields, lent buffers, small bodies sent with their heads, sockets read and written without Deno's wrapping; false: all anew for each request, by Deno's own methods.",
  ),
  prewarm: withDefault("features.prewarm", flag(), "`pool.min_idle`; false: nothing is opened beforehand."),
});

const LOG = table({
  level: withDefault(
    "log.level",
    choice("level", ["debug", "info", "warn", "error"]),
    "Least important that is logged.",
  ),
  access: withDefault("log.access", text("file"), "`stdout`, `off`, or a file, reopened at SIGHUP."),
  format: withDefault("log.format", choice("format", ["json", "combined"]), "Of an access line."),
});

const TRACING = table({
  endpoint: withDefault("tracing.endpoint", text("http_url"), "OTLP over HTTP."),
  sample: withDefault("tracing.sample", fraction(0, 1), "Share of the requests that come without a decision."),
  service: withDefault("tracing.service", text("display_name"), "Name in the traces."),
});

export const SCHEMA = table({
  server: section(SERVER, "The process."),
  admin: optional(ADMIN, "Admin listener; absent: none."),
  listeners: required(list(LISTENER, { lengthMin: 1, isSet: false }), "Where clients come in."),
  upstreams: orEmpty(named("bare_name", UPSTREAM), "Groups of backends, by name."),
  routes: required(list(ROUTE, { lengthMin: 1, isSet: false }), "Which requests go where; the most specific wins."),
  features: section(FEATURES, "Switches for optimisations; false means the plain way."),
  log: section(LOG, "What is written where."),
  tracing: optional(TRACING, "Absent: W3C `traceparent` is only passed on."),
});
