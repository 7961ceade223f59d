/** A backend of server-sent events: each request opens a stream, and the test decides when events go out. */

import type { ScriptedExchange } from "./backend_exchange.ts";
import { chunk, type Script } from "./backend_scripts.ts";
import { type BackendOptions, ScriptedBackend } from "./scripted_backend.ts";
import { Gate } from "./waiting.ts";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n" +
  "Transfer-Encoding: chunked\r\n\r\n";

interface EventStream {
  readonly exchange: ScriptedExchange;
  readonly ended: Gate;
}

export class SseBackend {
  /** For addresses, requests and waits. */
  readonly backend: ScriptedBackend;
  readonly #streams: Set<EventStream>;

  private constructor(options: BackendOptions) {
    this.#streams = new Set();
    this.backend = ScriptedBackend.start(this.#script(), options);
  }

  static start(options: BackendOptions = {}): SseBackend {
    return new SseBackend(options);
  }

  get url(): string {
    return this.backend.url;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Sends one event, as one chunk, on every open stream. @throws {ConnectionLost} */
  async emit(data: string): Promise<void> {
    const lines = data.split("\n").map((line) => `data: ${line}\n`).join("");
    await Promise.all([...this.#streams].map(({ exchange }) => exchange.write(chunk(`${lines}\n`))));
  }

  /** Ends every open stream properly. */
  end(): void {
    for (const { ended } of this.#streams) ended.open();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.backend[Symbol.asyncDispose]();
  }

  #script(): Script {
    return async (exchange) => {
      await exchange.write(HEAD);
      const stream = { exchange, ended: new Gate() };
      this.#streams.add(stream);
      try {
        await exchange.wait(stream.ended.opened);
        await exchange.write("0\r\n\r\n");
      } finally {
        this.#streams.delete(stream);
      }
    };
  }
}
