/** A WebSocket client whose messages and close are waited for. */

import { DEADLINE_MS, Watch } from "./waiting.ts";
import type { WsClose } from "./ws_backend.ts";

export class WsClient {
  readonly #socket: WebSocket;
  readonly #inbox: (string | Uint8Array)[];
  readonly #watch: Watch;
  #close: WsClose | null;

  private constructor(url: string, protocols: readonly string[]) {
    this.#socket = new WebSocket(url, [...protocols]);
    this.#socket.binaryType = "arraybuffer";
    this.#inbox = [];
    this.#watch = new Watch();
    this.#close = null;
    this.#socket.onopen = () => this.#watch.notify();
    this.#socket.onmessage = ({ data }) => {
      this.#inbox.push(typeof data === "string" ? data : new Uint8Array(data));
      this.#watch.notify();
    };
    this.#socket.onclose = ({ code, reason }) => {
      this.#close = { code, reason };
      this.#watch.notify();
    };
    this.#socket.onerror = () => {}; // a close follows
  }

  /** @param url "ws://127.0.0.1:8080/path". @throws {Error} When it closes instead of opening. */
  static async open(url: string, protocols: readonly string[] = []): Promise<WsClient> {
    const client = new WsClient(url, protocols);
    await client.#until(() => client.#socket.readyState === WebSocket.OPEN, `${url} to open`);
    return client;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  /** The oldest message not taken yet, waiting for it. */
  async next(): Promise<string | Uint8Array> {
    await this.#until(() => this.#inbox.length > 0, "a message");
    return this.#inbox.shift()!;
  }

  /** Starts the closing handshake; `waitForClose` sees its end. */
  close(code = 1000, reason = ""): void {
    this.#socket.close(code, reason);
  }

  async waitForClose(): Promise<WsClose> {
    await this.#watch.until(() => this.#close !== null, () => "the close", DEADLINE_MS);
    return this.#close!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.waitForClose();
  }

  #until(isMet: () => boolean, wanted: string): Promise<void> {
    const check = () => {
      if (isMet()) return true;
      if (this.#close !== null) throw new Error(`Closed with ${this.#close.code} before ${wanted}`);
      return false;
    };
    return this.#watch.until(check, () => wanted, DEADLINE_MS);
  }
}
