/**
 * The plan: the configuration with every choice made that it already decides. Immutable, replaced by one assignment.
 */

import type { BackendAddress, CidrSet } from "../base/address.ts";
import type { BackendTable } from "../base/backend_table.ts";
import type { HealthMachine } from "../health/machine.ts";
import type { BackendHealth, GroupHealth } from "../health/gate.ts";
import type { HealthGroup } from "../health/group.ts";
import type { RegistryEntry } from "./registry.ts";
import type {
  Config,
  FeaturesConfig,
  ListenerConfig,
  RouteConfig,
  TimeoutsConfig,
  UpstreamConfig,
} from "../config/types.ts";
import type { FieldEdits } from "../fields/edits.ts";
import type { ForwardedFields } from "../fields/forwarded.ts";
import type { RowKind } from "../observe/metrics/layout.ts";
import type { Backoff } from "../resilience/backoff.ts";
import type { RetryBudget } from "../resilience/budget.ts";
import type { RetrySettings } from "../resilience/retry_policy.ts";
import type { Redirect } from "../routing/redirect.ts";
import type { Rewrite } from "../routing/rewrite.ts";
import type { RouteTable } from "../routing/route_table.ts";
import type { PipelinePool } from "../transport/http1/pipeline_pool.ts";
import type { Pool } from "../transport/pool.ts";
import type { Selector } from "../../strategies/selector.ts";
import type { Affinity } from "./affinity.ts";
import type { PoolMetrics } from "./pool_metrics.ts";

export interface Plan {
  /** 1 for the first, +1 a reload. */
  readonly generation: number;
  /** What it was made from: for the diff with the next one and for display, never for a request. */
  readonly config: Config;
  readonly routes: RouteTable<RoutePlan>;
  readonly upstreams: ReadonlyMap<string, UpstreamPlan>;
  readonly listeners: readonly ListenerConfig[];
  readonly features: FeaturesConfig;
  readonly trusted: CidrSet;
  readonly forwarded: ForwardedFields;
  /** What becomes of request fields with "_" in their names: not passed on, or the whole request is refused. */
  readonly dropsUnderscores: boolean;
  readonly refusesUnderscores: boolean;
  /** What the plan holds besides its members, given back when its last exchange ends. */
  readonly held: Held;
}

/** What is held of the shared resources. */
export interface Held {
  readonly backends: readonly RegistryEntry<BackendState>[];
  readonly machines: readonly RegistryEntry<HealthMachine>[];
  /** Once. */
  release(): void;
}

/** A row of the metrics that is held. */
export interface MetricsRow {
  readonly kind: RowKind;
  readonly row: number;
}

/** What a backend keeps over reloads. */
export interface BackendState {
  readonly row: number;
  readonly pool: Pool;
  /** Shares the pool's connections; null where the pool's settings rule it out. */
  readonly pipelines: PipelinePool | null;
  readonly metrics: PoolMetrics;
}

export interface RoutePlan {
  readonly name: string;
  readonly metricsRow: number;
  /** Its path as it is written: what metrics and traces may group by. */
  readonly pattern: string;
  readonly action: ActionPlan;
  /** What carries the action out, with the filters around it. */
  readonly handler: RouteHandler;
  /** Names of the filters, in the order in which a request passes them. */
  readonly filters: readonly string[];
  /** Whether its methods name TRACE, which shows its sender what we add for backends. */
  readonly allowsTrace: boolean;
  readonly requestEdits: FieldEdits;
  readonly responseEdits: FieldEdits;
}

/** Answers a route's requests. `lib/proxy` makes it and runs it: what an exchange is lies above the plan. */
export interface RouteHandler {
  readonly run: (exchange: never, matched: never) => unknown;
}

export type CompiledHandler = Pick<RoutePlan, "handler" | "filters">;

/** How handlers are made. Does not fail, holds nothing that has to be given back. */
export type MakeHandler = (route: RouteConfig, action: ActionPlan, responseEdits: FieldEdits) => CompiledHandler;

export type ActionPlan = UpstreamAction | RedirectAction | RespondAction;

export interface UpstreamAction {
  readonly kind: "upstream";
  readonly upstream: UpstreamPlan;
  /** Null: the target as it came. */
  readonly rewrite: Rewrite | null;
  /** The upstream's, with what the route overrides. */
  readonly timeouts: TimeoutsConfig;
  /** How long it waits for a dial, where that is less than a dial may take; else 0. */
  readonly connectMs: number;
}

export interface RedirectAction {
  readonly kind: "redirect";
  readonly status: number;
  readonly to: Redirect;
}

export interface RespondAction {
  readonly kind: "respond";
  readonly status: number;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
}

export interface UpstreamPlan {
  readonly name: string;
  readonly metricsRow: number;
  /**
   * Who serves now: the one part of a plan that changes while it runs, by one assignment. An exchange reads it once, so
   * that an index always belongs to the members from which it came.
   */
  members: Members;
  /** Members that were replaced and are not given back yet: exchanges may still be on them. */
  readonly retired: Set<Members>;
  readonly table: BackendTable;
  readonly retry: RetrySettings;
  /** Methods that may share a connection with others. */
  readonly pipelined: ReadonlySet<string>;
  readonly budget: RetryBudget;
  readonly backoff: Backoff;
  readonly bodyBufferBytes: number;
  /** 1 per status code that counts as a failure for the circuit; 600 entries. */
  readonly failureStatuses: Uint8Array;
}

/** The backends of an upstream as they are now, and all that goes by their indexes. */
export interface Members {
  /** The upstream with these backends and weights: for display, never for a request. */
  readonly config: UpstreamConfig;
  /** Given back when the last exchange on them has ended. */
  readonly held: Held;
  readonly backends: readonly BackendPlan[];
  readonly selector: Selector;
  /** What exchanges ask. */
  readonly health: GroupHealth;
  /** Where health is judged: null in a worker thread, which only reads the verdict. */
  readonly judged: Judged | null;
  /** Words of a mask of members. */
  readonly maskWords: number;
  readonly affinity: Affinity;
}

/** The judging side of an upstream's health, for probes, waits and the admin side. */
export interface Judged {
  readonly group: HealthGroup;
  /** One per index. */
  readonly machines: readonly HealthMachine[];
}

export interface BackendPlan {
  readonly name: string;
  readonly index: number;
  readonly row: number;
  readonly metricsRow: number;
  readonly pool: Pool;
  /** For requests that may share a connection; null: none does. */
  readonly pipelines: PipelinePool | null;
  /** What the pool counts into. */
  readonly metrics: PoolMetrics;
  /** What exchanges ask and report to. */
  readonly health: BackendHealth;
  readonly address: BackendAddress;
  /** What to send as `Host`; "": the client's. */
  readonly host: string;
  /** Its own name: for a client that sent no `Host`, as HTTP/1.0 may. */
  readonly ownHost: string;
}
