/**
 * WebSocket frames on their way to a backend, written in order, small ones together.
 *
 * One loop writes what is there. Rejected: a promise for each frame behind that of the one before. When the connection
 * ended, each of them failed with an error of its own, for whose stack the engine walks the whole chain: 20,000 messages
 * that waited held the process up for half a minute.
 */

import { WEBSOCKET_MESSAGE_COST_BYTES } from "../../config/bounds.ts";

/** Frames are joined up to here; a larger one is written by itself. */
const JOINED_BYTES_MAX = 64 * 1024;

export class FrameQueue {
  /** What waits, with what it costs beside its bytes. */
  waitingBytes = 0;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #onWritten: () => void;
  readonly #onFailed: (error: unknown) => void;
  #frames: Uint8Array[] = [];
  #writing: Promise<void> | null = null;

  /**
   * @param onWritten Told after each write, when `waitingBytes` is less.
   * @param onFailed Told what `write` rejected with; what waits is gone then.
   */
  constructor(
    write: (bytes: Uint8Array) => Promise<void>,
    onWritten: () => void,
    onFailed: (error: unknown) => void,
  ) {
    this.#write = write;
    this.#onWritten = onWritten;
    this.#onFailed = onFailed;
  }

  /** @param frame Its own from now on. */
  push(frame: Uint8Array): void {
    this.waitingBytes += frame.length + WEBSOCKET_MESSAGE_COST_BYTES;
    this.#frames.push(frame);
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when all is written, or nothing can be any more. */
  settled(): Promise<void> {
    return this.#writing ?? Promise.resolve();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#frames.length > 0) {
        const frames = this.#frames;
        this.#frames = [];
        for (let at = 0; at < frames.length;) {
          const end = endOfRun(frames, at);
          const bytes = end === at + 1 ? frames[at] : joined(frames, at, end);
          await this.#write(bytes);
          this.waitingBytes -= bytes.length + (end - at) * WEBSOCKET_MESSAGE_COST_BYTES;
          at = end;
          this.#onWritten();
        }
      }
    } catch (error) {
      this.#frames = [];
      this.waitingBytes = 0;
      this.#onFailed(error);
    } finally {
      this.#writing = null;
    }
  }
}

function endOfRun(frames: readonly Uint8Array[], start: number): number {
  let end = start + 1;
  let bytes = frames[start].length;
  while (end < frames.length && bytes + frames[end].length <= JOINED_BYTES_MAX) bytes += frames[end++].length;
  return end;
}

function joined(frames: readonly Uint8Array[], start: number, end: number): Uint8Array {
  let length = 0;
  for (let index = start; index < end; index++) length += frames[index].length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let index = start; index < end; index++) {
    bytes.set(frames[index], at);
    at += frames[index].length;
  }
  return bytes;
}
