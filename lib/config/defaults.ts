/**
 * Every default, one line each, written as a user would write it. The name is section and key; from it comes the
 * environment variable that moves the default for a whole installation (`retry.backoff.initial` is
 * `SLUICE_RETRY_BACKOFF_INITIAL`). Lists have no variable. What a section is called here, see `schema.ts`.
 */

export type DefaultValue = string | number | boolean | readonly string[];

export const DEFAULTS = {
  "server.workers": 1, // threads; one core carries most sites, and one thread needs no shared state
  "server.drain": "30s", // below the 30 s to 90 s that service managers wait before they kill
  "server.reload_quiet": "250ms", // writers that pause between two halves do so for less
  "server.trusted_proxies": [], // networks; believing nobody is the only safe guess
  "server.forwarded": "x-forwarded", // what backends read today
  "server.underscores": "drop", // as nginx: backends behind CGI take "_" for "-", so such a name may forge another

  "admin.address": "127.0.0.1:9900", // this machine only
  "admin.token": "", // none: then only a loopback address is allowed

  "listener.engine": "serve", // HTTP/2 and TLS without thinking
  "limits.head": "32KiB", // bytes of request line and fields; room for several 4 KiB cookies
  "limits.fields": 100, // fields; as Apache
  "limits.body": "0B", // no limit: backends have their own
  "limits.head_timeout": "10s", // first byte to end of head; slow mobile networks need 2 s to 3 s
  "limits.body_timeout": "30s", // silence while a body is owed
  "limits.body_min_rate": "240B", // a second; as Kestrel and IIS. A phone on GPRS has ten times that, one byte now and then a hundredth
  "limits.idle_timeout": "75s", // keep-alive silence; as nginx, above the 60 s of load balancers in front
  "limits.half_close": "1s", // long enough for the few that end their side and want an answer; who left holds no backend
  "limits.connections": 10000, // sockets; about 300 MiB of buffers at worst
  "limits.connections_per_ip": 0, // no limit: offices and mobile carriers share addresses

  "upstream.strategy": "round_robin", // needs no measurement and surprises nobody
  "upstream.host": "preserve", // backends make links from it
  "upstream.resolve": "30s", // a usual time to live of service names
  "upstream.slow_start": "0s", // no ramp
  "upstream.panic_threshold": 0, // percent; never
  "backend.weight": 1, // equal shares
  "backend.backup": false, // takes part
  "backend.max_connections": 0, // the pool's

  "hash.key": "client_ip", // always there
  "hash.fallback": "random", // spreads what has no key
  "sticky.cookie": "", // "sluice_" and the upstream's name, so that two upstreams on one host do not clash
  "sticky.secret": "", // made at start
  "sticky.ttl": "0s", // session cookie
  "sticky.same_site": "lax", // comes with links from other sites, not with their forms and frames
  "sticky.fallback": "least_connections", // new clients go where it is quiet

  "pool.max_connections": 0, // as many as the process has descriptors for: streams and slow pages are not limited by a guess
  "pool.max_tunnels": 0, // as many as the process has descriptors for
  "pool.max_idle": 64, // sockets kept; what a burst needs again
  "pool.idle_timeout": "55s", // below the usual 60 s of backends, so that we close first
  "pool.max_age": "1h", // lets a changed name or rebalanced network take effect
  "pool.max_requests": 0, // a connection; no limit
  "pool.min_idle": 0, // sockets opened beforehand; none
  "pool.queue": 1024, // requests; some seconds of work for a few hundred connections
  "pool.queue_timeout": "1s", // longer than that is better refused
  "pool.pipelining": 1, // requests in flight on a connection; off, for backends that cannot

  "tls.ca": "", // the system's roots
  "tls.cert": "", // no client certificate
  "tls.key": "",
  "tls.server_name": "", // the url's host

  "timeouts.connect": "3s", // one lost SYN is repeated after 1 s, two after 3 s
  "timeouts.response": "30s", // as most clients wait
  "timeouts.idle": "60s", // silence inside a body; as nginx
  "timeouts.total": "0s", // none: downloads take what they take
  "timeouts.tunnel": "1h", // silence; WebSockets without pings live long

  "health.path": "/healthz", // what most services answer on
  "health.method": "GET", // HEAD is wrongly answered by many
  "health.host": "", // the backend's own
  "health.interval": "5s", // with fall = 3 a dead backend is out after 15 s
  "health.timeout": "2s", // below the interval
  "health.expect": "200-399", // a redirect to a login is alive
  "health.rise": 2, // passes in a row
  "health.fall": 3, // failures in a row

  "circuit.failures": 5, // in a row; chance rarely does that
  "circuit.error_rate": 0.5, // share of the window
  "circuit.window": "10s", // long enough for min_requests on small sites
  "circuit.min_requests": 20, // below it a share means nothing
  "circuit.statuses": "502-504", // a 500 is an answer of the application
  "circuit.open": "5s", // first wait
  "circuit.max_open": "5m", // last wait, after doubling
  "circuit.max_ejected": 100, // percent

  "retry.attempts": 2, // in all; one more backend is asked
  "retry.on": ["connect", "reset", "timeout"], // nothing was answered; a hung backend must not cost others their answers
  "retry.methods": ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"], // idempotent, RFC 9110 §9.2.2
  "retry.budget": 0.2, // of requests; bounds what an outage multiplies
  "retry.body_buffer": "64KiB", // bytes a request; forms and API calls fit
  "retry.backoff.initial": "25ms", // a few round trips
  "retry.backoff.multiplier": 2, // doubles
  "retry.backoff.max": "250ms", // a person does not notice
  "retry.backoff.jitter": 1, // share of the wait that is random; all of it

  "redirect.status": 308, // permanent, keeps the method
  "respond.status": 200,
  "respond.body": "",

  "features.pipelining": true, // does what `pool.pipelining` says
  "features.fast_path": true, // the plain way costs more and gives the same
  "features.prewarm": true, // does what `pool.min_idle` says

  "log.level": "info",
  "log.access": "stdout", // containers collect it
  "log.format": "json", // for machines

  "tracing.endpoint": "http://127.0.0.1:4318/v1/traces", // OTLP over HTTP on this machine
  "tracing.sample": 0.01, // of requests that come undecided
  "tracing.service": "sluice",
} as const satisfies Record<string, DefaultValue>;

export type DefaultName = keyof typeof DEFAULTS;

/** UTF-16 units of the file. A thousand backends with routes take 300 KiB. */
export const CONFIG_LENGTH_MAX = 4 * 2 ** 20;

/** Bytes of a certificate or key file; a bundle of all public roots takes 250 KiB. */
export const PEM_LENGTH_MAX = 2 ** 20;

/** Milliseconds; what a timer can hold (2^31-1 ms), in whole days. */
export const DURATION_MAX = "24d";

/** Bytes of a head that `Deno.serve` reads before it refuses. */
export const SERVE_HEAD_MAX = "64KiB";

/** Fields that `Deno.serve` reads before it refuses. */
export const SERVE_FIELDS_MAX = 128;

/** `SLUICE_` + section + key; "" for a list, which no variable holds. */
export function envNameOf(name: DefaultName): string {
  if (typeof DEFAULTS[name] === "object") return "";
  return `SLUICE_${name.toUpperCase().replaceAll(".", "_")}`;
}
