/**
 * The validated configuration: every default filled in, every unit in the name, every name resolved.
 *
 * `validate` makes it, `compile` consumes it; nothing else reads it. Durations are milliseconds, sizes bytes; 0 means
 * "none" or "no limit" wherever the reference says so.
 */

import type { StrategyName } from "../../strategies/selector.ts";
import type { BackendAddress, ListenAddress } from "../base/address.ts";
import type { Masks } from "./masks.ts";

export type { BackendAddress, ListenAddress } from "../base/address.ts";

export interface Config {
  /** Absolute path of the file, or a label when the text did not come from one. */
  readonly path: string;
  readonly server: ServerConfig;
  readonly admin: AdminConfig | null;
  readonly listeners: readonly ListenerConfig[];
  readonly upstreams: readonly UpstreamConfig[];
  readonly routes: readonly RouteConfig[];
  readonly features: FeaturesConfig;
  readonly log: LogConfig;
  /** Null: trace fields of clients pass as they came. */
  readonly tracing: TracingConfig | null;
  /** What came from the environment, for whoever shows a part of this. */
  readonly masks: Masks;
}

/** Switches for optimisations; false: the plain way. */
export interface FeaturesConfig {
  readonly pipelining: boolean;
  readonly prewarm: boolean;
  readonly fastPath: boolean;
}

export interface ServerConfig {
  /** 1 or more; "auto" is already the number of cores. */
  readonly workers: number;
  readonly drainMs: number;
  readonly reloadQuietMs: number;
  /** CIDRs as written, each valid. */
  readonly trustedProxies: readonly string[];
  readonly forwarded: "x-forwarded" | "rfc7239" | "both" | "off";
  /** What becomes of request fields with "_" in their names. */
  readonly underscores: "drop" | "keep" | "refuse";
}

/** Who may connect; of a Unix socket. */
export interface SocketRightsConfig {
  /** Octal; null: the umask decides, or `0660` with a group. */
  readonly mode: string | null;
  /** As written. */
  readonly group: string | null;
  /** Its number; -1 for none. */
  readonly gid: number;
}

export interface AdminConfig extends SocketRightsConfig {
  readonly address: ListenAddress;
  readonly token: string;
}

export interface ListenerConfig extends SocketRightsConfig {
  readonly name: string;
  readonly address: ListenAddress;
  /** The address as written, for people: with `${NAME}` where it came from the environment. */
  readonly addressText: string;
  readonly engine: "serve" | "wire";
  /** Absolute paths. */
  readonly tls: { readonly certPath: string; readonly keyPath: string } | null;
  readonly limits: ListenerLimits;
}

export interface ListenerLimits {
  readonly headBytesMax: number;
  readonly fieldsMax: number;
  readonly bodyBytesMax: number;
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Bytes a second; 0: no bound. */
  readonly bodyRateMin: number;
  readonly idleTimeoutMs: number;
  /** How long what was asked for may take once the client's side has ended; 0: no time. */
  readonly halfCloseMs: number;
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
}

export interface UpstreamConfig {
  readonly name: string;
  readonly strategy: StrategyName;
  readonly backends: readonly BackendConfig[];
  /** "preserve", "backend", or a literal name to send. */
  readonly host: string;
  readonly slowStartMs: number;
  readonly panicThresholdPercent: number;
  readonly hash: HashConfig;
  readonly sticky: StickyConfig;
  readonly pool: PoolConfig;
  readonly tls: UpstreamTlsConfig;
  readonly timeouts: TimeoutsConfig;
  /** The longest `timeouts.connect` of the upstream and of its routes: connections are for all of them. */
  readonly dialTimeoutMs: number;
  readonly health: HealthConfig | null;
  readonly circuit: CircuitConfig;
  readonly retry: RetryConfig;
}

export interface BackendConfig {
  readonly name: string;
  /** As written, for people: with `${NAME}` where it came from the environment. */
  readonly url: string;
  /** As written, interpolated. Never shown: what hashes and cookies tell backends apart by. */
  readonly identity: string;
  readonly address: BackendAddress;
  readonly weight: number;
  readonly backup: boolean;
  /** 0: the pool's. */
  readonly maxConnections: number;
}

