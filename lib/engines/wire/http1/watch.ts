/**
 * Whether a client is still there while its request is under way: of use to an exchange that takes long, and made for the
 * first one that does.
 *
 * A read is always pending then. An error means that the client is gone. The end of its side may be no more than that, or
 * the first half of a close: who still wants its answer has `limits.half_close` for all that it asked for, counted from
 * the end. What it sent before is kept for its turn, up to a bound. More stays in the kernel, and would hide the end: when
 * it does so for long, it is read off, and the connection ends with the response under way (RFC 9112 §9.3.2: who pipelines
 * asks again for what was not answered).
 */

import type { Head } from "../../../http1/head.ts";
import type { Deadlines, Timed } from "../../../transport/deadlines.ts";
import type { InputWatcher, WireInput } from "./input.ts";

/** A client may send so much ahead that it fills its buffer, and still have all of it answered, when answers are quick. */
const FULL_MS = 10_000;

export interface WatchParts {
  readonly input: WireInput;
  readonly deadlines: Deadlines;
  /** How long what was asked for may take once the client's side has ended; 0: no time. */
  readonly halfCloseMs: number;
  /** Whether what is read ahead are further requests: neither a body nor the beginning of a tunnel. */
  readonly isAheadOfTurn: () => boolean;
}

export class WireWatch implements Timed, InputWatcher {
  deadlineMs = Infinity;
  deadlineIndex = -1;
  /** Nobody waits for an answer any more. */
  isGone = false;
  readonly #parts: WatchParts;
  /** What the exchange under way wants called when the client is gone; null: it does not want to know. */
  #onGone: (() => void) | null = null;
  #hasEnded = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** An exchange wants to know; until `end()`. */
  begin(head: Head, onGone: () => void): void {
    if (this.isGone) return onGone();
    this.#onGone = onGone;
    this.#parts.input.watch(head, this);
  }

  /** The body of its request has been read. Does nothing when nobody wants to know. */
  resume(head: Head): void {
    if (this.#onGone !== null) this.#parts.input.watch(head, this);
  }

  /** The exchange is over; what came behind it may have its turn, within the time that is left. */
  end(): void {
    this.#onGone = null;
    this.#parts.input.unwatch();
    if (!this.#hasEnded) this.#expect(Infinity);
  }

  /** The connection is over, or somebody else reads from now on. */
  close(): void {
    this.#onGone = null;
    this.#parts.input.unwatch();
    this.#expect(Infinity);
  }

  onDeadline(): void {
    if (this.#hasEnded) return this.onBroken();
    this.#parts.input.dropAhead(); // again at each tick
  }

  onBroken(): void {
    this.isGone = true;
    this.#expect(Infinity);
    this.#onGone?.();
  }

  onEnded(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { deadlines, halfCloseMs } = this.#parts;
    if (halfCloseMs === 0) return this.onBroken();
    this.#expect(deadlines.after(halfCloseMs));
  }

  onFull(): void {
    const { deadlines, isAheadOfTurn } = this.#parts;
    if (this.deadlineMs === Infinity && isAheadOfTurn()) this.#expect(deadlines.after(FULL_MS));
  }

  #expect(deadlineMs: number): void {
    const { deadlines } = this.#parts;
    this.deadlineMs = deadlineMs;
    if (deadlineMs === Infinity) deadlines.remove(this);
    else if (this.deadlineIndex < 0) deadlines.add(this);
  }
}
