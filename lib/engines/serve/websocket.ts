/**
 * WebSocket through `Deno.serve`, which speaks in messages on the client's side, to a connection that speaks in frames.
 *
 * Messages pass whole, in order, in both directions; pings are answered on each side for itself. A slow side holds up the
 * other one: the bridge stops reading from the backend, and has Deno stop reading from the client, while too much waits.
 * Where Deno can't be held up, the tunnel ends (1013) when too much waits. What all bridges of a thread hold is bounded,
 * too: `websocket_memory.ts`.
 */

import { type ErrorCode, ProxyError } from "../../base/errors.ts";
import {
  WEBSOCKET_BUFFER_BYTES_MAX,
  WEBSOCKET_MESSAGE_BYTES_MAX,
  WEBSOCKET_MESSAGE_COST_BYTES,
} from "../../config/bounds.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { FrameQueue } from "./frame_queue.ts";
import { WebSocketControl } from "./websocket_control.ts";
import { type WatchedSocket, WebSocketMemory } from "./websocket_memory.ts";
import { serveResponse } from "./response.ts";
import type { Tunnel } from "../../proxy/message/response.ts";
import { encodeClose, encodeFrame } from "../../websocket/frame_encoder.ts";
import { FrameDecoder, FrameError, type FrameEvent, Opcode, validCloseCode } from "../../websocket/frames.ts";
import { acceptOf, parseProtocols, validateHandshake } from "../../websocket/handshake.ts";

/** Deno says nothing of a client that left in the last moment before our 101: the socket never opens. */
const OPEN_TIMEOUT_MS = 3000;
/** How long the other side may take to answer a close, and to take what was on its way before. */
const CLOSE_TIMEOUT_MS = 1000;
/** How often a client may have taken nothing in that time of what was sent before the close. */
const CLOSE_STALLS_MAX = 30;
/** Deno does not tell when its buffer has drained. */
const DRAIN_POLL_MS = 5;
/** What may be in Deno's buffer before the backend is read on: bytes of messages, and messages, which may be tiny. */
const UNSENT_BYTES_MAX = WEBSOCKET_BUFFER_BYTES_MAX / 4;
const UNSENT_MESSAGES_MAX = UNSENT_BYTES_MAX / WEBSOCKET_MESSAGE_COST_BYTES;

/** What may wait for the backend before the client is held up, and how far it has to fall: bytes. */
const WAITING_BYTES_HIGH = 1024 * 1024;
const WAITING_BYTES_LOW = WAITING_BYTES_HIGH / 4;
/** How long a client is held up before a look whether it is still there, doubled each time. */
const PEEK_MS = 500;
const PEEK_MS_MAX = 30_000;
/** Bytes of a look: what Deno has read already must be taken before the system is asked. */
const PEEK_BYTES = 64 * 1024;
/** The head and mask of a client's frame. */
const FRAME_BYTES_MIN = 6;

const Close = {
  going_away: 1001,
  no_status: 1005,
  abnormal: 1006,
  too_large: 1009,
  internal: 1011,
  try_later: 1013,
} as const;

/** The buffers of this thread. */
const MEMORY = new WebSocketMemory();

/** Fields of the handshake, which is made anew. */
const HANDSHAKE_PREFIX = "sec-websocket-";

const encoder = new TextEncoder();

/** Answers the client's upgrade after the backend has agreed to it, and carries messages until either side closes. */
export async function acceptWebSocket(exchange: Exchange, tunnel: Tunnel, request: Request): Promise<Response> {
  const { response: answer } = exchange;
  const offered = exchange.request.field("sec-websocket-protocol");
  let protocol: string;
  try {
    protocol = validateHandshake({
      status: answer.status,
      connection: answer.field("connection"),
      upgrade: answer.field("upgrade"),
      accept: answer.field("sec-websocket-accept"),
      protocol: answer.field("sec-websocket-protocol"),
      extensions: answer.field("sec-websocket-extensions"),
    }, {
      accept: await acceptOf(exchange.request.field("sec-websocket-key") ?? ""),
      protocols: offered === null ? [] : parseProtocols(offered) ?? [],
    });
    await clientIsThere(exchange);
  } catch (error) {
    exchange.failWith(error instanceof ProxyError ? error.code : "upgrade_failed");
    return serveResponse(exchange);
  }
  const fields: [string, string][] = [];
  answer.eachField((name, value) => fields.push([name, value]));
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: 0,
    ...(protocol === "" ? {} : { protocol }),
  });
  for (const [name, value] of fields) {
    if (!name.startsWith(HANDSHAKE_PREFIX)) response.headers.append(name, value);
  }
  new Bridge(exchange, tunnel, socket);
  return response;
}

