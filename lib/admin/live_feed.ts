/**
 * The live side of the dashboard: server-sent events to a bounded number of readers.
 *
 * `status` about once a second and soon after a change, made and encoded once for all readers, and only while there is
 * one; `event` as each happens. A reader that does not read is let go when its buffer is full: it reconnects and asks for what it missed.
 */

import type { Operator } from "./operator.ts";
import type { EventView } from "./views.ts";

export const READERS_MAX = 32;
/** Messages that may wait for a reader. */
const WAITING_MAX = 64;
const STATUS_MS = 1000;
/** From a change to the status that shows it: several at once make one. */
const SOON_MS = 50;

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

const encoder = new TextEncoder();

export class LiveFeed {
  readonly #operator: Operator;
  readonly #readers: Set<Controller> = new Set();
  #timer: ReturnType<typeof setInterval> | null = null;
  #soon: ReturnType<typeof setTimeout> | null = null;
  #forget: (() => void) | null = null;
  #isClosed = false;

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /**
   * @param after Events with a greater id come first; null: only those that happen from now on.
   * @returns null when there are too many readers already, or it is over.
   */
  open(after: number | null): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    if (this.#isClosed || this.#readers.size >= READERS_MAX) return null;
    let reader: Controller;
    return new ReadableStream({
      start: (controller) => {
        reader = controller;
        this.#readers.add(controller);
        this.#begin();
        controller.enqueue(message("status", this.#operator.status()));
        // In one turn with joining, so that nothing is told twice or missed.
        const missed = after === null ? [] : this.#operator.eventsSince(after);
        if (missed.length > 0) controller.enqueue(joined(missed.map(eventMessage)));
      },
      cancel: () => this.#leave(reader),
    }, { highWaterMark: WAITING_MAX });
  }

  /** Ends all streams; no more are opened. */
  close(): void {
    this.#isClosed = true;
    for (const reader of [...this.#readers]) this.#end(reader);
  }

  #begin(): void {
    this.#timer ??= setInterval(() => this.#tellStatus(), STATUS_MS);
    this.#forget ??= this.#operator.onEvent((event) => {
      this.#tell(eventMessage(event));
      if (event.kind !== "error" && this.#readers.size > 0) {
        this.#soon ??= setTimeout(() => this.#tellStatus(), SOON_MS);
      }
    });
  }

  #tellStatus(): void {
    this.#stopSoon();
    this.#tell(message("status", this.#operator.status()));
  }

  #stopSoon(): void {
    if (this.#soon !== null) clearTimeout(this.#soon);
    this.#soon = null;
  }

  #tell(bytes: Uint8Array<ArrayBuffer>): void {
    for (const reader of [...this.#readers]) {
      if ((reader.desiredSize ?? 0) <= 0) this.#end(reader);
      else reader.enqueue(bytes);
    }
  }

  #end(reader: Controller): void {
    this.#leave(reader);
    try {
      reader.close();
    } catch {
      // The reader has gone by itself in this very moment.
    }
  }

  #leave(reader: Controller): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#stopSoon();
    this.#forget?.();
    this.#forget = null;
  }
}

function eventMessage(event: EventView): Uint8Array<ArrayBuffer> {
  return encoder.encode(`id: ${event.id}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`);
}

function message(name: string, data: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
