/** The action `upstream`: a backend answers; or sluice itself, for a request that may go no further. */

import type { RoutePlan, UpstreamAction } from "../../plan/types.ts";
import type { Matched } from "../../routing/types.ts";
import type { Exchange } from "../exchange.ts";
import { forward } from "../forward/forward.ts";
import { lastServerResponse, maxForwards } from "../forward/max_forwards.ts";
import { edited } from "../message/local_response.ts";
import type { Action } from "./action.ts";

export class UpstreamRoute implements Action {
  readonly #action: UpstreamAction;

  constructor(action: UpstreamAction) {
    this.#action = action;
  }

  run(exchange: Exchange, matched: Matched<RoutePlan>): Promise<Exchange> | null {
    const forwards = maxForwards(exchange.request);
    if (forwards !== 0) return forward(exchange, { matched, action: this.#action, forwards });
    exchange.answer(edited(lastServerResponse(exchange.request), matched.route.value.responseEdits));
    return null;
  }
}
