/** One upstream, from what was read to what `Config` holds. Checks nothing; defaults give way to bounds. */

import { type BackendAddress, formatAddress, parseBackendUrl } from "../../base/address.ts";
import { joinIndex } from "../toml/key_path.ts";
import { maskAt } from "../masks.ts";
import { parseStatusRanges } from "./status_ranges.ts";
import type {
  BackendConfig,
  CircuitConfig,
  HashConfig,
  HealthConfig,
  PoolConfig,
  RetryConfig,
  StatusRange,
  TimeoutsConfig,
  UpstreamConfig,
  UpstreamTlsConfig,
} from "../types.ts";
import type { ReadConfig, Validation } from "./validation.ts";

type MapValue<M> = M extends ReadonlyMap<string, infer V> ? V : never;

export type ReadUpstream = MapValue<ReadConfig["upstreams"]>;

/** What replaces an address that could not be read. */
const NOWHERE: BackendAddress = { kind: "tcp", tls: false, hostname: "", port: 0 };

export function toUpstream(name: string, read: ReadUpstream, path: string, validation: Validation): UpstreamConfig {
  return {
    name,
    strategy: read.strategy,
    backends: read.backends.map((backend, index) =>
      toBackend(backend, joinIndex(`${path}.backends`, index), validation)
    ),
    host: read.host,
    slowStartMs: read.slow_start,
    panicThresholdPercent: read.panic_threshold,
    hash: toHash(read.hash),
    sticky: {
      cookie: read.sticky.cookie === "" ? `sluice_${name}` : read.sticky.cookie,
      secret: read.sticky.secret,
      ttlMs: read.sticky.ttl,
      sameSite: read.sticky.same_site,
      fallback: read.sticky.fallback,
    },
    pool: toPool(read.pool),
    tls: toTls(read.tls, `${path}.tls`, validation),
    timeouts: toTimeouts(read.timeouts),
    dialTimeoutMs: read.timeouts.connect, // until the routes are known
    health: read.health === null ? null : toHealth(read.health),
    circuit: toCircuit(read.circuit),
    retry: toRetry(read.retry),
  };
}

function toBackend(read: ReadUpstream["backends"][number], path: string, validation: Validation): BackendConfig {
  const { found, resolve } = validation;
  let address = found.hasFailed(`${path}.url`) || read.url === "" ? NOWHERE : parseBackendUrl(read.url);
  if (address.kind === "unix") address = { kind: "unix", tls: false, path: resolve(address.path) };
  const mask = maskAt(found.masks, `${path}.url`);
  return {
    name: read.name ?? mask?.replace(/^http:\/\//i, "") ?? formatAddress(address),
    url: mask ?? read.url,
    identity: read.url,
    address,
    weight: read.weight,
    backup: read.backup,
    maxConnections: read.max_connections,
  };
}

function toHash(read: ReadUpstream["hash"]): HashConfig {
  const colon = read.key.indexOf(":");
  const source = colon === -1 ? read.key : read.key.slice(0, colon);
  const name = colon === -1 ? "" : read.key.slice(colon + 1);
  switch (source) {
    case "header":
      return { source, name: name.toLowerCase(), fallback: read.fallback };
    case "cookie":
    case "query":
      return { source, name, fallback: read.fallback };
    default:
      return { source: source === "path" ? "path" : "client_ip", name: "", fallback: read.fallback };
  }
}

function toPool(read: ReadUpstream["pool"]): PoolConfig {
  const bound = read.max_connections === 0 ? Infinity : read.max_connections;
  return {
    maxConnections: read.max_connections,
    maxTunnels: read.max_tunnels,
    maxIdle: Math.min(read.max_idle, bound),
    idleTimeoutMs: read.idle_timeout,
    maxAgeMs: read.max_age,
    maxRequests: read.max_requests,
    minIdle: Math.min(read.min_idle, read.max_idle, bound),
    queue: read.queue,
    queueTimeoutMs: read.queue_timeout,
    pipelining: read.pipelining,
  };
}

/** Paths for now: the contents come when the files are read. */
function toTls(read: ReadUpstream["tls"], path: string, { files, resolve }: Validation): UpstreamTlsConfig {
  const use = (text: string, name: string, holds: "certificate" | "private key") => {
    if (text === "") return "";
    const file = resolve(text);
    files.push({ path: file, key: `${path}.${name}`, holds, group: "" });
    return file;
  };
  return {
    ca: use(read.ca, "ca", "certificate"),
    cert: use(read.cert, "cert", "certificate"),
    key: use(read.key, "key", "private key"),
    serverName: read.server_name,
  };
}

function toTimeouts(read: ReadUpstream["timeouts"]): TimeoutsConfig {
  return {
    connectMs: read.connect,
    responseMs: read.response,
    idleMs: read.idle,
    totalMs: read.total,
    tunnelMs: read.tunnel,
  };
}

function toHealth(read: NonNullable<ReadUpstream["health"]>): HealthConfig {
  return {
    path: read.path,
    method: read.method,
    host: read.host,
    intervalMs: read.interval,
    timeoutMs: Math.min(read.timeout, read.interval),
    expect: statusRanges(read.expect),
    rise: read.rise,
    fall: read.fall,
  };
}

function toCircuit(read: ReadUpstream["circuit"]): CircuitConfig {
  return {
    failures: read.failures,
    errorRate: read.error_rate,
    windowMs: read.window,
    minRequests: read.min_requests,
    statuses: statusRanges(read.statuses),
    openMs: Math.min(read.open, read.max_open),
    maxOpenMs: read.max_open,
    maxEjectedPercent: read.max_ejected,
  };
}

function toRetry(read: ReadUpstream["retry"]): RetryConfig {
  const { backoff } = read;
  return {
    attempts: read.attempts,
    on: {
      connect: read.on.includes("connect"),
      reset: read.on.includes("reset"),
      timeout: read.on.includes("timeout"),
      statuses: read.on.filter((condition) => /^\d/.test(condition)).map(Number),
    },
    methods: read.methods,
    budget: read.budget,
    bodyBufferBytes: read.body_buffer,
    backoff: {
      initialMs: Math.min(backoff.initial, backoff.max),
      multiplier: backoff.multiplier,
      maxMs: backoff.max,
      jitter: backoff.jitter,
    },
  };
}

function statusRanges(text: string): readonly StatusRange[] {
  return text === "" ? [] : parseStatusRanges(text);
}
