/**
 * `Config` to `Plan`: every choice that the configuration already decides is made here, once.
 *
 * Compiling has no effect on the running plan. What it takes from the shared resources it gives back when it fails.
 */

import { CidrSet } from "../base/address.ts";
import { ConfigError, type ConfigIssue } from "../config/issue.ts";
import { redactor, shownAt } from "../config/masks.ts";
import type { Config, RouteConfig, StatusRange, UpstreamConfig } from "../config/types.ts";
import { compileEdits } from "../fields/edits.ts";
import { ForwardedFields } from "../fields/forwarded.ts";
import { createBackoff } from "../resilience/backoff.ts";
import { RetryBudget } from "../resilience/budget.ts";
import { compileRetry } from "../resilience/retry_policy.ts";
import { compileRedirect } from "../routing/redirect.ts";
import { compileRewrite } from "../routing/rewrite.ts";
import { describeConflict, RouteConflictError } from "../routing/route_conflicts.ts";
import { RouteTable } from "../routing/route_table.ts";
import { Holdings } from "./holdings.ts";
import { compileMembers, type MembersContext, releaseMembers } from "./members.ts";
import type { ActionPlan, MakeHandler, Members, Plan, RoutePlan, UpstreamPlan } from "./types.ts";

/**
 * RFC 9110 §9.2.1. What shares a connection may have to be sent twice through no fault of its own, so it must be safe and
 * the upstream must let it be repeated. PUT and DELETE are idempotent, but sent twice a DELETE is answered differently. Nor
 * HEAD: a backend that answers it with a body, as some do, would have the body taken for the next one's answer.
 */
const PIPELINED_METHODS = ["GET", "OPTIONS", "TRACE"];

export interface CompileContext extends MembersContext {
  readonly generation: number;
  readonly makeHandler: MakeHandler;
}

/** @throws {ConfigError} for what only shows when it is put together: routes that tie, templates that don't fit. */
export async function compile(config: Config, context: CompileContext): Promise<Plan> {
  const held = new Holdings(context.resources);
  const upstreams = new Map<string, UpstreamPlan>();
  try {
    for (const upstream of config.upstreams) {
      const members = await compileMembers(upstream, config.features, context);
      upstreams.set(upstream.name, compileUpstream(upstream, members, held));
    }
    return {
      generation: context.generation,
      config,
      routes: compileRoutes(config, upstreams, { makeHandler: context.makeHandler, held }),
      upstreams,
      listeners: config.listeners,
      features: config.features,
      trusted: new CidrSet(config.server.trustedProxies),
      forwarded: new ForwardedFields(config.server.forwarded),
      dropsUnderscores: config.server.underscores !== "keep",
      refusesUnderscores: config.server.underscores === "refuse",
      held,
    };
  } catch (error) {
    dispose({ upstreams, held });
    throw error;
  }
}

/** Gives back what a plan holds; for the end of its last exchange. */
export function dispose({ upstreams, held }: Pick<Plan, "upstreams" | "held">): void {
  for (const { members, retired } of upstreams.values()) {
    for (const replaced of retired) releaseMembers(replaced);
    retired.clear();
    releaseMembers(members);
  }
  held.release();
}

function compileUpstream(upstream: UpstreamConfig, members: Members, held: Holdings): UpstreamPlan {
  return {
    name: upstream.name,
    metricsRow: held.acquireMetricsRow("upstream", [upstream.name]),
    members,
    retired: new Set(),
    table: held.table,
    retry: compileRetry(upstream.retry),
    pipelined: new Set(PIPELINED_METHODS.filter((method) => upstream.retry.methods.includes(method))),
    budget: new RetryBudget(upstream.retry.budget),
    backoff: createBackoff(upstream.retry.backoff),
    bodyBufferBytes: upstream.retry.attempts > 1 ? upstream.retry.bodyBufferBytes : 0,
    failureStatuses: statusTable(upstream.circuit.statuses),
  };
}

function compileRoutes(
  config: Config,
  upstreams: ReadonlyMap<string, UpstreamPlan>,
  parts: Pick<RouteParts, "makeHandler" | "held">,
): RouteTable<RoutePlan> {
  const issues: ConfigIssue[] = [];
  const specs = config.routes.map((route, index) => {
    const { name, line, match } = route;
    return {
      name,
      line,
      match,
      value: compileRoute(route, { ...parts, config, upstreams, issues, key: `routes[${index}]` }),
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
  readonly makeHandler: MakeHandler;
  readonly held: Holdings;
  readonly key: string;
}

function compileRoute(route: RouteConfig, parts: RouteParts): RoutePlan {
  const upstream = route.action.kind === "upstream" ? route.action.upstream : "";
  const action = compileAction(route, parts);
  const responseEdits = compileEdits(route.responseHeaders);
  return {
    name: route.name,
    metricsRow: parts.held.acquireMetricsRow("route", [route.name, upstream]),
    pattern: shownAt(parts.config.masks, `${parts.key}.path`, route.match.path),
    action,
    ...parts.makeHandler(route, action, responseEdits),
    allowsTrace: route.match.methods.includes("TRACE"),
    requestEdits: compileEdits(route.requestHeaders, true),
    responseEdits,
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
