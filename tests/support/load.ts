/** Requests one after another on several connections, until told to stop, with a record of how they went. */

import { RawClient } from "./raw_client.ts";
import { Watch } from "./waiting.ts";

export interface LoadOptions {
  readonly address: string;
  /** The target of the n-th request. */
  readonly target: (index: number) => string;
  readonly method?: "GET" | "POST";
  readonly clients?: number;
  /** Between two requests of a client, ms. */
  readonly pauseMs?: number;
  readonly deadlineMs?: number;
}

const POST_BODY = "x".repeat(100);

export class Load {
  /** Statuses with how often each came; "broken" for a response that did not come whole. */
  readonly outcomes: Map<string, number> = new Map();
  /** The last failures, for messages. */
  readonly failures: string[] = [];
  /** Answers per backend, by `X-Backend`. */
  readonly backends: Map<string, number> = new Map();
  /** Ids of POSTs that were answered with 200. */
  readonly answered: Set<string> = new Set();
  sent = 0;
  done = 0;
  /** The longest that a request took, ms. */
  slowestMs = 0;
  readonly #options: LoadOptions;
  readonly #watch: Watch = new Watch();
  readonly #workers: Promise<void>[];
  #isStopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.clients ?? 4 }, () => this.#work());
  }

  get ok(): number {
    return this.outcomes.get("200") ?? 0;
  }

  get failed(): number {
    return this.done - this.ok;
  }

  /** Resolves when `count` more requests have ended. */
  async more(count: number): Promise<void> {
    const target = this.done + count;
    await this.until(() => this.done >= target, `${count} more requests`);
  }

  async until(isMet: () => boolean, wanted: string): Promise<void> {
    await this.#watch.until(isMet, () => `${wanted}; ${this}`, this.#options.deadlineMs ?? 60_000);
  }

  /** Lets what is under way end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  toString(): string {
    const counts = [...this.outcomes].map(([outcome, count]) => `${outcome}: ${count}`).join(", ");
    return `${this.done} requests (${counts}; slowest ${Math.round(this.slowestMs)} ms) ${this.failures.join(" | ")}`;
  }

  async #work(): Promise<void> {
    const { address, method, pauseMs = 0, deadlineMs = 60_000 } = this.#options;
    let client: RawClient | null = null;
    while (!this.#isStopped) {
      const startedMs = performance.now();
      const index = this.sent++;
      const id = `load-${index}`;
      try {
        client ??= await RawClient.connect(address, { deadlineMs });
        await client.send(this.#request(index, id));
        const reply = await client.readResponse();
        if (reply.status === 200 && method === "POST") this.answered.add(id);
        if (reply.status !== 200) this.#note(`${reply.status} ${reply.text.trim()}`);
        count(this.outcomes, String(reply.status));
        count(this.backends, reply.field("x-backend") ?? "none");
        if (!reply.keepAlive) {
          client.close();
          client = null;
        }
      } catch (error) {
        this.#note(String(error));
        count(this.outcomes, "broken");
        client?.close();
        client = null;
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
      this.done++;
      this.#watch.notify();
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    client?.close();
  }

  #request(index: number, id: string): string {
    const { method = "GET", target } = this.#options;
    const length = method === "POST" ? `Content-Length: ${POST_BODY.length}\r\n` : "";
    const head = `${method} ${target(index)} HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: ${id}\r\n${length}\r\n`;
    return method === "POST" ? head + POST_BODY : head;
  }

  #note(text: string): void {
    this.failures.push(text.slice(0, 200));
    if (this.failures.length > 5) this.failures.shift();
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
