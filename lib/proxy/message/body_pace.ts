/**
 * How fast a client sends or takes a body, where that is to be bounded from below (`limits.body_min_rate`).
 *
 * A bound on silence alone is met with one byte now and then, which holds a connection to a backend for as long as somebody
 * likes. So time is counted against bytes: the client has so much time to begin with, spends it while it is waited for, and
 * earns it back with every byte, never above what it began with. Who is slower than the rate runs out of it, sooner or
 * later; who stops for a while, but was fast enough before, does not. Time in which the backend is waited for costs nothing.
 */

import type { Exchange } from "../exchange.ts";
import type { ProxyRequest } from "./request.ts";

/** How many times the bound on silence a window is: a client that stops comes to that bound first. */
export const WINDOW_FACTOR = 2;

/** @returns Null when there is no such bound. */
export function paceOf({ bodyRateMin, bodyTimeoutMs }: ProxyRequest): BodyPace | null {
  return bodyRateMin > 0 && bodyTimeoutMs > 0 ? new BodyPace(bodyRateMin, WINDOW_FACTOR * bodyTimeoutMs) : null;
}

/** The client owes the next piece of its body. Once the response has begun it may as well wait for that. */
export function expectPiece(exchange: Exchange, pace: BodyPace | null): void {
  const silenceMs = exchange.request.bodyTimeoutMs;
  const leftMs = pace === null || exchange.headAtMs >= 0 ? Infinity : pace.begin(exchange.core.deadlines.recentMs);
  if (leftMs < silenceMs) exchange.due.expectUpload(leftMs, "client_too_slow");
  else exchange.due.expectUpload(silenceMs, "request_timeout");
}

export class BodyPace {
  #windowMs: number;
  readonly #msPerByte: number;
  /** May be below 0. */
  #leftMs: number;
  #sinceMs = -1;

  /** @param bytesPerSecond Above 0. */
  constructor(bytesPerSecond: number, windowMs: number) {
    this.#windowMs = windowMs;
    this.#msPerByte = 1000 / bytesPerSecond;
    this.#leftMs = windowMs;
  }

  /** It is heard of more rarely from now on, as its send buffer grows. */
  widen(windowMs: number): void {
    if (windowMs <= this.#windowMs) return;
    this.#leftMs += windowMs - this.#windowMs;
    this.#windowMs = windowMs;
  }

  /** The client is waited for from now on. @returns ms until it has been too slow; 1 at least. */
  begin(nowMs: number): number {
    this.#sinceMs = nowMs;
    return Math.max(1, this.#leftMs);
  }

  /** How much of its time the client has lost by being too slow. */
  behindMs(nowMs: number): number {
    const waitMs = this.#sinceMs < 0 ? 0 : nowMs - this.#sinceMs;
    return this.#windowMs - this.#leftMs + waitMs;
  }

  /** The client has sent or taken so much. */
  end(bytes: number, nowMs: number): void {
    if (this.#sinceMs < 0) return;
    const leftMs = this.#leftMs - (nowMs - this.#sinceMs) + bytes * this.#msPerByte;
    this.#leftMs = Math.min(this.#windowMs, leftMs);
    this.#sinceMs = -1;
  }
}
