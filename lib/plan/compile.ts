/**
 * `Config` to `Plan`: every choice that the configuration already decides is made here, once.
 *
 * Compiling has no effect on the running plan. What it takes from the shared resources it gives back when it fails.
 */

import { CidrSet } from "../base/address.ts";
import type { RegistryEntry } from "./registry.ts";
import { ConfigError, type ConfigIssue } from "../config/issue.ts";
import { redactor, shownAt } from "../config/masks.ts";
import type {
  BackendConfig,
  Config,
  FeaturesConfig,
  RouteConfig,
  StatusRange,
  UpstreamConfig,
} from "../config/types.ts";
import { compileEdits } from "../fields/edits.ts";
import { ForwardedFields } from "../fields/forwarded.ts";
import { compileHashKey } from "../fields/hash_key.ts";
import { stickyValues } from "../fields/cookies.ts";
import type { RowKind } from "../observe/metrics/layout.ts";
import type { Labels, MetricsRows } from "../observe/metrics/rows.ts";
import { createBackoff } from "../resilience/backoff.ts";
import { RetryBudget } from "../resilience/budget.ts";
import { compileRetry } from "../resilience/retry_policy.ts";
import { compileRedirect } from "../routing/redirect.ts";
import { compileRewrite } from "../routing/rewrite.ts";
import { describeConflict, RouteConflictError } from "../routing/route_conflicts.ts";
import { RouteTable } from "../routing/route_table.ts";
import { createSelector } from "../../strategies/factory.ts";
import { hostOf } from "./backend_host.ts";
import { type Affinity, HashAffinity, NoAffinity, StickyAffinity } from "./affinity.ts";
import type { HealthSource } from "./health_source.ts";
import type { Resources } from "./resources.ts";
import type {
  ActionPlan,
  BackendPlan,
  BackendState,
  Judged,
  Members,
  MetricsRow,
  Plan,
  RoutePlan,
  UpstreamPlan,
} from "./types.ts";

/**
 * RFC 9110 §9.2.1. What shares a connection may have to be sent twice through no fault of its own, so it must be safe and
 * the upstream must let it be repeated. PUT and DELETE are idempotent, but sent twice a DELETE is answered differently. Nor
 * HEAD: a backend that answers it with a body, as some do, would have the body taken for the next one's answer.
 */
const PIPELINED_METHODS = ["GET", "OPTIONS", "TRACE"];

const SAME_SITE = { lax: "Lax", strict: "Strict", none: "None" } as const;

export interface CompileContext {
  readonly resources: Resources;
  readonly generation: number;
  readonly health: HealthSource;
  /** For upstreams without a sticky secret of their own. */
  readonly stickySecret: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** @throws {ConfigError} for what only shows when it is put together: routes that tie, templates that don't fit. */
export async function compile(config: Config, context: CompileContext): Promise<Plan> {
  const backends: RegistryEntry<BackendState>[] = [];
  const judged: Judged[] = [];
  const metricsRows = new PlanRows(context.resources.metricsRows);
  try {
    const upstreams = new Map<string, UpstreamPlan>();
    for (const upstream of config.upstreams) {
      const affinity = await compileAffinity(upstream, context);
      const plan = compileUpstream(upstream, affinity, { context, features: config.features, backends, metricsRows });
      if (plan.members.judged !== null) judged.push(plan.members.judged);
      upstreams.set(upstream.name, plan);
    }
    return {
      generation: context.generation,
      config,
      routes: compileRoutes(config, upstreams, metricsRows),
      upstreams,
      listeners: config.listeners,
      features: config.features,
      trusted: new CidrSet(config.server.trustedProxies),
      forwarded: new ForwardedFields(config.server.forwarded),
      dropsUnderscores: config.server.underscores !== "keep",
      refusesUnderscores: config.server.underscores === "refuse",
      backends,
      machines: context.health.machines,
      metricsRows: metricsRows.held,
    };
  } catch (error) {
    for (const { group } of judged) group.close();
    releaseAll(context.resources, { backends, machines: context.health.machines, metricsRows: metricsRows.held });
    throw error;
  }
}

/** Gives back what a plan holds; for the end of its last exchange. */
export function dispose(plan: Plan, resources: Resources): void {
  for (const upstream of plan.upstreams.values()) upstream.members.judged?.group.close();
  releaseAll(resources, plan);
}

function releaseAll(resources: Resources, held: Pick<Plan, "backends" | "machines" | "metricsRows">): void {
  for (const entry of held.backends) resources.backends.release(entry);
  for (const entry of held.machines) resources.machines.release(entry);
  for (const { kind, row } of held.metricsRows) resources.metricsRows.release(kind, row);
}

/** The rows of metrics that a plan takes, remembered to be given back. */
class PlanRows {
  readonly held: MetricsRow[] = [];
  readonly #rows: MetricsRows;

