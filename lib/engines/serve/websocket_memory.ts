/**
 * Memory that WebSockets of `serve` hold, over all of a thread.
 *
 * What waits here for a slow side is counted, and bounded over all. What Deno collects of a message that comes in
 * fragments is not: it speaks only of whole messages, so nobody can tell a client that sends nothing from one whose
 * message never ends, and that one would take all memory. The process' memory beyond V8's tells that *somebody* does:
 * when it has grown by more than a bound, WebSockets that have been silent are ended, the newest first, an eighth of
 * them each time, until it has fallen. What is left when all are gone was grown by something else, and is the new floor.
 * Idle clients may have to connect again then; the process stays.
 */

import { WEBSOCKET_ASSEMBLED_BYTES_MAX, WEBSOCKET_HELD_BYTES_MAX } from "../../config/bounds.ts";

const LOOK_MS = 100;
/** Looks in which nothing was heard. */
const SILENT_LOOKS = 4;
const BATCHES = 8;

export interface WatchedSocket {
  /** What waits for its slow sides; written by `WebSocketMemory.hold()`. */
  heldBytes: number;
  /** Deno is not reading it. */
  readonly isHeldUp: boolean;
  /** `looks` when a message came last. */
  heardAt: number;
  /** Ends it now. */
  endForMemory(): void;
}

/** @returns Bytes of the process that are not V8's. */
export type MeasureNative = () => number;

export class WebSocketMemory {
  #heldBytes = 0;
  /** How often it has looked. */
  looks = 0;
  readonly #measure: MeasureNative;
  readonly #lookMs: number;
  /** In the order they were opened. */
  readonly #sockets: Set<WatchedSocket> = new Set();
  #timer: ReturnType<typeof setInterval> | null = null;
  #floor = 0;

  constructor(measure: MeasureNative = nativeBytes, lookMs: number = LOOK_MS) {
    this.#measure = measure;
    this.#lookMs = lookMs;
  }

  add(socket: WatchedSocket): void {
    this.#sockets.add(socket);
    if (this.#timer !== null) return;
    this.#floor = this.#measure();
    this.#timer = setInterval(() => this.look(), this.#lookMs);
  }

  /** @param bytes That wait now. The one that holds most ends when all together hold too much. */
  hold(socket: WatchedSocket, bytes: number): void {
    this.#heldBytes += bytes - socket.heldBytes;
    socket.heldBytes = bytes;
    if (this.#heldBytes <= WEBSOCKET_HELD_BYTES_MAX) return;
    let largest = socket;
    for (const other of this.#sockets) if (other.heldBytes > largest.heldBytes) largest = other;
    largest.endForMemory();
  }

  delete(socket: WatchedSocket): void {
    if (!this.#sockets.delete(socket)) return;
    this.#heldBytes -= socket.heldBytes;
    socket.heldBytes = 0;
    if (this.#sockets.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  look(): void {
    this.looks++;
    const bytes = this.#measure();
    this.#floor = Math.min(this.#floor, bytes);
    if (bytes - this.#floor <= WEBSOCKET_ASSEMBLED_BYTES_MAX) return;
    const silent = [...this.#sockets]
      .filter(({ heardAt, isHeldUp }) => !isHeldUp && this.looks - heardAt >= SILENT_LOOKS).reverse();
    if (silent.length === 0) this.#floor = bytes;
    const batch = Math.ceil(this.#sockets.size / BATCHES);
    for (const socket of silent.slice(0, batch)) socket.endForMemory();
  }
}

function nativeBytes(): number {
  const { rss, heapTotal, external } = Deno.memoryUsage();
  return rss - heapTotal - external;
}
