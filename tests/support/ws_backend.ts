/**
 * A WebSocket backend on `Deno.serve`: sends every message back, text or binary, and does what a message tells it:
 * "close 4001 why" closes with that code and reason.
 */

import { DEADLINE_MS, Watch } from "./waiting.ts";

export interface WsBackendOptions {
  /** Sub-protocols it speaks; the first that the client offers too is chosen. */
  readonly protocols?: readonly string[];
}

export interface WsOpening {
  readonly target: string;
  readonly headers: Headers;
  /** The one chosen; "" for none. */
  readonly protocol: string;
}

export interface WsClose {
  readonly code: number;
  readonly reason: string;
}

export class WsBackend {
  readonly openings: WsOpening[];
  readonly messages: (string | Uint8Array)[];
  readonly closes: WsClose[];
  readonly #protocols: readonly string[];
  readonly #sockets: Set<WebSocket>;
  readonly #watch: Watch;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;

  private constructor(options: WsBackendOptions) {
    this.openings = [];
    this.messages = [];
    this.closes = [];
    this.#protocols = options.protocols ?? [];
    this.#sockets = new Set();
    this.#watch = new Watch();
    this.#http = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#upgrade(request),
    );
  }

  static start(options: WsBackendOptions = {}): WsBackend {
    return new WsBackend(options);
  }

  get address(): string {
    return `127.0.0.1:${this.#http.addr.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** To every open socket. */
  send(message: string | Uint8Array<ArrayBuffer>): void {
    for (const socket of this.#sockets) socket.send(message);
  }

  close(code: number, reason = ""): void {
    for (const socket of this.#sockets) socket.close(code, reason);
  }

  waitFor(isMet: () => boolean, wanted: string, deadlineMs = DEADLINE_MS): Promise<void> {
    const describe = () => `${wanted}; ${this.openings.length} opened, ${this.messages.length} messages`;
    return this.#watch.until(isMet, describe, deadlineMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close(1001);
    await this.waitFor(() => this.#sockets.size === 0, "all sockets to close").catch(() => {});
    await this.#http.shutdown();
  }

  #upgrade(request: Request): Response {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return new Response("plain", { status: 426 });
    const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
    const protocol = this.#protocols.find((known) => offered.includes(known)) ?? "";
    const { socket, response } = Deno.upgradeWebSocket(request, protocol === "" ? {} : { protocol });
    const url = new URL(request.url);
    this.openings.push({ target: url.pathname + url.search, headers: request.headers, protocol });
    this.#attend(socket);
    return response;
  }

  #attend(socket: WebSocket): void {
    socket.binaryType = "arraybuffer";
    this.#sockets.add(socket);
    socket.onmessage = ({ data }) => {
      this.messages.push(typeof data === "string" ? data : new Uint8Array(data));
      const order = typeof data === "string" ? /^close (\d+) ?(.*)$/.exec(data) : null;
      if (order === null) socket.send(data);
      else socket.close(Number(order[1]), order[2]);
      this.#watch.notify();
    };
    socket.onclose = ({ code, reason }) => {
      this.closes.push({ code, reason });
      this.#sockets.delete(socket);
      this.#watch.notify();
    };
    socket.onerror = () => this.#watch.notify(); // a close follows, and is what counts
  }
}
