/**
 * Lines on their way to a file or a pipe, collected and written in the background: `push` never waits.
 *
 * What waits is bounded: when the disk or the reader of the pipe can't follow, new lines are dropped and counted, and
 * the count is reported once it flows again.
 */

/** Short enough to read along, long enough for hundreds of lines a write under load. */
const FLUSH_MS = 20;

/** Where lines go. */
export interface LineSink {
  /** @throws when it can't be written; the sink is then given up. */
  write(bytes: Uint8Array): Promise<unknown>;
  close(): void;
}

export interface LineQueueOptions {
  /** Characters that may wait, which is close enough to bytes for a bound. */
  readonly waitingMax: number;
  readonly onDropped: (lines: number) => void;
  /** Nothing is written after this. */
  readonly onFailed: (error: unknown) => void;
}

const encoder = new TextEncoder();

export class LineQueue {
  readonly #sink: LineSink;
  readonly #options: LineQueueOptions;
  #lines: string[] = [];
  #waiting = 0;
  #dropped = 0;
  #hasFailed = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> | null = null;

  constructor(sink: LineSink, options: LineQueueOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Whether a line that is made now will not be kept; counts it as dropped then. */
  refuses(): boolean {
    if (this.#hasFailed) return true;
    if (this.#waiting <= this.#options.waitingMax) return false;
    this.#dropped++;
    return true;
  }

  push(line: string): void {
    this.#lines.push(line);
    this.#waiting += line.length;
    if (this.#timer === null && this.#writing === null) this.#timer = setTimeout(() => this.#startWriting(), FLUSH_MS);
  }

  /** Writes what waits and closes the sink. Resolves when that is done, however long it takes. */
  async end(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#startWriting();
    while (this.#writing !== null) await this.#writing;
    if (!this.#hasFailed) this.#sink.close();
  }

  #startWriting(): void {
    this.#timer = null;
    if (this.#writing !== null || this.#lines.length === 0) return;
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = null;
      // A line may have come after the last look and before this.
      this.#startWriting();
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0 && !this.#hasFailed) {
      const text = this.#lines.join("");
      this.#lines = [];
      try {
        const bytes = encoder.encode(text);
        await this.#sink.write(bytes);
      } catch (error) {
        this.#hasFailed = true;
        this.#lines = [];
        this.#sink.close();
        this.#options.onFailed(error);
      }
      this.#waiting -= text.length;
      if (this.#dropped > 0) {
        this.#options.onDropped(this.#dropped);
        this.#dropped = 0;
      }
    }
  }
}
