/**
 * Pairs of routes that some request would match with equal precedence.
 *
 * Equal precedence and a shared host and path mean equal host patterns and equal path shapes: wildcards of one length
 * that share a host are the same, and so are patterns with the same kinds of segments that share a path. What is left
 * is whether methods and conditions can be met together. Routes that others always win over are reported as well.
 */

import { conditionsOverlap } from "./conditions.ts";
import type { RouteEntry } from "./route_entry.ts";
import type { RouteLabel } from "./types.ts";

export interface RouteConflict {
  /** The one given first. */
  readonly first: RouteLabel;
  readonly second: RouteLabel;
  /** Host patterns at which they tie; "" is any host. */
  readonly hosts: readonly string[];
  /** Paths as written; they may differ in the names of parameters. */
  readonly paths: readonly [first: string, second: string];
  /** Methods that both take; empty: any. */
  readonly methods: readonly string[];
}

/** Thrown when a table is made from routes that tie. The message has one line per pair. */
export class RouteConflictError extends Error {
  override readonly name = "RouteConflictError";
  readonly conflicts: readonly RouteConflict[];

  constructor(conflicts: readonly RouteConflict[]) {
    super(conflicts.map(describeConflict).join("\n"));
    this.conflicts = conflicts;
  }
}

/** Each pair once, in the order given. */
export function conflictsAmong(entries: ReadonlyArray<RouteEntry<unknown>>): RouteConflict[] {
  const groups = new Map<string, Array<RouteEntry<unknown>>>();
  const order = new Map<RouteEntry<unknown>["route"], number>();
  for (const entry of entries) {
    if (!order.has(entry.route)) order.set(entry.route, order.size);
    const key = `${entry.host.text} ${entry.path.shape}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  const pairs = new Map<string, RouteConflict & { hosts: string[]; readonly at: readonly [number, number] }>();
  for (const group of groups.values()) {
    for (const [i, a] of group.entries()) {
      for (const b of group.slice(i + 1)) {
        if (a.precedence.compare(b.precedence) !== 0 || !conditionsOverlap(a.route.match, b.route.match)) continue;
        const at = [order.get(a.route)!, order.get(b.route)!] as const;
        const known = pairs.get(at.join());
        if (known === undefined) pairs.set(at.join(), { ...conflictOf(a, b), hosts: [a.host.text], at });
        else known.hosts.push(a.host.text);
      }
    }
  }
  return [...pairs.values()].sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1])
    .map(({ at: _, ...conflict }) => conflict);
}

/** One sentence: both routes, where they tie, and what would tell them apart. */
export function describeConflict(conflict: RouteConflict): string {
  const { first, second, hosts, paths, methods } = conflict;
  const where = hosts.map((host) => host === "" ? "any host" : `host "${host}"`).join(", ");
  const path = paths[0] === paths[1] ? `path "${paths[0]}"` : `paths "${paths[0]}" and "${paths[1]}"`;
  const method = methods.length === 0 ? "" : `, ${methods.join(" and ")}`;
  return `routes "${first.name}" (line ${first.line}) and "${second.name}" (line ${second.line}) tie for ` +
    `${where}, ${path}${method}; give one of them other methods or a further condition`;
}

function conflictOf(a: RouteEntry<unknown>, b: RouteEntry<unknown>): Omit<RouteConflict, "hosts"> {
  const [{ name, line, match }, other] = [a.route, b.route];
  return {
    first: { name, line },
    second: { name: other.name, line: other.line },
    paths: [a.path.text, b.path.text],
    methods: match.methods.filter((method) => other.match.methods.includes(method)),
  };
}
