/**
 * Which route a request takes, what becomes of it there, and which backends it may get, in lines for people: what
 * `sluice explain` prints, from a plan that runs or from one compiled for the purpose.
 */

import { invariant } from "../../base/errors.ts";
import type { HealthMemberSnapshot } from "../../health/group.ts";
import type { HealthReason } from "../../health/reason.ts";
import { explain, renderExplanation } from "../../routing/explanation.ts";
import type { RouteInput } from "../../routing/types.ts";
import { redactor } from "../../config/masks.ts";
import type { BackendConfig } from "../../config/types.ts";
import type { Plan, RoutePlan, UpstreamPlan } from "../types.ts";

export interface ExplainedRequest {
  /** Null: none matches. */
  readonly route: string | null;
  readonly lines: readonly string[];
}

/** The health of now, where there is any. */
export interface ExplainedHealth {
  /** One an index, as `HealthGroup.snapshot()` gives them. */
  readonly members: (upstream: UpstreamPlan) => readonly HealthMemberSnapshot[];
  /** On the clock of the snapshots, and what that moment is called: since 1970, ms. */
  readonly nowMs: number;
  readonly epochMs: number;
}

/** A ramp starts with this share (`HealthMachine.rampFraction`). */
const RAMP_FLOOR = 0.1;

/** @param health Null: nothing runs, so that every backend counts as healthy. */
export function explainRequest(plan: Plan, request: RouteInput, health: ExplainedHealth | null): ExplainedRequest {
  const explanation = explain(plan.routes, request);
  const lines = renderExplanation(explanation).map(redactor(plan.config.masks));
  if (explanation.matched === null) return { route: null, lines };
  const { name, value } = explanation.matched.route;
  if (request.method === "TRACE" && !value.allowsTrace) {
    return { route: name, lines: [...lines, "answered 405: TRACE passes only where a route's methods name it"] };
  }
  return { route: name, lines: [...lines, ...describeFilters(value), ...describeAction(value, health)] };
}

/**
 * @param url Absolute, or a path; the host of a path is in the field `host`.
 * @throws {SyntaxError} For people, without a position.
 */
export function requestToExplain(
  method: string,
  url: string,
  fields: ReadonlyArray<readonly [name: string, value: string]>,
): RouteInput {
  const absolute = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(url);
  if (absolute === null && !url.startsWith("/") && url !== "*") {
    throw new SyntaxError(`URL must begin with "http://", "https://" or "/", got "${url}"`);
  }
  const joined = joinFields(fields);
  const host = absolute?.[1] ?? joined.get("host") ?? "";
  const target = absolute === null ? url.split("#")[0] : absolute[2].startsWith("/") ? absolute[2] : "/" + absolute[2];
  const queryAt = target.indexOf("?");
  return {
    host,
    method: method.toUpperCase(),
    path: queryAt < 0 ? target : target.slice(0, queryAt),
    query: queryAt < 0 ? "" : target.slice(queryAt + 1),
    field: (name) => name === "host" ? host : joined.get(name) ?? null,
  };
}

/** Lower-case names to values, lines of one name joined. */
function joinFields(fields: ReadonlyArray<readonly [name: string, value: string]>): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [name, value] of fields) {
    const known = joined.get(name.toLowerCase());
    joined.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
  }
  return joined;
}

/** A request passes them before the action, and any may answer instead of it. */
function describeFilters({ filters }: RoutePlan): string[] {
  return filters.length === 0 ? [] : [`passes filters: ${filters.join(", ")}`];
}

function describeAction({ action }: RoutePlan, health: ExplainedHealth | null): string[] {
  switch (action.kind) {
    case "redirect":
      return [`answers with a redirect, status ${action.status}`];
    case "respond":
      return [`answers itself, status ${action.status}`];
    case "upstream":
      return describeUpstream(action.upstream, health);
  }
}

function describeUpstream(upstream: UpstreamPlan, health: ExplainedHealth | null): string[] {
  const { name, members: { config } } = upstream;
  const members = health === null ? judgedHere(upstream) : health.members(upstream);
  const time = (ms: number) => health === null ? "" : timeOf(ms - health.nowMs + health.epochMs);
  const hasPrimary = config.backends.some(({ backup }, index) => !backup && members[index].isEligible);
  const moment = health === null ? "" : `, health at ${time(health.nowMs)} UTC`;
  const panic = members.some(({ standing }) => standing === "panic") ? "; so many are out that health is ignored" : "";
  const lines = config.backends.map((backend, index) => {
    const member = members[index];
    const words = memberWords(member, backend, {
      hasPrimary,
      time,
      ramp: health === null ? 1 : Math.max(RAMP_FLOOR, (health.nowMs - member.sinceMs) / config.slowStartMs),
    });
    return `  ${backend.name} ${words} (${backend.url})`;
  });
  const isDead = config.backends.every(({ weight }, index) => weight === 0 || !members[index].isEligible);
  const end = isDead ? ["nobody is eligible: answers with status 503, backend_unavailable"] : [];
  return [`upstream ${name}, strategy ${config.strategy}${moment}${panic}:`, ...lines, ...end];
}

function judgedHere({ name, members: { judged } }: UpstreamPlan): readonly HealthMemberSnapshot[] {
  invariant(judged !== null, `health of ${name} is judged where it is explained`);
  return judged.group.snapshot();
}

interface Circumstances {
  readonly hasPrimary: boolean;
  readonly time: (ms: number) => string;
  /** Share of its usual traffic, if it ramps up. */
  readonly ramp: number;
}

function memberWords(
  member: HealthMemberSnapshot,
  { weight, backup }: BackendConfig,
  { hasPrimary, time, ramp }: Circumstances,
): string {
  const { state, standing, isEligible } = member;
  if (state === "draining" || state === "disabled") {
    return `skipped: ${state} since ${time(member.sinceMs)}, by the operator`;
  }
  if (weight === 0) return "skipped: weight 0 takes no new traffic";
  const trouble = troubleWords(member, time);
  if (!isEligible) return `skipped: ${trouble}`;
  if (backup && hasPrimary) return `backup: only when no other is eligible${trouble === "" ? "" : ` (${trouble})`}`;
  if (standing === "spared") return `eligible, weight ${weight}, although ${trouble}: bad answers beat none`;
  if (standing === "panic") return `eligible, weight ${weight}, although ${trouble}`;
  if (state === "probation") return `eligible for one trial request: ${trouble}`;
  if (state === "slow_start") {
    return `eligible, weight ${weight}, ramping up since ${time(member.sinceMs)}: ${
      Math.round(Math.min(1, ramp) * 100)
    } % of its share`;
  }
  return `eligible, weight ${weight}`;
}

/** "" when nothing is the matter. */
function troubleWords(member: HealthMemberSnapshot, time: Time): string {
  const { state, reason, sinceMs, untilMs, isEligible } = member;
  switch (state) {
    case "open":
      return `open until ${untilMs < 0 ? "probes pass" : time(untilMs)} after ${reasonWords(reason)}`;
    case "probation":
      return `in probation since ${time(sinceMs)}${isEligible ? "" : ", its trial request is under way"}`;
    default:
      return "";
  }
}

type Time = (ms: number) => string;

/** `5 × connect_refused`, `3 × response_timeout of probes`. */
function reasonWords({ cause, code, count }: HealthReason): string {
  const times = count > 1 ? `${count} × ` : "";
  return `${times}${code}${cause === "probe" ? " of probes" : ""}`;
}

/** In UTC, as the logs. */
function timeOf(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(11, 19);
}
