/**
 * The members of an upstream: compiled with their plan, or alone to take the place of others while the plan runs.
 *
 * Members that were replaced still serve the exchanges that began on them, so they keep what they hold (pools, health
 * machines, rows) until the last of these has ended, as a plan does. Nobody counts those exchanges: whoever knows who is
 * under way looks about once a second, and only while there are such members.
 */

import { stickyValues } from "../fields/cookies.ts";
import { compileHashKey } from "../fields/hash_key.ts";
import type { BackendConfig, FeaturesConfig, UpstreamConfig } from "../config/types.ts";
import { createSelector } from "../../strategies/factory.ts";
import { type Affinity, HashAffinity, NoAffinity, StickyAffinity } from "./affinity.ts";
import { hostOf } from "./backend_host.ts";
import type { HealthSource, UpstreamHealth } from "./health_source.ts";
import { Holdings } from "./holdings.ts";
import type { Resources } from "./resources.ts";
import type { BackendPlan, Members, Plan, UpstreamPlan } from "./types.ts";

const SAME_SITE = { lax: "Lax", strict: "Strict", none: "None" } as const;

export interface MembersContext {
  readonly resources: Resources;
  readonly health: HealthSource;
  /** For upstreams without a sticky secret of their own. */
  readonly stickySecret: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Has no effect on members that run. @throws {RangeError} when a shared table is full; it holds nothing then. */
export async function compileMembers(
  upstream: UpstreamConfig,
  features: FeaturesConfig,
  context: MembersContext,
): Promise<Members> {
  const affinity = await compileAffinity(upstream, context.stickySecret);
  const held = new Holdings(context.resources);
  let health: UpstreamHealth | null = null;
  try {
    health = context.health.healthOf(upstream, held);
    return assembleMembers(upstream, { affinity, held, health, features, context });
  } catch (error) {
    health?.judged?.group.close();
    held.release();
    throw error;
  }
}

/** New exchanges begin on `next` from now on. */
export function replaceMembers(upstream: UpstreamPlan, next: Members): void {
  upstream.retired.add(upstream.members);
  upstream.members = next;
}

/** Gives back what members hold that were replaced and that nobody uses any more. */
export function releaseRetired(
  plan: Plan,
  findUsed: () => ReadonlySet<Members>,
  onFree?: (members: Members) => void,
): void {
  let used: ReadonlySet<Members> | null = null;
  for (const { retired } of plan.upstreams.values()) {
    if (retired.size === 0) continue;
    used ??= findUsed();
    for (const members of retired) {
      if (used.has(members)) continue;
      retired.delete(members);
      releaseMembers(members);
      onFree?.(members);
    }
  }
}

/** To be called when no exchange is on them any more, or ever was. */
export function releaseMembers({ judged, held }: Members): void {
  judged?.group.close();
  held.release();
}

interface MembersParts {
  readonly affinity: Affinity;
  readonly held: Holdings;
  readonly health: UpstreamHealth;
  readonly features: FeaturesConfig;
  readonly context: MembersContext;
}

function assembleMembers(upstream: UpstreamConfig, parts: MembersParts): Members {
  const { affinity, held, health, features, context } = parts;
  const backends = upstream.backends.map((backend, index): BackendPlan => {
    const { row, pool, pipelines, metrics } = held.acquireBackend(upstream, backend);
    return {
      name: backend.name,
      index,
      row,
      metricsRow: held.acquireMetricsRow("backend", [upstream.name, backend.name]),
      pool,
      pipelines: features.pipelining ? pipelines : null,
      metrics,
      health: health.backends[index],
      host: hostFor(upstream, backend),
      address: backend.address,
      ownHost: hostOf(backend.address),
    };
  });
  return {
    config: upstream,
    held,
    selector: createSelector({
      strategy: upstream.strategy,
      weights: upstream.backends.map((backend) => backend.weight),
      backups: upstream.backends.map((backend) => backend.backup),
      identities: upstream.backends.map((backend) => backend.identity),
      rows: Int32Array.from(backends, (backend) => backend.row),
      table: context.resources.backendRows.table,
      eligible: health.group.eligible,
      random: context.random,
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

async function compileAffinity(upstream: UpstreamConfig, stickySecret: string): Promise<Affinity> {
  if (upstream.strategy === "hash") return new HashAffinity(compileHashKey(upstream.hash.source, upstream.hash.name));
  if (upstream.strategy !== "sticky") return new NoAffinity();
  const { cookie, ttlMs, sameSite, secret } = upstream.sticky;
  const values = await stickyValues(
    secret === "" ? stickySecret : secret,
    upstream.backends.map((backend) => `${upstream.name}\n${backend.identity}`),
  );
  return new StickyAffinity({ cookie, ttlMs, sameSite: SAME_SITE[sameSite], values });
}
