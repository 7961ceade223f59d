/**
 * From a request to its response: the route decides, the action is carried out, every failure becomes an answer.
 */

import type { ProxyRequest } from "./request.ts";
import type { ProxyCore } from "./core.ts";
import type { ErrorCode } from "../base/errors.ts";
import { Exchange } from "./exchange.ts";
import { forward, toProxyError } from "./forward.ts";
import { redirectResponse } from "./local_response.ts";

/**
 * Never rejects. On return either `exchange.local` is the response and the exchange is over, or the response head is in
 * `exchange.connection.head` and the engine reads the body to its end or cancels.
 */
export async function handle(core: ProxyCore, request: ProxyRequest): Promise<Exchange> {
  const exchange = new Exchange(core, request, core.plans.current);
  try {
    await dispatch(exchange);
    // Cancelled in the turn in which its response head came: the connection is closed already.
    if (exchange.local === null) exchange.throwIfCancelled();
  } catch (error) {
    exchange.failWith(toProxyError(error).code);
  }
  exchange.handOver();
  return exchange;
}

/** For what an engine found wrong before there was a request to route. Answers, records, and is over. */
export function refuse(core: ProxyCore, request: ProxyRequest, code: ErrorCode): Exchange {
  const exchange = new Exchange(core, request, core.plans.current);
  exchange.failWith(code);
  return exchange;
}

async function dispatch(exchange: Exchange): Promise<void> {
  const { request, plan } = exchange;
  const matched = plan.routes.match({
    host: request.authority,
    path: exchange.path,
    query: exchange.query,
    method: request.method,
    field: (name) => request.field(name),
  });
  if (matched === null) return exchange.failWith("route_not_found");
  const route = exchange.route = matched.route.value;
  const action = route.action;
  switch (action.kind) {
    case "upstream":
      return await forward(exchange, matched, action);
    case "redirect":
      exchange.local = redirectResponse(action.status, action.to.apply(matched, exchange.query));
      break;
    case "respond":
      exchange.local = { status: action.status, fields: action.fields, body: action.body };
      break;
  }
  const { status, fields, body } = exchange.local;
  exchange.local = { status, fields: route.responseEdits.apply(fields), body };
  exchange.finishLocal("");
}
