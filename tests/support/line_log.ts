/** The lines that a process prints, as they come. */

import type { Watch } from "./waiting.ts";

export type JsonLine = Readonly<Record<string, unknown>>;

export class LineLog {
  /** Every whole line. */
  readonly lines: string[];
  /** Those of them that are JSON objects. */
  readonly records: JsonLine[];
  /** Settles when the stream has ended. */
  readonly ended: Promise<void>;
  readonly #watch: Watch;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>, watch: Watch) {
    this.lines = [];
    this.records = [];
    this.#watch = watch;
    this.ended = this.#follow(stream);
  }

  get text(): string {
    return this.lines.join("\n");
  }

  async #follow(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let unfinished = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (unfinished + text).split("\n");
      unfinished = lines.pop() ?? "";
      for (const line of lines) this.#add(line);
      this.#watch.notify();
    }
    if (unfinished !== "") this.#add(unfinished);
    this.#watch.notify();
  }

  #add(line: string): void {
    this.lines.push(line);
    if (!line.startsWith("{")) return;
    try {
      this.records.push(JSON.parse(line));
    } catch {
      // Looks like JSON and is not: stays a line, for the test that looks at lines.
    }
  }
}