/**
 * The socket of a client that has left never opens, and Deno's listener then never ends. In the turn after it was asked
 * Deno knows who has left.
 *
 * @throws {ProxyError} `client_gone`, or what else the exchange was cancelled with.
 */
async function clientIsThere(exchange: Exchange): Promise<void> {
  exchange.request.watchClient(() => exchange.cancel(new ProxyError("client_gone")));
  await new Promise((resolve) => setTimeout(resolve, 0));
  exchange.throwIfCancelled();
}

class Bridge implements WatchedSocket {
  heldBytes = 0;
  heardAt = MEMORY.looks;
  readonly #exchange: Exchange;
  readonly #backend: Tunnel;
  readonly #socket: WebSocket;
  readonly #control: WebSocketControl;
  readonly #decoder = new FrameDecoder({ messageBytesMax: WEBSOCKET_MESSAGE_BYTES_MAX });
  readonly #toWrite: FrameQueue;
  /** Messages given to Deno since its buffer was empty last. */
  #unsentMessages = 0;
  /** The timer of the next look at a client that is held up. */
  #peek: ReturnType<typeof setTimeout> | null = null;
  #peekMs = PEEK_MS;
  /** What such a look may still take. */
  #peekBytes = 0;
  #sentClose = false;
  #gotClose = false;
  #isEnding = false;

