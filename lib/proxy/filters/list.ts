/**
 * All filters, in the order in which a request passes them: who may come at all, how often, how many at once, who they
 * are, and what is known already. The place in this list is the only place where the order is decided.
 *
 * Edits of fields are none of them: they are applied while fields are copied, which costs a route without edits nothing.
 */

import type { RouteConfig } from "../../config/types.ts";
import type { Filter, FilterKind } from "./filter.ts";

export const FILTERS: readonly FilterKind[] = [];

export interface NamedFilter {
  readonly name: string;
  readonly filter: Filter;
}

/** Those that a route uses, in order. */
export function filtersOf(route: RouteConfig): readonly NamedFilter[] {
  return FILTERS.flatMap((kind) => {
    const filter = kind.compile(route);
    return filter === null ? [] : [{ name: kind.name, filter }];
  });
}

/** For people, who have a route that nothing was compiled of. */
export function filterNamesOf(route: RouteConfig): readonly string[] {
  return filtersOf(route).map(({ name }) => name);
}
