/** An example backend of the demo: greets, streams, and can be killed to see what sluice makes of it. */

import { ListenError } from "../runtime/serving/listener_set.ts";

/** How long a killed one stays away. */
export const DEATH_MS = 20_000;

export class ExampleBackend {
  readonly #name: string;
  readonly #port: number;
  #http: Deno.HttpServer<Deno.NetAddr>;
  #rebirth: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;

  /** @throws {ListenError} when the port is taken: by another demo, most likely. */
  constructor(name: string, port: number) {
    this.#name = name;
    this.#port = port;
    try {
      this.#http = this.#serve();
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      throw new ListenError(`Cannot start example backend ${name} on 127.0.0.1:${port}: the address is in use`);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#rebirth !== null) clearTimeout(this.#rebirth);
    await this.#http.shutdown();
  }

  #serve(): Deno.HttpServer<Deno.NetAddr> {
    return Deno.serve({ hostname: "127.0.0.1", port: this.#port, onListen: () => {} }, (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/slow") return ticks(this.#name);
      // Only on its own port: nobody kills it through the proxy.
      if (pathname === "/die" && request.method === "POST" && !request.headers.has("via")) return this.#die();
      return text(this.#name, `hello from ${this.#name} (${request.method} ${pathname})\n`);
    });
  }

  /** Once the answer is out, it refuses connections, until it is back. */
  #die(): Response {
    setTimeout(async () => {
      await this.#http.shutdown();
      if (this.#isClosed) return;
      this.#rebirth = setTimeout(() => {
        this.#rebirth = null;
        this.#http = this.#serve();
      }, DEATH_MS);
    }, 0);
    return text(this.#name, `${this.#name} is gone for ${DEATH_MS / 1000} seconds\n`);
  }
}

/** A line a second for ten seconds: something to keep open while the configuration changes. */
function ticks(name: string): Response {
  const encoder = new TextEncoder();
  let count = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (count > 0) await new Promise((resolve) => setTimeout(resolve, 1000));
      controller.enqueue(encoder.encode(`tick ${++count} from ${name}\n`));
      if (count === 10) controller.close();
    },
  });
  return text(name, body);
}

function text(name: string, body: BodyInit): Response {
  return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8", "x-backend": name } });
}
