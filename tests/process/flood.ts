/** One client that sends the same few bytes again and again, as fast as they are taken. */

import { parseAddress } from "../support/raw_client.ts";

const BLOCK_BYTES = 64 * 1024;
const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const EMPTY_SETTINGS = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK = [0, 0, 0, 4, 1, 0, 0, 0, 0];

/** What an HTTP/2 client says first. */
export const HTTP2_OPENING = Uint8Array.from([...PREFACE, ...EMPTY_SETTINGS, ...SETTINGS_ACK]);
/** HTTP/2 frames that cost nothing to send (RFC 9113): PRIORITY of stream 1, an acknowledgement that nobody asked for. */
export const HTTP2_UNITS = {
  PRIORITY: Uint8Array.from([0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 16]),
  PING: Uint8Array.from([0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
} as const;

export interface FloodOptions {
  /** Sent once, before. */
  readonly opening: Uint8Array;
  readonly unit: Uint8Array;
  readonly tls?: { readonly caCert: string; readonly alpn: string };
}

export class Flood implements AsyncDisposable {
  sentBytes = 0;
  /** The other side has closed. */
  isRefused = false;
  readonly #connection: Deno.Conn;
  readonly #done: Promise<unknown>;
  #isOver = false;

  private constructor(connection: Deno.Conn, options: FloodOptions) {
    this.#connection = connection;
    this.#done = Promise.all([this.#send(options), this.#drain()]);
  }

  static async start(address: string, options: FloodOptions): Promise<Flood> {
    const { tls } = options;
    const place = parseAddress(address);
    const connection = tls === undefined
      ? await Deno.connect(place)
      : await Deno.connectTls({ ...place, caCerts: [tls.caCert], alpnProtocols: [tls.alpn] });
    return new Flood(connection, options);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Sends no more, and leaves. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#done;
  }

  async #send({ opening, unit }: FloodOptions): Promise<void> {
    const block = new Uint8Array(Math.floor(BLOCK_BYTES / unit.length) * unit.length);
    for (let at = 0; at < block.length; at += unit.length) block.set(unit, at);
    try {
      for (let rest = opening; !this.#isOver; rest = block) {
        for (let at = 0; at < rest.length && !this.#isOver;) {
          const written = await this.#connection.write(rest.subarray(at));
          at += written;
          this.sentBytes += written;
        }
      }
    } catch {
      this.isRefused = !this.#isOver;
    }
  }

  async #drain(): Promise<void> {
    const buffer = new Uint8Array(BLOCK_BYTES);
    try {
      while (await this.#connection.read(buffer) !== null);
    } catch {
      // closed by either side
    }
  }
}
