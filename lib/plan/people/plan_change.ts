/** What a reload changes, as `diff.ts` and `diff_upstreams.ts` find it. */

import type { RouteConfig } from "../../config/types.ts";

export interface PlanChange {
  readonly kind: "added" | "removed" | "changed";
  readonly area: "setting" | "listener" | "upstream" | "backend" | "route";
  /** "api/b1", "public", "server.drain". */
  readonly name: string;
  /** For people, one line. */
  readonly detail: string;
  /** Exchanges that a removed backend still has, which end on the old plan; 0 elsewhere. */
  readonly inFlight: number;
}

/** What the configurations do not say. */
export interface PlanFacts {
  /** Exchanges that a backend of the running plan has now; 0 when nothing runs. */
  inFlight(upstream: string, backend: string): number;
  /** Names of a route's filters, in order. */
  filtersOf(route: RouteConfig): readonly string[];
}
