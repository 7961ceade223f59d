/**
 * What answers a route's requests: an upstream, a redirect, a fixed response; or filters around one of these. Which one it
 * is was decided when the plan was compiled, so that a request finds it by one call.
 */

import type { RouteHandler, RoutePlan } from "../../plan/types.ts";
import type { Matched } from "../../routing/types.ts";
import type { Exchange } from "../exchange.ts";

export interface Action extends RouteHandler {
  /**
   * @returns What to wait for: it never rejects, and ends with `exchange.handOver()`. Null when the response is there, and
   * the caller is to hand it over.
   * @throws {ProxyError} instead of a response.
   */
  run(exchange: Exchange, matched: Matched<RoutePlan>): Promise<Exchange> | null;
}
