/** The action `respond`: the same response for every request, made at load. */

import type { FieldEdits } from "../../fields/edits.ts";
import type { RespondAction } from "../../plan/types.ts";
import type { Exchange } from "../exchange.ts";
import { edited, type LocalContent } from "../message/local_response.ts";
import type { Action } from "./action.ts";

export class RespondRoute implements Action {
  readonly #content: LocalContent;

  constructor(action: RespondAction, edits: FieldEdits) {
    this.#content = edited(action, edits);
  }

  run(exchange: Exchange): null {
    exchange.answer(this.#content);
    return null;
  }
}
