/**
 * What the admin API says, as JSON: the one description that API, dashboard and command line share.
 *
 * Times are RFC 3339 in UTC, durations end in their unit. Fields are added, never renamed: scripts read them.
 */

import type { HealthState } from "../backend/health_reason.ts";
import type { MemberStanding } from "../backend/health_group.ts";

export interface StatusView {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly generation: number;
  readonly configPath: string;
  readonly lastReload: ReloadView;
  /** Plans that some exchange still runs on, the current one included. */
  readonly plansAlive: number;
  readonly isDraining: boolean;
  readonly readiness: ReadinessView;
  readonly logLevel: string;
  readonly workers: readonly WorkerView[];
  readonly listeners: readonly ListenerView[];
  readonly traffic: TrafficView;
  readonly upstreams: readonly UpstreamView[];
}

export interface ReloadView {
  readonly at: string;
  readonly ok: boolean;
  /** "start", "file", "SIGHUP", "api". */
  readonly trigger: string;
  /** Why it was refused, a line each; empty when it was not. */
  readonly problems: readonly string[];
}

export interface ReadinessView {
  readonly ready: boolean;
  /** For people; empty when ready. */
  readonly reasons: readonly string[];
}

export interface WorkerView {
  /** 1 for the first; 0 stands for the process itself, when it serves without threads. */
  readonly id: number;
  readonly state: "serving" | "starting" | "draining";
  readonly restarts: number;
  readonly exchanges: number;
}

export interface ListenerView {
  readonly name: string;
  readonly address: string;
  readonly engine: "serve" | "wire";
  readonly tls: boolean;
  /** Open ones of clients; null where that is not known: with the engine serve. */
  readonly connections: number | null;
}

/** Over the last seconds. */
export interface TrafficView {
  readonly requestsPerSecond: number;
  /** Of them, answered with 5xx or not at all. */
  readonly failuresPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly inFlight: number;
  /** Since the start. */
  readonly requestsTotal: number;
  /** Shares, 0 to 1. */
  readonly cacheHitRate: number;
  readonly poolEfficiency: number;
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
}

/** What plots are made of: a second of the last minutes. */
export interface SampleView {
  readonly at: string;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly inFlight: number;
}

export interface UpstreamView {
  readonly name: string;
  readonly strategy: string;
  readonly isPanicking: boolean;
  /** Why weights other than 0 and 1 do nothing, with what to use instead; "": they count. */
  readonly weightsIgnored: string;
  readonly eligible: number;
  readonly requestsPerSecond: number;
  readonly backends: readonly BackendView[];
}

export interface BackendView {
  readonly name: string;
  readonly url: string;
  readonly weight: number;
  /** What the file says. */
  readonly configuredWeight: number;
  readonly isBackup: boolean;
  readonly state: HealthState;
  /** What its group makes of the state. */
  readonly standing: MemberStanding;
  readonly isEligible: boolean;
  /** For people: `connect_refused × 5 (traffic)`. */
  readonly reason: string;
  readonly since: string;
  /** When the wait of `open` ends, unless probes go on failing. */
  readonly until: string | null;
  /** Probes that have failed in a row by now. From `health.fall` of them on the backend is out until probes pass. */
  readonly probeFailures: number;
  readonly override: OverrideView | null;
  readonly inFlight: number;
  /** Mean time to the response head over the last 10 s; 0: there was none. */
  readonly latencyMs: number;
  readonly pool: PoolView;
  readonly requestsPerSecond: number;
  /** Of its upstream's requests, 0 to 1. */
  readonly share: number;
  readonly requestsTotal: number;
  readonly failuresTotal: number;
}

/** What an operator has set over the file; kept over reloads until it is cleared. */
export interface OverrideView {
  readonly command: "drain" | "disable" | null;
  readonly weight: number | null;
  readonly since: string;
}

export interface PoolView {
  readonly active: number;
  readonly idle: number;
  /** They carry another protocol. */
  readonly tunnels: number;
  readonly waiting: number;
  /** Since the start. */
  readonly opened: number;
  readonly reused: number;
}

export interface RouteView {
  readonly name: string;
  readonly host: string;
  readonly path: string;
  readonly methods: readonly string[];
  readonly conditions: readonly string[];
  /** "upstream api", "redirect 308 to …", "respond 200". */
  readonly action: string;
  readonly requestsTotal: number;
  readonly requestsPerSecond: number;
}

/** One effective value of the configuration and where it came from. Secrets are masked. */
export interface SettingView {
  readonly key: string;
  readonly value: string;
  readonly origin: string;
}

export interface EventView {
  /** Ascending, for "what is new since". */
  readonly id: number;
  readonly at: string;
  readonly kind: "error" | "health" | "reload" | "admin" | "worker";
  /** A stable name: an error code, a state, a command. */
  readonly code: string;
  readonly message: string;
}

/** What a reload to another file would change. */
export interface PlanView {
  /** The file is valid: what follows is what a reload would do. */
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly changes: readonly ChangeView[];
  readonly warnings: readonly string[];
  /** What takes effect only at a restart. */
  readonly restartNeeded: readonly string[];
}

export interface ChangeView {
  readonly kind: "added" | "removed" | "changed";
  readonly area: "setting" | "listener" | "upstream" | "backend" | "route";
  /** "api/b1", "public", "server.drain". */
  readonly name: string;
  /** For people, one line. */
  readonly detail: string;
  /** Exchanges that a removed backend still has, which end on the old plan; 0 elsewhere. */
  readonly inFlight: number;
}

/** Answer to a command. */
export interface OutcomeView {
  readonly ok: boolean;
  readonly message: string;
  readonly problems: readonly string[];
}

export interface ExplanationView {
  /** As `sluice explain` prints it, with the health of now. */
  readonly lines: readonly string[];
  readonly route: string | null;
}
