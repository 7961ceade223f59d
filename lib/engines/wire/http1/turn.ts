/**
 * Gives way to others.
 *
 * A read of what is there already, and a write that there is room for, end in the turn of the event loop in which they
 * were begun. A client that sends faster than it is served, requests that are answered here or a body in tiny chunks, was
 * served in one turn without an end, and nobody else meanwhile: over TLS above all, where the runtime's own fairness among
 * sockets does not reach. Nor does the next turn bring others: while there is something to do, the runtime looks at its
 * sockets at every 61st turn only (tokio's `event_interval`). So after a millisecond or two of such work a connection
 * waits for a timer, and until then whatever is ready elsewhere goes first.
 *
 * That concerns who gives much to do and lets nobody wait. An exchange with a backend waits, and costs nothing here.
 */

import type { Clock } from "../../../base/clock.ts";

/** What a turn may cost. */
const COST_MAX = 256;
/** The cost of an answer of ours to a client that had sent its next request by then: 30 to 60 µs. */
const PRESSED_COST = 8;
/** The cost of an answer that was waited for, or of a read: many clients do so, and some send in records that fit. */
const ANSWER_COST = 1;
/** The cost of a piece of a body, up to 64 KiB: so that 160 MB/s pass without. */
const PIECE_COST = 4;
/** Bytes around chunks are decoded one by one. */
const FRAMING_BYTES_OF_COST = 64;
/** Who takes longer for what a turn may cost has waited. */
const TURN_MS = 25;

/** The turns of one connection. */
export class WireTurn {
  readonly #clock: Clock;
  #cost = 0;
  #endedMs = -TURN_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param hasNext Whether the next request is here. @returns Whether others go first; `giveWay()` then. */
  endsWithAnswer(hasNext: boolean): boolean {
    return this.#isOver(hasNext ? PRESSED_COST : ANSWER_COST);
  }

  /** Counts a read of more of a head whose beginning was here. @returns As `endsWithAnswer()`. */
  endsWithRead(): boolean {
    return this.#isOver(ANSWER_COST);
  }

  /** @param framingBytes Of chunks, around its bytes. @returns As `endsWithAnswer()`. */
  endsWithPiece(framingBytes: number): boolean {
    return this.#isOver(PIECE_COST + framingBytes / FRAMING_BYTES_OF_COST);
  }

  #isOver(cost: number): boolean {
    this.#cost += cost;
    if (this.#cost < COST_MAX) return false;
    this.#cost = 0;
    const nowMs = this.#clock.nowMs();
    const isPressing = nowMs - this.#endedMs < TURN_MS;
    this.#endedMs = nowMs;
    return isPressing;
  }
}

/** Resolves when all sockets have been looked at. */
export function giveWay(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
