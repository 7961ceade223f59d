/**
 * What is due in an exchange: bounds in time on the whole of it, on its request body, on its response, and on what the
 * client has to take. The nearest of them is the one entry of the exchange in the list of deadlines.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import type { Deadlines, Timed } from "../transport/deadlines.ts";

/**
 * An exchange that takes longer asks its engine to be told when the client leaves. Asking costs a few microseconds, and
 * most exchanges are over before it is of use.
 */
const WATCH_CLIENT_AFTER_MS = 40;

const NEVER = Infinity;

/** Who hears of what was not done in time. */
export interface DeadlineOwner {
  /** Nothing more is to be waited for. */
  cancel(error: ProxyError): void;
  /** The client or the backend owed something. */
  onSilence(code: ErrorCode): void;
  /** It takes long; once. */
  onLong(): void;
}

export class ExchangeDeadlines implements Timed {
  deadlineMs: number;
  deadlineIndex = -1;
  readonly #owner: DeadlineOwner;
  readonly #all: Deadlines;
  readonly #startedMs: number;
  #watchAtMs: number;
  #totalAtMs = NEVER;
  #takenAtMs = NEVER;
  #takenCode: ErrorCode = "client_gone";
  #uploadAtMs = NEVER;
  #uploadCode: ErrorCode = "request_timeout";
  #downloadAtMs = NEVER;
  #downloadCode: ErrorCode = "response_timeout";

  /** Is among `all` from now on, until `end()`. */
  constructor(owner: DeadlineOwner, all: Deadlines, nowMs: number) {
    this.#owner = owner;
    this.#all = all;
    this.#startedMs = nowMs;
    this.#watchAtMs = nowMs + WATCH_CLIENT_AFTER_MS;
    this.deadlineMs = this.#watchAtMs;
    all.observe(nowMs);
    all.add(this);
  }

  end(): void {
    this.#all.remove(this);
  }

  /** Bounds the whole exchange, with all its attempts and waits; 0: no bound. */
  limitTotal(totalMs: number): void {
    this.#totalAtMs = totalMs > 0 ? this.#startedMs + totalMs : NEVER;
    this.#schedule();
  }

  /** From now on something is owed to the request body, by the client or by the backend. `ms` 0: without a bound. */
  expectUpload(ms: number, code: ErrorCode): void {
    this.#uploadAtMs = ms > 0 ? this.#all.after(ms) : NEVER;
    this.#uploadCode = code;
    this.#schedule();
  }

  /** From now on the backend owes us a head, or a piece of the body. `ms` 0: nothing is owed, or without a bound. */
  expectDownload(ms: number, code: ErrorCode): void {
    this.#downloadAtMs = ms > 0 ? this.#all.after(ms) : NEVER;
    this.#downloadCode = code;
    this.#schedule();
  }

  /** From now on the client has to take what was handed over. `ms` 0: it has. */
  expectTaken(ms: number, code: ErrorCode = "client_gone"): void {
    this.#takenAtMs = ms > 0 ? this.#all.after(ms) : NEVER;
    this.#takenCode = code;
    this.#schedule();
  }

  /** Nothing is owed by the backend, nor to it: the attempt is over. */
  endAttempt(): void {
    this.#uploadAtMs = NEVER;
    this.#downloadAtMs = NEVER;
    this.#schedule();
  }

  onDeadline(nowMs: number): void {
    if (nowMs >= this.#totalAtMs) return this.#owner.cancel(new ProxyError("total_timeout"));
    if (nowMs >= this.#uploadAtMs) return this.#owner.onSilence(this.#uploadCode);
    if (nowMs >= this.#downloadAtMs) return this.#owner.onSilence(this.#downloadCode);
    if (nowMs >= this.#takenAtMs) return this.#owner.cancel(new ProxyError(this.#takenCode));
    if (nowMs >= this.#watchAtMs) {
      this.#watchAtMs = NEVER;
      this.#schedule();
      this.#owner.onLong();
    }
  }

  #schedule(): void {
    this.deadlineMs = Math.min(
      this.#watchAtMs,
      this.#totalAtMs,
      this.#takenAtMs,
      this.#uploadAtMs,
      this.#downloadAtMs,
    );
  }
}
