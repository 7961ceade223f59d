/**
 * Why a request takes the route it takes, and why not the others.
 *
 * Judges every route alone, with the one-at-a-time matchers and without the table's hashes and trie, in the order in
 * which the table would consider them. Control plane: allocates freely.
 */

import { failedConditions } from "./conditions.ts";
import { hostMatches, routingHost } from "./host_pattern.ts";
import { pathMatches } from "./path_pattern.ts";
import type { RouteEntry } from "./route_entry.ts";
import type { RouteTable } from "./route_table.ts";
import type { Matched, RouteInput, RouteSpec } from "./types.ts";

export type Verdict =
  | { readonly kind: "matched" }
  /** Would match, were it not for the route that won. */
  | { readonly kind: "outranked"; readonly reason: string }
  /** `stage`: how far it got. `reasons`: what failed there, one clause each. */
  | { readonly kind: "mismatch"; readonly stage: Stage; readonly reasons: readonly string[] };

export type Stage = "host" | "path" | "conditions";

export interface Considered<T> {
  readonly route: RouteSpec<T>;
  /** The host and path at which the route was judged, in words: `exact host "a.com", path "/v1/*", …`. */
  readonly precedence: string;
  readonly verdict: Verdict;
}

export interface Explanation<T> {
  /** Null: no route, a 404. */
  readonly matched: Matched<T> | null;
  /** Every route once, the most specific first. */
  readonly considered: ReadonlyArray<Considered<T>>;
}

interface Judged<T> {
  readonly entry: RouteEntry<T>;
  /** Null: it holds. */
  readonly mismatch: Extract<Verdict, { kind: "mismatch" }> | null;
}

const STAGES: readonly Stage[] = ["host", "path", "conditions"];

/** Takes the same input as `RouteTable.match()` and reports the same route. */
export function explain<T>(table: RouteTable<T>, input: RouteInput): Explanation<T> {
  const matched = table.match(input);
  // A route with several hosts is told by the entry that gets farthest; among equals by the most specific.
  const best = new Map<RouteSpec<T>, Judged<T>>();
  for (const entry of table.entries) {
    const judged = { entry, mismatch: judge(entry, input) };
    const known = best.get(entry.route);
    if (known === undefined || progress(judged) > progress(known)) best.set(entry.route, judged);
  }
  const judgements = [...best.values()].sort((a, b) => a.entry.precedence.compare(b.entry.precedence));
  const winner = judgements.find(({ mismatch }) => mismatch === null);
  const considered = judgements.map((judged) => {
    const { entry } = judged;
    return { route: entry.route, precedence: String(entry.precedence), verdict: verdictOf(judged, winner) };
  });
  return { matched, considered };
}

/** Lines for a terminal, without line ends: the result, what it captured, then every route with its verdict. */
export function renderExplanation(explanation: Explanation<unknown>): string[] {
  const { matched, considered } = explanation;
  const lines: string[] = [];
  if (matched === null) {
    lines.push("no route matches: answered with 404");
  } else {
    const { name, line, match } = matched.route;
    lines.push(`route "${name}" (line ${line}) matches`);
    const names = match.path.split("/").filter((segment) => segment.startsWith(":"));
    names.forEach((param, i) => lines.push(`  ${param} is ${JSON.stringify(matched.params[i])}`));
    if (match.path.endsWith("/*")) lines.push(`  * is ${JSON.stringify(matched.rest)}`);
  }
  if (considered.length > 0) lines.push("considered, the most specific first:");
  for (const { route, precedence, verdict } of considered) {
    const mark = verdict.kind === "matched" ? "+" : "-";
    lines.push(`  ${mark} "${route.name}" (line ${route.line}): ${verdictWords(verdict)}`);
    lines.push(`      ${precedence}`);
  }
  return lines;
}

function judge<T>(entry: RouteEntry<T>, input: RouteInput): Judged<T>["mismatch"] {
  const host = routingHost(input.host);
  if (!hostMatches(entry.host, host)) {
    const hosts = entry.route.match.hosts.map((text) => JSON.stringify(text)).join(" or ");
    return { kind: "mismatch", stage: "host", reasons: [`host ${JSON.stringify(host)} is not ${hosts}`] };
  }
  if (!pathMatches(entry.path, input.path)) {
    const reason = `path ${JSON.stringify(input.path)} does not match ${JSON.stringify(entry.path.text)}`;
    return { kind: "mismatch", stage: "path", reasons: [reason] };
  }
  const reasons = failedConditions(entry.route.match, input);
  return reasons.length === 0 ? null : { kind: "mismatch", stage: "conditions", reasons };
}

function progress<T>({ mismatch }: Judged<T>): number {
  return mismatch === null ? STAGES.length : STAGES.indexOf(mismatch.stage);
}

function verdictOf<T>(judged: Judged<T>, winner: Judged<T> | undefined): Verdict {
  if (judged.mismatch !== null) return judged.mismatch;
  if (winner === undefined || judged === winner) return { kind: "matched" };
  const { route, precedence } = winner.entry;
  return {
    kind: "outranked",
    reason: `"${route.name}" is more specific: ${precedence.reasonOver(judged.entry.precedence)}`,
  };
}

function verdictWords(verdict: Verdict): string {
  switch (verdict.kind) {
    case "matched":
      return "matches";
    case "outranked":
      return `would match, but ${verdict.reason}`;
    case "mismatch":
      return verdict.reasons.join("; ");
  }
}
