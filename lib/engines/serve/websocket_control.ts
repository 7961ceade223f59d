/**
 * What Deno's server-side `WebSocket` has no method for: to stop reading for a while, and to end without a farewell.
 *
 * Deno reads message after message in one loop, whatever becomes of them, and looks at its own state before each. So the
 * loop ends when it finds the socket closed, and may be begun anew: nothing is lost, as what was not read is still with
 * the system, and TCP holds the client up. `close()` of a WebSocket waits for the client's close, and takes in what comes
 * before it; only giving the resource back ends it now, with what Deno has collected of a message.
 *
 * None of it is public API. Where the runtime is not as expected it can't be held up, and `kill()` closes politely.
 */

interface Parts {
  readonly loop: symbol;
  readonly state: symbol;
  readonly rid: symbol;
  tryClose(rid: number): void;
}

type Insides = Record<symbol, unknown>;

export class WebSocketControl {
  readonly #socket: WebSocket;
  readonly #parts: Parts | null;
  #isPaused = false;
  /** Looks closed until the loop has looked. */
  #isFeigning = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#parts = partsOf(socket);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** To be called while a message is handed out: it is the last one until `resume()`. */
  pause(): void {
    if (this.#isPaused || this.#parts === null || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#isPaused = true;
    this.#isFeigning = true;
    (this.#socket as unknown as Insides)[this.#parts.state] = WebSocket.CLOSED;
    queueMicrotask(() => this.settle()); // the loop looks as soon as the handler has returned
  }

  /** To be called by who needs the state of the socket, in another turn than `pause()`. */
  settle(): void {
    if (!this.#isFeigning || this.#parts === null) return;
    this.#isFeigning = false;
    (this.#socket as unknown as Insides)[this.#parts.state] = WebSocket.OPEN;
  }

  resume(): void {
    if (!this.#isPaused || this.#parts === null) return;
    this.#isPaused = false;
    this.settle();
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    (this.#socket as unknown as Record<symbol, () => Promise<void>>)[this.#parts.loop]();
  }

  /** Ends the connection now. */
  kill(): void {
    this.resume(); // for its `close` event
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    if (this.#parts === null) return this.#socket.close();
    this.#parts.tryClose((this.#socket as unknown as Insides)[this.#parts.rid] as number);
  }
}

function partsOf(socket: WebSocket): Parts | null {
  const loop = symbolOf(WebSocket.prototype, "[[eventLoop]]");
  const state = symbolOf(socket, "[[readyState]]");
  const rid = symbolOf(socket, "[[rid]]");
  const deno = Deno as unknown as { internal?: symbol } & Record<symbol, { core?: Partial<Parts> } | undefined>;
  const core = deno.internal === undefined ? undefined : deno[deno.internal]?.core;
  const isKnown = loop !== undefined && state !== undefined && rid !== undefined &&
    typeof core?.tryClose === "function" && Number.isInteger((socket as unknown as Insides)[state]);
  return isKnown ? { loop, state, rid, tryClose: core!.tryClose! } : null;
}

function symbolOf(owner: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(owner).find((symbol) => symbol.description === description);
}
