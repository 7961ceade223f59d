/** A route with filters: a request passes them, the action answers, and the response passes them in the opposite order. */

import { toProxyError } from "../../base/errors.ts";
import type { RoutePlan } from "../../plan/types.ts";
import type { Matched } from "../../routing/types.ts";
import type { Action } from "../actions/action.ts";
import type { Exchange } from "../exchange.ts";
import type { Filter, FilterAnswer } from "./filter.ts";

export class FilteredRoute implements Action {
  readonly #filters: readonly Filter[];
  readonly #action: Action;
  readonly #totalMs: number;

  /** @param totalMs Bounds the whole exchange, so that filters do not wait for longer; 0: no bound. */
  constructor(filters: readonly Filter[], action: Action, totalMs: number) {
    this.#filters = filters;
    this.#action = action;
    this.#totalMs = totalMs;
  }

  async run(exchange: Exchange, matched: Matched<RoutePlan>): Promise<Exchange> {
    const filters = this.#filters;
    let passed = 0;
    try {
      let answer: FilterAnswer = undefined;
      while (passed < filters.length) {
        const given = filters[passed].onRequest(exchange);
        answer = given instanceof Promise ? await this.#wait(exchange, given) : given;
        if (answer) break;
        passed++;
      }
      let forwarded: Promise<Exchange> | null = null;
      if (answer) exchange.answerWith(answer);
      else forwarded = this.#action.run(exchange, matched);
      if (forwarded === null) exchange.handOver(null);
      else await forwarded;
    } catch (error) {
      exchange.handOver(error);
    }
    this.#goBack(exchange, passed);
    return exchange;
  }

  #wait(exchange: Exchange, work: Promise<FilterAnswer>): Promise<FilterAnswer> {
    exchange.due.limitTotal(this.#totalMs);
    return exchange.waitUntil(work);
  }

  /** @param passed How many filters the request has passed. */
  #goBack(exchange: Exchange, passed: number): void {
    try {
      for (let index = passed - 1; index >= 0; index--) {
        if (exchange.isFinished) return; // cancelled meanwhile: there is no response any more
        exchange.response = this.#filters[index].onResponse(exchange, exchange.response);
      }
    } catch (error) {
      exchange.failWith(toProxyError(error).code);
    }
  }
}
