/** The running plan as the admin API shows it. */

import type {
  BackendView,
  ListenerView,
  ReadinessView,
  RouteView,
  SampleView,
  TrafficView,
  UpstreamView,
} from "../../admin/views.ts";
import { describeReason } from "../../health/reason.ts";
import type { HealthMemberSnapshot } from "../../health/group.ts";
import { maskAt, shownAt, shownList } from "../../config/masks.ts";
import type { Config, RouteConfig } from "../../config/types.ts";
import { deafToWeights } from "../../config/validate/upstreams.ts";
import type { MetricsView } from "../../observe/metrics/reader.ts";
import { listenerIdentity } from "../../plan/listener_identity.ts";
import type { BackendPlan, Plan, UpstreamPlan } from "../../plan/types.ts";
import { judgedOf } from "./judged.ts";
import type { Overrides } from "./overrides.ts";
import type { ConnectionsFact } from "../../observe/metrics/facts.ts";
import type { BoundListener } from "../serving/data_plane.ts";
import { processUsage } from "../telemetry/process_facts.ts";

export interface ViewParts {
  readonly plan: Plan;
  /** As the file says, without overrides. */
  readonly configured: Config;
  readonly overrides: Overrides;
  readonly traffic: MetricsView;
  /** Why TLS to a backend (its pool's name) is refused; "": it is not, as far as is known. */
  readonly tlsProblemOf: (backend: string) => string;
  /** Turns a monotonic time into ms since 1970. */
  readonly epochOf: (ms: number) => number;
  /** Turns ms since 1970 into a monotonic time. */
  readonly monotonicOf: (epochMs: number) => number;
}

/** The members of a group as the operator means them: the machine of a shared backend goes on for others. */
export function memberSnapshots(
  upstream: UpstreamPlan,
  overrides: Overrides,
  monotonicOf: (epochMs: number) => number,
): readonly HealthMemberSnapshot[] {
  return judgedOf(upstream).group.snapshot().map((member, index): HealthMemberSnapshot => {
    const { command, sinceMs } = overrides.of(upstream.name, upstream.members.backends[index].name);
    if (command === null) return member;
    return {
      ...member,
      state: command === "drain" ? "draining" : "disabled",
      reason: { cause: "admin", code: command, count: 0 },
      sinceMs: monotonicOf(sinceMs),
      untilMs: -1,
    };
  });
}

export function upstreamViews(parts: ViewParts): readonly UpstreamView[] {
  return [...parts.plan.upstreams.values()].map((upstream) => upstreamView(upstream, parts));
}

function upstreamView(upstream: UpstreamPlan, parts: ViewParts): UpstreamView {
  const { group } = judgedOf(upstream);
  const { config } = upstream.members;
  const members = memberSnapshots(upstream, parts.overrides, parts.monotonicOf);
  const { requestsPerSecond } = parts.traffic.upstream(upstream.name);
  const backends = upstream.members.backends.map((backend) =>
    backendView(upstream, backend, members[backend.index], parts)
  );
  const attempts = backends.reduce((sum, backend) => sum + backend.requestsPerSecond, 0);
  return {
    name: upstream.name,
    strategy: config.strategy,
    isPanicking: group.isPanicking,
    weightsIgnored: deafToWeights(config),
    eligible: backends.filter(({ isEligible }) => isEligible).length,
    requestsPerSecond,
    backends: backends.map((backend) => ({ ...backend, share: share(backend.requestsPerSecond / attempts) })),
  };
}

function backendView(
  upstream: UpstreamPlan,
  { name, index, pool }: BackendPlan,
  member: HealthMemberSnapshot,
  { configured, overrides, traffic, tlsProblemOf, epochOf }: ViewParts,
): BackendView {
  const { url, weight, backup } = upstream.members.config.backends[index];
  const iso = (ms: number) => new Date(epochOf(ms)).toISOString();
  return {
    name,
    url,
    weight,
    configuredWeight: configuredWeight(configured, upstream.name, name) ?? weight,
    isBackup: backup,
    state: member.state,
    standing: member.standing,
    isEligible: member.isEligible,
    reason: describeReason(member.reason),
    since: iso(member.sinceMs),
    until: member.untilMs >= 0 ? iso(member.untilMs) : null,
    probeFailures: member.probeFailures,
    tlsProblem: tlsProblemOf(pool.name),
    override: overrides.viewOf(upstream.name, name),
    share: 0,
    ...traffic.backend(upstream.name, name),
  };
}

