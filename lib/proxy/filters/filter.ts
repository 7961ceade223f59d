/**
 * What a route does to its requests and responses on their way: the contract of a filter.
 *
 * Filters of a route stand in one order (list.ts). A request passes their `onRequest()` one after the other, then the
 * route's action answers. A response passes the `onResponse()` of those filters that its request has passed, in the
 * opposite order: what a filter refuses or answers goes back through those before it, and so do errors of ours.
 *
 * A filter is made once for each route, when a plan is compiled, and serves all its requests: what belongs to one of them
 * is in variables of a call, or in the request or response that the filter puts in the place of the one it was given.
 */

// What filters put in the place of what they are given.
export { WrappedRequest } from "../message/wrapped_request.ts";
export { WrappedResponse } from "../message/wrapped_response.ts";

import type { RouteConfig } from "../../config/types.ts";
import type { Exchange } from "../exchange.ts";
import type { ProxyResponse } from "../message/response.ts";

/** What `onRequest()` gives: a response is the answer, and neither later filters nor the action hear of the request. */
export type FilterAnswer = ProxyResponse | void;

export abstract class Filter {
  /**
   * A request is here, with nothing read of its body. To change it, put one that wraps it (wrapped_request.ts) into
   * `exchange.request`.
   *
   * A promise makes the exchange wait, at most until its client is gone or its time is over. The work behind the promise
   * is not told of that; it has a bound of its own.
   *
   * @returns A response to answer with, which the route's edits of fields are not applied to; nothing to let it pass.
   * @throws {ProxyError} to refuse it with that error; what else is thrown is a bug, answered as `internal_error`.
   */
  onRequest(_exchange: Exchange): FilterAnswer | Promise<FilterAnswer> {}

  /**
   * A response is here, with nothing read of its body: a backend's, another filter's or one of ours
   * (`exchange.isOwnAnswer`), errors included (`exchange.errorCode`). It may also be a 101, or one without a body.
   *
   * @returns The same, or one that wraps it (wrapped_response.ts) and has the same status. Must not wait: a body does.
   * @throws {ProxyError} As `onRequest()`. The response is then given up.
   */
  onResponse(_exchange: Exchange, response: ProxyResponse): ProxyResponse {
    return response;
  }
}

/** What makes the filters of one name. */
export interface FilterKind {
  /** For people: what `explain` and `plan` call it. */
  readonly name: string;
  /** @returns Null for a route that does not use it. Does not fail: its keys have been validated. */
  compile(route: RouteConfig): Filter | null;
}
