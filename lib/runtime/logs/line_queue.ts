/**
 * Lines on their way to a file or a pipe, collected as bytes and written in the background: nobody waits for them.
 *
 * There are two buffers. Lines go into one while the other is written, in one piece of whole lines: a moment after the first
 * line that waits, or as soon as many do. What waits is bounded: when the disk or the reader of the pipe can't follow, new
 * lines are dropped and counted, and the count is reported once it flows again.
 */

import { ByteWriter } from "../../base/byte_writer.ts";

/** Short enough to read along, long enough for hundreds of lines a write under load. */
const FLUSH_MS = 20;
/** So many bytes are written without waiting for that: a write costs tens of microseconds, on two threads. */
const FLUSH_BYTES = 128 * 1024;
/** Length of a buffer as it begins, and to which it comes back after it had to grow. */
const BUFFER_BYTES = 192 * 1024;

/** Where lines go. */
export interface LineSink {
  /**
   * @param bytes Whole lines; the queue's own, untouched until this resolves.
   * @throws when it can't be written; the sink is then given up.
   */
  write(bytes: Uint8Array): Promise<unknown>;
  close(): void;
}

export interface LineQueueOptions {
  /** Bytes that may wait. */
  readonly waitingMax: number;
  readonly onDropped: (lines: number) => void;
  /** Nothing is written after this. */
  readonly onFailed: (error: unknown) => void;
}

export class LineQueue {
  readonly #sink: LineSink;
  readonly #options: LineQueueOptions;
  /** Where the next line goes; `wrote()` after each. */
  out: ByteWriter = new ByteWriter(BUFFER_BYTES);
  #spare: ByteWriter = new ByteWriter(BUFFER_BYTES);
  /** Bytes that are being written. */
  #underWay = 0;
  #dropped = 0;
  #hasFailed = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> | null = null;
  readonly #flush = () => this.#startWriting();

  constructor(sink: LineSink, options: LineQueueOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Whether a line that is made now will not be kept; counts it as dropped then. */
  refuses(): boolean {
    if (this.#hasFailed) return true;
    if (this.#underWay + this.out.length <= this.#options.waitingMax) return false;
    this.#dropped++;
    return true;
  }

  /** A line, with its end, has been added to `out`. */
  wrote(): void {
    if (this.#writing !== null) return;
    if (this.out.length >= FLUSH_BYTES) this.#startWriting();
    else if (this.#timer === null) this.#timer = setTimeout(this.#flush, FLUSH_MS);
  }

  /** Writes what waits and closes the sink. Resolves when that is done, however long it takes. */
  async end(): Promise<void> {
    while (this.#writing !== null || (this.out.length > 0 && !this.#hasFailed)) {
      this.#startWriting();
      await this.#writing;
    }
    if (!this.#hasFailed) this.#sink.close();
  }

  #startWriting(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#writing !== null || this.out.length === 0) return;
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = null;
      // A line may have come after the last look and before this.
      if (this.out.length > 0) this.wrote();
    });
  }

  async #writeAll(): Promise<void> {
    do {
      const lines = this.out;
      this.out = this.#spare;
      this.#underWay = lines.length;
      try {
        await this.#sink.write(lines.view());
      } catch (error) {
        this.#hasFailed = true;
        this.out.reset();
        this.#sink.close();
        this.#options.onFailed(error);
      }
      lines.reset();
      this.#spare = lines;
      this.#underWay = 0;
      if (this.#dropped > 0) {
        this.#options.onDropped(this.#dropped);
        this.#dropped = 0;
      }
    } while (this.out.length >= FLUSH_BYTES && !this.#hasFailed);
  }
}
