/**
 * WebSocket through `Deno.serve`, which speaks in messages on the client's side, to a connection that speaks in frames.
 *
 * Messages pass whole, in order, in both directions; pings are answered on each side for itself. Towards the client the
 * bridge stops reading from the backend while too much waits. Towards the backend it can't: Deno reads on, so when more
 * than the bound waits there, the tunnel is ended (1013), never memory.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { FieldId } from "../base/field_names.ts";
import { WEBSOCKET_BUFFER_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX } from "../config/bounds.ts";
import type { Exchange } from "../proxy/exchange.ts";
import { serveResponse } from "./serve_response.ts";
import type { Connection } from "../transport/connection.ts";
import { encodeClose, encodeFrame } from "../websocket/frame_encoder.ts";
import { FrameDecoder, FrameError, type FrameEvent, Opcode } from "../websocket/frames.ts";
import { acceptOf, parseProtocols, validateHandshake } from "../websocket/handshake.ts";

/** How long the other side may take to answer a close. */
const CLOSE_TIMEOUT_MS = 1000;
/** Deno does not tell when its buffer has drained. */
const DRAIN_POLL_MS = 5;

const Close = { going_away: 1001, no_status: 1005, abnormal: 1006, internal: 1011, try_later: 1013 } as const;

const encoder = new TextEncoder();

/** Answers the client's upgrade after the backend has agreed to it, and carries messages until either side closes. */
export async function acceptWebSocket(exchange: Exchange, request: Request): Promise<Response> {
  const head = exchange.connection!.head;
  const offered = exchange.request.field("sec-websocket-protocol");
  let protocol: string;
  try {
    protocol = validateHandshake({
      status: head.status,
      connection: head.get(FieldId.connection),
      upgrade: head.get(FieldId.upgrade),
      accept: head.get(FieldId.sec_websocket_accept),
      protocol: head.get(FieldId.sec_websocket_protocol),
      extensions: head.get(FieldId.sec_websocket_extensions),
    }, {
      accept: await acceptOf(exchange.request.field("sec-websocket-key") ?? ""),
      protocols: offered === null ? [] : parseProtocols(offered) ?? [],
    });
  } catch (error) {
    exchange.failWith(error instanceof ProxyError ? error.code : "upgrade_failed");
    return serveResponse(exchange);
  }
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: 0,
    ...(protocol === "" ? {} : { protocol }),
  });
  new Bridge(exchange, socket);
  return response;
}

class Bridge {
  readonly #exchange: Exchange;
  readonly #connection: Connection;
  readonly #socket: WebSocket;
  readonly #decoder = new FrameDecoder({ messageBytesMax: WEBSOCKET_MESSAGE_BYTES_MAX });
  #writing: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #sentClose = false;
  #gotClose = false;

  constructor(exchange: Exchange, socket: WebSocket) {
    this.#exchange = exchange;
    this.#connection = exchange.connection!;
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#run();
    socket.onmessage = (event) => this.#onMessage(event.data);
    socket.onclose = (event) => this.#onClientClose(event);
    socket.onerror = () => this.#end("client_gone", Close.abnormal);
    this.#touch();
  }

  /** Backend to client. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        const bytes = await this.#connection.readRaw();
        if (bytes === null) break;
        this.#touch();
        for (const event of this.#decoder.push(bytes)) this.#onBackendEvent(event);
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
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data as string | Uint8Array<ArrayBuffer>);
  }

  async #drained(): Promise<void> {
    while (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount > WEBSOCKET_BUFFER_BYTES_MAX / 4) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
  }

  /** Client to backend. */
  #onMessage(data: unknown): void {
    this.#touch();
    if (typeof data === "string") this.#toBackend(Opcode.text, encoder.encode(data));
    else this.#toBackend(Opcode.binary, new Uint8Array(data as ArrayBuffer));
  }

  #toBackend(opcode: Opcode, payload: Uint8Array): void {
    if (this.#sentClose) return;
    const frame = encodeFrame(opcode, payload, crypto.getRandomValues(new Uint8Array(4)));
    this.#waitingBytes += frame.length;
    if (this.#waitingBytes > WEBSOCKET_BUFFER_BYTES_MAX * 2) return this.#end("tunnel_overflow", Close.try_later);
    this.#writing = this.#writing.then(async () => {
      await this.#connection.write(frame);
      this.#waitingBytes -= frame.length;
    }).catch((error) => this.#end(error instanceof ProxyError ? error.code : "internal_error", Close.internal));
  }

  #sendClose(code: number, reason: string): void {
    if (this.#sentClose) return;
    this.#toBackend(Opcode.close, encodeClose(code, reason));
    this.#sentClose = true;
  }

  #onClientClose(event: CloseEvent): void {
    if (this.#exchange.isFinished) return;
    if (event.code === Close.abnormal) return this.#end("client_gone", Close.abnormal);
    this.#sendClose(event.code, event.reason);
    this.#exchange.expectDownload(CLOSE_TIMEOUT_MS, "tunnel_timeout");
  }

  #closeClient(code: number, reason: string): void {
    if (this.#socket.readyState >= WebSocket.CLOSING) return;
    if (code === Close.no_status) this.#socket.close();
    else this.#socket.close(code, reason);
  }

  /** Once the last frame is written, gives everything back. */
  #end(code: ErrorCode | "", closeCode: number): void {
    if (this.#exchange.isFinished && this.#socket.readyState >= WebSocket.CLOSING) return;
    // 1006 may not be sent: it says that the other side went away without a word.
    this.#closeClient(closeCode === Close.abnormal ? Close.internal : closeCode, "");
    this.#writing.then(() => this.#exchange.finish(code));
  }

  #touch(): void {
    this.#exchange.expectDownload(this.#exchange.idleMs, "tunnel_timeout");
  }
}