  constructor(rows: MetricsRows) {
    this.#rows = rows;
  }

  acquire(kind: RowKind, labels: Labels): number {
    const row = this.#rows.acquire(kind, labels);
    this.held.push({ kind, row });
    return row;
  }
}

interface UpstreamParts {
  readonly context: CompileContext;
  readonly features: FeaturesConfig;
  readonly backends: RegistryEntry<BackendState>[];
  readonly metricsRows: PlanRows;
}

function compileUpstream(upstream: UpstreamConfig, affinity: Affinity, parts: UpstreamParts): UpstreamPlan {
  return {
    name: upstream.name,
    metricsRow: parts.metricsRows.acquire("upstream", [upstream.name]),
    members: compileMembers(upstream, affinity, parts),
    table: parts.context.resources.backendRows.table,
    retry: compileRetry(upstream.retry),
    pipelined: new Set(PIPELINED_METHODS.filter((method) => upstream.retry.methods.includes(method))),
    budget: new RetryBudget(upstream.retry.budget),
    backoff: createBackoff(upstream.retry.backoff),
    bodyBufferBytes: upstream.retry.attempts > 1 ? upstream.retry.bodyBufferBytes : 0,
    failureStatuses: statusTable(upstream.circuit.statuses),
  };
}

function compileMembers(upstream: UpstreamConfig, affinity: Affinity, parts: UpstreamParts): Members {
  const { resources, random } = parts.context;
  const health = parts.context.health.healthOf(upstream);
  const backends = upstream.backends.map((backend, index): BackendPlan => {
    const state = resources.acquireBackend(upstream, backend);
    parts.backends.push(state);
    const { row, pool, pipelines, metrics } = state.resource;
    return {
      name: backend.name,
      index,
      row,
      metricsRow: parts.metricsRows.acquire("backend", [upstream.name, backend.name]),
      pool,
      pipelines: parts.features.pipelining ? pipelines : null,
      metrics,
      health: health.backends[index],
      host: hostFor(upstream, backend),
      ownHost: hostOf(backend.address),
    };
  });
  return {
    config: upstream,
    selector: createSelector({
      strategy: upstream.strategy,
      weights: upstream.backends.map((backend) => backend.weight),
      backups: upstream.backends.map((backend) => backend.backup),
      identities: upstream.backends.map((backend) => backend.identity),
      rows: Int32Array.from(backends, (backend) => backend.row),
      table: resources.backendRows.table,
      eligible: health.group.eligible,
      random,
      fallback: upstream.strategy === "sticky" ? upstream.sticky.fallback : upstream.hash.fallback,
    }),
    backends,
    health: health.group,
    judged: health.judged,
    maskWords: health.group.eligible.length,
    affinity,
  };
}

/** What to send as `Host`; "": the client's. */
function hostFor(upstream: UpstreamConfig, backend: BackendConfig): string {
  if (upstream.host === "preserve") return "";
  return upstream.host === "backend" ? hostOf(backend.address) : upstream.host;
}

async function compileAffinity(upstream: UpstreamConfig, context: CompileContext): Promise<Affinity> {
  if (upstream.strategy === "hash") return new HashAffinity(compileHashKey(upstream.hash.source, upstream.hash.name));
  if (upstream.strategy !== "sticky") return new NoAffinity();
  const { cookie, ttlMs, sameSite, secret } = upstream.sticky;
  const values = await stickyValues(
    secret === "" ? context.stickySecret : secret,
    upstream.backends.map((backend) => `${upstream.name}\n${backend.identity}`),
  );
  return new StickyAffinity({ cookie, ttlMs, sameSite: SAME_SITE[sameSite], values });
}

function compileRoutes(
  config: Config,
  upstreams: ReadonlyMap<string, UpstreamPlan>,
  metricsRows: PlanRows,
): RouteTable<RoutePlan> {
  const issues: ConfigIssue[] = [];
  const specs = config.routes.map((route, index) => {
    const { name, line, match } = route;
    return {
      name,
      line,
      match,
      value: compileRoute(route, { config, upstreams, issues, metricsRows, key: `routes[${index}]` }),
    };
  });
  const redact = redactor(config.masks);
  if (issues.length > 0) {
    throw new ConfigError(config.path, issues.map((issue) => ({ ...issue, message: redact(issue.message) })));
  }
  try {
    return new RouteTable(specs);
  } catch (error) {
    if (!(error instanceof RouteConflictError)) throw error;
    throw new ConfigError(
      config.path,
      error.conflicts.map((conflict) => ({
        line: conflict.second.line,
        key: "routes",
        message: redact(describeConflict(conflict)),
      })),
    );
  }
}

interface RouteParts {
  readonly config: Config;
  readonly upstreams: ReadonlyMap<string, UpstreamPlan>;
  readonly issues: ConfigIssue[];
  readonly metricsRows: PlanRows;
  readonly key: string;
}

function compileRoute(route: RouteConfig, parts: RouteParts): RoutePlan {
  const upstream = route.action.kind === "upstream" ? route.action.upstream : "";
  return {
    name: route.name,
    metricsRow: parts.metricsRows.acquire("route", [route.name, upstream]),
    pattern: shownAt(parts.config.masks, `${parts.key}.path`, route.match.path),
    action: compileAction(route, parts),
    allowsTrace: route.match.methods.includes("TRACE"),
    requestEdits: compileEdits(route.requestHeaders, true),
    responseEdits: compileEdits(route.responseHeaders),
  };
}

function compileAction(route: RouteConfig, { config, upstreams, issues, key }: RouteParts): ActionPlan {
  const { action, match } = route;
  const attempt = <Template>(part: string, make: () => Template): Template | null => {
    try {
      return make();
    } catch (error) {
      issues.push({ line: route.line, key: `${key}.${part}`, message: (error as Error).message });
      return null;
    }
  };
  switch (action.kind) {
    case "upstream": {
      const upstream = config.upstreams.find(({ name }) => name === action.upstream)!;
      const template = route.rewrite;
      const rewrite = template === null ? null : attempt("rewrite", () => compileRewrite(template, match.path));
      const timeouts = { ...upstream.timeouts, ...route.timeouts };
      const connectMs = timeouts.connectMs < upstream.dialTimeoutMs ? timeouts.connectMs : 0;
      return { kind: "upstream", upstream: upstreams.get(upstream.name)!, rewrite, timeouts, connectMs };
    }
    case "redirect": {
      const to = attempt("redirect.to", () => compileRedirect(action.to, match.path)) ?? compileRedirect("/", "/*");
      return { kind: "redirect", status: action.status, to };
    }
    case "respond":
      return {
        kind: "respond",
        status: action.status,
        body: new TextEncoder().encode(action.body),
        fields: action.headers,
      };
  }
}

function statusTable(ranges: readonly StatusRange[]): Uint8Array {
  const table = new Uint8Array(600);
  for (const { from, to } of ranges) table.fill(1, from, to + 1);
  return table;
}