  constructor(exchange: Exchange, backend: Tunnel, socket: WebSocket) {
    this.#exchange = exchange;
    this.#backend = backend;
    this.#socket = socket;
    this.#control = new WebSocketControl(socket);
    this.#toWrite = new FrameQueue(
      (bytes) => this.#backend.write(bytes),
      () => this.#onWritten(),
      (error) => this.#end(error instanceof ProxyError ? error.code : "internal_error", Close.internal),
    );
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      MEMORY.add(this);
      this.#touch();
      this.#run();
    };
    socket.onmessage = (event) => this.#onMessage(event.data);
    socket.onclose = (event) => this.#onClientClose(event);
    socket.onerror = () => this.#end("client_gone", Close.abnormal);
    exchange.due.expectDownload(OPEN_TIMEOUT_MS, "client_gone");
  }

  /** Backend to client. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        const bytes = await this.#backend.readRaw();
        if (bytes === null) break;
        this.#touch();
        for (const event of this.#decoder.push(bytes)) {
          this.#onBackendEvent(event);
          if (this.#unsentMessages > UNSENT_MESSAGES_MAX) await this.#drained(); // one read may bring many
        }
        if (this.#gotClose) break;
        await this.#drained();
      }
      this.#end("", this.#gotClose ? Close.no_status : Close.abnormal);
    } catch (error) {
      if (error instanceof FrameError) this.#sendClose(error.closeCode, "");
      const code = this.#exchange.cancelled?.code ?? (error instanceof ProxyError ? error.code : "response_invalid");
      this.#end(code, code === "shutting_down" ? Close.going_away : Close.internal);
    }
  }

  #onBackendEvent(event: FrameEvent): void {
    switch (event.kind) {
      case "text":
        this.#exchange.bytesOut += event.text.length;
        return this.#toClient(event.text);
      case "binary":
        this.#exchange.bytesOut += event.bytes.length;
        return this.#toClient(event.bytes);
      case "ping":
        return this.#toBackend(Opcode.pong, event.bytes);
      case "pong":
        return;
      case "close":
        this.#gotClose = true;
        this.#sendClose(event.code, event.reason);
        return this.#closeClient(event.code, event.reason);
    }
  }

  #toClient(data: string | Uint8Array): void {
    this.#control.settle();
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#unsentMessages++;
    this.#socket.send(data as string | Uint8Array<ArrayBuffer>);
  }

  async #drained(): Promise<void> {
    while (!this.#exchange.isFinished && this.#socket.readyState === WebSocket.OPEN && this.#isBehind()) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
  }

  #isBehind(): boolean {
    const unsentBytes = this.#socket.bufferedAmount;
    if (unsentBytes === 0) this.#unsentMessages = 0;
    this.#count();
    return unsentBytes > UNSENT_BYTES_MAX || this.#unsentMessages > UNSENT_MESSAGES_MAX;
  }

  /** Client to backend. */
  #onMessage(data: unknown): void {
    this.heardAt = MEMORY.looks;
    this.#touch();
    const isText = typeof data === "string";
    const bytes = isText ? encoder.encode(data) : new Uint8Array(data as ArrayBuffer);
    if (bytes.length > WEBSOCKET_MESSAGE_BYTES_MAX) return this.#end("tunnel_overflow", Close.too_large);
    this.#toBackend(isText ? Opcode.text : Opcode.binary, bytes);
    this.#peekBytes -= bytes.length + FRAME_BYTES_MIN;
    if (this.#toWrite.waitingBytes > WAITING_BYTES_HIGH && this.#peekBytes <= 0) this.#holdUp();
  }

  get isHeldUp(): boolean {
    return this.#control.isPaused;
  }

  #onWritten(): void {
    this.#count();
    if (!this.#control.isPaused || this.#toWrite.waitingBytes >= WAITING_BYTES_LOW) return;
    this.#peekMs = PEEK_MS;
    this.#readOn();
  }

  /** Nobody tells that a client has left who is not read: so a little is taken now and then. */
  #holdUp(): void {
    this.#control.pause();
    if (!this.#control.isPaused || this.#peek !== null) return;
    this.#peek = setTimeout(() => {
      this.#peekBytes = PEEK_BYTES;
      this.#readOn();
    }, this.#peekMs);
    this.#peekMs = Math.min(2 * this.#peekMs, PEEK_MS_MAX);
  }

  #readOn(): void {
    if (this.#peek !== null) clearTimeout(this.#peek);
    this.#peek = null;
    this.#control.resume();
  }

  endForMemory(): void {
    MEMORY.delete(this);
    this.#end("tunnel_overflow", Close.try_later);
    this.#control.kill();
  }

  /** What waits on either side. */
  #count(): void {
    if (!this.#isEnding) MEMORY.hold(this, this.#socket.bufferedAmount + this.#toWrite.waitingBytes);
  }

  #toBackend(opcode: Opcode, payload: Uint8Array): void {
    if (this.#sentClose || this.#isEnding) return;
    this.#toWrite.push(encodeFrame(opcode, payload, crypto.getRandomValues(new Uint8Array(4))));
    if (this.#toWrite.waitingBytes > WEBSOCKET_BUFFER_BYTES_MAX * 2) this.#end("tunnel_overflow", Close.try_later);
    else this.#count();
  }

  #sendClose(code: number, reason: string): void {
    if (this.#sentClose) return;
    this.#toBackend(Opcode.close, encodeClose(code, reason));
    this.#sentClose = true;
  }

  #onClientClose(event: CloseEvent): void {
    MEMORY.delete(this);
    if (this.#peek !== null) clearTimeout(this.#peek);
    if (this.#exchange.isFinished) return;
    // Codes that no frame may carry: 1006 for an end without a word, 0 after an error of the socket.
    if (event.code !== Close.no_status && !validCloseCode(event.code)) {
      return this.#end("client_gone", Close.abnormal);
    }
    this.#sendClose(event.code, event.reason);
    this.#exchange.due.expectDownload(CLOSE_TIMEOUT_MS, "tunnel_timeout");
  }

  #closeClient(code: number, reason: string): void {
    this.#control.settle();
    if (this.#socket.readyState >= WebSocket.CLOSING) return;
    if (code === Close.no_status) this.#socket.close();
    else this.#socket.close(code, reason);
    this.#readOn(); // its close is still to come
    this.#awaitClose();
  }

  /** Deno would wait for the client's close for ever, and take in whatever comes before it. */
  async #awaitClose(): Promise<void> {
    let unsent = -1;
    for (let stalls = 0; stalls < CLOSE_STALLS_MAX && unsent !== 0;) {
      const before = unsent;
      await new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS));
      if (this.#socket.readyState === WebSocket.CLOSED) return;
      unsent = this.#socket.bufferedAmount;
      stalls = unsent === before ? stalls + 1 : 0;
    }
    this.#control.kill();
  }

  /** Once the last frame is written, gives everything back. */
  #end(code: ErrorCode | "", closeCode: number): void {
    if (this.#exchange.isFinished && this.#socket.readyState >= WebSocket.CLOSING) return;
    // 1006 may not be sent: it says that the other side went away without a word.
    this.#closeClient(closeCode === Close.abnormal ? Close.internal : closeCode, "");
    // A backend that does not read must not hold the exchange until the tunnel's own timeout.
    if (!this.#isEnding) this.#exchange.due.expectDownload(CLOSE_TIMEOUT_MS, code === "" ? "tunnel_timeout" : code);
    this.#isEnding = true;
    this.#toWrite.settled().then(() => this.#exchange.finish(code));
  }

  /** Whatever comes after a close puts off nothing. */
  #touch(): void {
    if (this.#sentClose || this.#isEnding) return;
    this.#exchange.due.expectDownload(this.#exchange.idleMs, "tunnel_timeout");
  }
}
