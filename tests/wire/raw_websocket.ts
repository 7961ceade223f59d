/** A WebSocket client that speaks frames, over cleartext or TLS, and can do what no library lets it. */

import { encodeClose, encodeFrame } from "../../lib/websocket/frame_encoder.ts";
import { FrameDecoder, type FrameEvent, Opcode } from "../../lib/websocket/frames.ts";
import { acceptOf } from "../../lib/websocket/handshake.ts";
import { within } from "../support/proxy_stage.ts";
import { assertEquals } from "../support/assert.ts";
import type { RawClient, RawResponse } from "../support/raw_client.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK = Uint8Array.of(0x12, 0x34, 0x56, 0x78);
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

export function handshake(target: string, more = ""): string {
  return `GET ${target} HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n${more}\r\n`;
}

export class RawWebSocket {
  readonly client: RawClient;
  readonly response: RawResponse;
  readonly #decoder = new FrameDecoder({ messageBytesMax: MESSAGE_BYTES_MAX });
  readonly #events: FrameEvent[] = [];

  private constructor(client: RawClient, response: RawResponse) {
    this.client = client;
    this.response = response;
  }

  /** Takes the client over. */
  static async open(client: RawClient, target: string, protocols = ""): Promise<RawWebSocket> {
    await client.send(handshake(target, protocols === "" ? "" : `Sec-WebSocket-Protocol: ${protocols}\r\n`));
    const response = await client.readResponse();
    assertEquals({ status: response.status, accept: response.field("sec-websocket-accept") }, {
      status: 101,
      accept: await acceptOf(KEY),
    });
    return new RawWebSocket(client, response);
  }

  frame(opcode: Opcode, payload: Uint8Array, isFinal = true): Promise<void> {
    return this.client.send(encodeFrame(opcode, payload, MASK, isFinal));
  }

  text(text: string): Promise<void> {
    return this.frame(Opcode.text, new TextEncoder().encode(text));
  }

  close(code: number, reason = ""): Promise<void> {
    return this.frame(Opcode.close, encodeClose(code, reason));
  }

  /** The next message, pong or close; null when the connection has ended. */
  async next(): Promise<FrameEvent | null> {
    const { source } = this.client;
    while (this.#events.length === 0) {
      const bytes = await within(source.readSome(1024 * 1024), "a frame");
      if (bytes === null) return null;
      this.#events.push(...this.#decoder.push(bytes));
    }
    return this.#events.shift()!;
  }

  async nextText(): Promise<string> {
    const event = await this.next();
    if (event?.kind !== "text") throw new Error(`Expected a text, got ${JSON.stringify(event)}`);
    return event.text;
  }

  async nextBytes(): Promise<Uint8Array> {
    const event = await this.next();
    if (event?.kind !== "binary") throw new Error(`Expected bytes, got ${JSON.stringify(event)}`);
    return event.bytes;
  }

  async nextClose(): Promise<{ code: number; reason: string }> {
    const event = await this.next();
    if (event?.kind !== "close") throw new Error(`Expected a close, got ${JSON.stringify(event)}`);
    return { code: event.code, reason: event.reason };
  }

  [Symbol.dispose](): void {
    this.client.close();
  }
}