function configuredWeight(config: Config, upstreamName: string, backendName: string): number | undefined {
  const upstream = config.upstreams.find(({ name }) => name === upstreamName);
  return upstream?.backends.find(({ name }) => name === backendName)?.weight;
}

export function routeViews(plan: Plan, traffic: MetricsView): readonly RouteView[] {
  const { masks } = plan.config;
  return plan.config.routes.map((route, index) => {
    const { hosts, path, methods, headers, query } = route.match;
    const at = `routes[${index}]`;
    const conditions = (what: "header" | "query", key: string, pairs: typeof headers) =>
      pairs.map(([name, value]) => `${what} ${condition(name, value, maskAt(masks, `${at}.${key}.${name}`))}`);
    return {
      name: route.name,
      host: shownList(masks, `${at}.host`, hosts).join(", "),
      path: shownAt(masks, `${at}.path`, path),
      methods: shownList(masks, `${at}.methods`, methods),
      conditions: [...conditions("header", "headers", headers), ...conditions("query", "query", query)],
      action: actionText(route, (key, value) => shownAt(masks, `${at}.${key}`, value)),
      ...traffic.route(route.name),
    };
  });
}

function condition(name: string, value: string, mask: string | undefined): string {
  if (mask !== undefined) return `${name} = ${JSON.stringify(mask)}`;
  return value === "*" ? `${name} present` : `${name} = ${JSON.stringify(value)}`;
}

function actionText({ action }: RouteConfig, shown: (key: string, value: string) => string): string {
  switch (action.kind) {
    case "upstream":
      return `upstream ${action.upstream}`;
    case "redirect":
      return `redirect ${action.status} to ${shown("redirect.to", action.to)}`;
    case "respond":
      return `respond ${action.status}`;
  }
}

export interface ListenerParts {
  readonly plan: Plan;
  readonly listeners: readonly BoundListener[];
  readonly connections: readonly ConnectionsFact[];
}

/** A listener that stays over a reload is told apart by its identity; everything else of it may be new. */
export function listenerViews({ plan, listeners, connections }: ListenerParts): readonly ListenerView[] {
  const configs = new Map(plan.listeners.map((config) => [listenerIdentity(config), config]));
  return listeners.map(({ identity, name: boundName, address }) => {
    const config = configs.get(identity);
    const name = config?.name ?? boundName;
    return {
      name,
      address,
      engine: config?.engine ?? "serve",
      tls: (config?.tls ?? null) !== null,
      connections: connections.find(({ listener }) => listener === name)?.open ?? null,
    };
  });
}

export interface ReadinessParts {
  readonly plan: Plan;
  readonly isStarted: boolean;
  readonly isDraining: boolean;
}

/** An upstream that no route uses may be as dead as it likes. */
export function readinessView({ plan, isStarted, isDraining }: ReadinessParts): ReadinessView {
  const reasons: string[] = [];
  if (isDraining) reasons.push("it is shutting down");
  if (!isStarted) reasons.push("it has not started yet");
  const used = new Set<string>();
  for (const { action } of plan.config.routes) if (action.kind === "upstream") used.add(action.upstream);
  for (const name of used) {
    const upstream = plan.upstreams.get(name)!;
    if (upstream.members.health.eligible.every((word) => word === 0)) {
      reasons.push(`upstream ${name} has no eligible backend`);
    }
  }
  return { ready: reasons.length === 0, reasons };
}

export function sampleView(now: MetricsView, at: string): SampleView {
  const { requestsPerSecond, failuresPerSecond, p50Ms, p95Ms, p99Ms, inFlight } = now.traffic();
  return {
    at,
    requestsPerSecond,
    failuresPerSecond,
    p50Ms: p50Ms || 0,
    p95Ms: p95Ms || 0,
    p99Ms: p99Ms || 0,
    inFlight,
  };
}

export function trafficView(now: MetricsView): TrafficView {
  const { requestsTotal, cacheHitRate, poolEfficiency } = now.traffic();
  const { at: _at, ...sample } = sampleView(now, "");
  const { residentBytes, cpuSeconds } = processUsage();
  return {
    ...sample,
    requestsTotal,
    cacheHitRate: share(cacheHitRate),
    poolEfficiency: share(poolEfficiency),
    memoryBytes: residentBytes,
    cpuSeconds,
  };
}

/** JSON knows no NaN. */
function share(value: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0;
}