export interface HashConfig {
  readonly source: "client_ip" | "path" | "header" | "cookie" | "query";
  /** The name of the header (lower case), cookie or query parameter; "" otherwise. */
  readonly name: string;
  readonly fallback: StrategyName;
}

export interface StickyConfig {
  readonly cookie: string;
  /** "": made at start. */
  readonly secret: string;
  readonly ttlMs: number;
  readonly sameSite: "lax" | "strict" | "none";
  readonly fallback: StrategyName;
}

export interface PoolConfig {
  /** 0: as many as the process has descriptors for; so with tunnels. */
  readonly maxConnections: number;
  readonly maxTunnels: number;
  readonly maxIdle: number;
  readonly idleTimeoutMs: number;
  readonly maxAgeMs: number;
  readonly maxRequests: number;
  readonly minIdle: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
  readonly pipelining: number;
}

/** File contents, read at load, so that a change of the files is a change of the configuration. */
export interface UpstreamTlsConfig {
  /** PEM; "" when absent. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly serverName: string;
}

export interface TimeoutsConfig {
  readonly connectMs: number;
  readonly responseMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
  readonly tunnelMs: number;
}

export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export interface HealthConfig {
  readonly path: string;
  readonly method: string;
  readonly host: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly expect: readonly StatusRange[];
  readonly rise: number;
  readonly fall: number;
}

export interface CircuitConfig {
  readonly failures: number;
  readonly errorRate: number;
  readonly windowMs: number;
  readonly minRequests: number;
  readonly statuses: readonly StatusRange[];
  readonly openMs: number;
  readonly maxOpenMs: number;
  readonly maxEjectedPercent: number;
}

export interface RetryConfig {
  readonly attempts: number;
  readonly on: {
    readonly connect: boolean;
    readonly reset: boolean;
    readonly timeout: boolean;
    readonly statuses: readonly number[];
  };
  readonly methods: readonly string[];
  readonly budget: number;
  readonly bodyBufferBytes: number;
  readonly backoff: {
    readonly initialMs: number;
    readonly multiplier: number;
    readonly maxMs: number;
    readonly jitter: number;
  };
}

export interface RouteConfig {
  readonly name: string;
  /** 1-based line of its `[[routes]]`, for messages. */
  readonly line: number;
  readonly match: RouteMatch;
  readonly action: RouteAction;
  /** Template; null: the target as it came. */
  readonly rewrite: string | null;
  /** Only what the route overrides. */
  readonly timeouts: Partial<TimeoutsConfig>;
  readonly requestHeaders: HeaderEdits;
  readonly responseHeaders: HeaderEdits;
}

export interface RouteMatch {
  /** Lower case; "example.com" or "*.example.com"; empty: any. */
  readonly hosts: readonly string[];
  /** "/a", "/a/*", "/users/:id", "/users/:id/*"; "/*" when absent. */
  readonly path: string;
  /** Upper case; empty: any. */
  readonly methods: readonly string[];
  /** Lower-case names; "*": present. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly query: ReadonlyArray<readonly [name: string, value: string]>;
}

export type RouteAction =
  | { readonly kind: "upstream"; readonly upstream: string }
  | { readonly kind: "redirect"; readonly to: string; readonly status: number }
  | {
    readonly kind: "respond";
    readonly status: number;
    readonly body: string;
    readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  };

export interface HeaderEdits {
  readonly set: ReadonlyArray<readonly [name: string, value: string]>;
  readonly add: ReadonlyArray<readonly [name: string, value: string]>;
  /** Lower case. */
  readonly remove: readonly string[];
}

export interface LogConfig {
  readonly level: "debug" | "info" | "warn" | "error";
  /** "stdout", "off", or an absolute path. */
  readonly access: string;
  readonly format: "json" | "combined";
}

export interface TracingConfig {
  /** http or https URL of an OTLP receiver, with its path. */
  readonly endpoint: string;
  /** 0 to 1. */
  readonly sample: number;
  readonly service: string;
}
