/** A route's action, with its filters around it where it has any: what a compiled plan keeps for each route. */

import type { RouteConfig } from "../config/types.ts";
import type { FieldEdits } from "../fields/edits.ts";
import type { ActionPlan, CompiledHandler } from "../plan/types.ts";
import type { Action } from "./actions/action.ts";
import { RedirectRoute } from "./actions/redirect.ts";
import { RespondRoute } from "./actions/respond.ts";
import { UpstreamRoute } from "./actions/upstream.ts";
import { FilteredRoute } from "./filters/filtered_route.ts";
import { filtersOf } from "./filters/list.ts";

/** What `compile` is given as `makeHandler`. */
export function makeRouteHandler(route: RouteConfig, action: ActionPlan, responseEdits: FieldEdits): CompiledHandler {
  const plain = plainAction(action, responseEdits);
  const named = filtersOf(route);
  if (named.length === 0) return { filters: [], handler: plain };
  const totalMs = action.kind === "upstream" ? action.timeouts.totalMs : 0;
  return {
    filters: named.map(({ name }) => name),
    handler: new FilteredRoute(named.map(({ filter }) => filter), plain, totalMs),
  };
}

function plainAction(action: ActionPlan, responseEdits: FieldEdits): Action {
  switch (action.kind) {
    case "upstream":
      return new UpstreamRoute(action);
    case "redirect":
      return new RedirectRoute(action, responseEdits);
    case "respond":
      return new RespondRoute(action, responseEdits);
  }
}
