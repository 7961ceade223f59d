/**
 * From a request to its response: the route decides, its action is carried out, every failure becomes an answer.
 */

import type { ProxyRequest } from "./message/request.ts";
import type { ProxyCore } from "./core.ts";
import { type ErrorCode, ProxyError } from "../base/errors.ts";
import type { Action } from "./actions/action.ts";
import { Exchange } from "./exchange.ts";

const TRACE = "TRACE";

/**
 * Never rejects. On return the engine owns `exchange.response`: it reads the body to its end and calls `finish("")`, or
 * cancels.
 */
export function handle(core: ProxyCore, request: ProxyRequest): Promise<Exchange> | Exchange {
  const exchange = new Exchange(core, request, core.plans.current);
  let error: unknown = null;
  try {
    const forwarded = dispatch(exchange);
    if (forwarded !== null) return forwarded;
  } catch (thrown) {
    error = thrown;
  }
  exchange.handOver(error);
  return exchange;
}

/** For what an engine found wrong before there was a request to route. Answers, records, and is over. */
export function refuse(core: ProxyCore, request: ProxyRequest, code: ErrorCode): Exchange {
  const exchange = new Exchange(core, request, core.plans.current);
  exchange.failWith(code);
  return exchange;
}

/** @returns What to wait for; null when the response is there. */
function dispatch(exchange: Exchange): Promise<Exchange> | null {
  const matched = exchange.plan.routes.match(exchange);
  if (matched === null) {
    exchange.failWith("route_not_found");
    return null;
  }
  const route = exchange.route = matched.route.value;
  if (exchange.request.connectionOptions.isMalformed) throw new ProxyError("request_invalid");
  if (exchange.plan.refusesUnderscores && exchange.request.hasUnderscores()) throw new ProxyError("field_name_refused");
  if (!route.allowsTrace && isTrace(exchange.request.method)) throw new ProxyError("method_not_allowed");
  return (route.handler as Action).run(exchange, matched); // makeRouteHandler() has made it
}

/** In any case: to a backend that takes methods loosely "trace" may be the same. */
function isTrace(method: string): boolean {
  return method.length === TRACE.length && (method === TRACE || method.toUpperCase() === TRACE);
}
