/** The action `redirect`: sends the client elsewhere. */

import type { FieldEdits } from "../../fields/edits.ts";
import type { RedirectAction, RoutePlan } from "../../plan/types.ts";
import type { Matched } from "../../routing/types.ts";
import type { Exchange } from "../exchange.ts";
import { edited, redirectResponse } from "../message/local_response.ts";
import type { Action } from "./action.ts";

export class RedirectRoute implements Action {
  readonly #action: RedirectAction;
  readonly #edits: FieldEdits;

  constructor(action: RedirectAction, edits: FieldEdits) {
    this.#action = action;
    this.#edits = edits;
  }

  run(exchange: Exchange, matched: Matched<RoutePlan>): null {
    const { status, to } = this.#action;
    exchange.answer(edited(redirectResponse(status, to.apply(matched, exchange.query)), this.#edits));
    return null;
  }
}
