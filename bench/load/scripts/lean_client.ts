/** A client for generators: one connection that costs little, reads bodies without holding them, and trusts nobody. */

import { writeAll } from "../../../tests/support/wire_bytes.ts";
import type { Shape } from "../shapes.ts";

const READ_BYTES = 64 * 1024;
const HEAD_END = "\r\n\r\n";
const CHUNKED_END = "\r\n0\r\n\r\n"; // a body of ours never looks like its own end

export class LeanClient implements Disposable {
  readonly #connection: Deno.Conn;
  readonly #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(READ_BYTES);

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  static async connect(address: string): Promise<LeanClient> {
    const [hostname, port] = address.split(":");
    const connection = await Deno.connect({ hostname, port: Number(port) });
    connection.setNoDelay(true);
    return new LeanClient(connection);
  }

  /** @returns Bytes of the body. @throws {Error} When the response is not whole or not 2xx. */
  async exchange(request: Uint8Array): Promise<number> {
    await writeAll(this.#connection, request);
    let head = "";
    let headEnd = -1;
    while (headEnd < 0) {
      head += latin1(await this.#read());
      headEnd = head.indexOf(HEAD_END);
    }
    if (!/^HTTP\/1\.1 2\d\d /.test(head)) throw new Error(`Not 2xx: ${JSON.stringify(head.slice(0, 100))}`);
    const bodyStart = headEnd + HEAD_END.length;
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    let received = head.length - bodyStart;
    if (length !== null) {
      while (received < Number(length[1])) received += (await this.#read()).length;
      return received;
    }
    for (let end = head; !end.endsWith(CHUNKED_END);) {
      const piece = await this.#read();
      received += piece.length;
      end = (end + latin1(piece.subarray(-CHUNKED_END.length))).slice(-CHUNKED_END.length);
    }
    return received;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #read(): Promise<Uint8Array> {
    const count = await this.#connection.read(this.#buffer);
    if (count === null) throw new Error("The connection was closed before the response was whole");
    return this.#buffer.subarray(0, count);
  }
}

export function requestBytes({ method, path, fields, bodyBytes }: Shape, host: string, isFresh = false): Uint8Array {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  if (bodyBytes > 0) lines.push(`Content-Length: ${bodyBytes}\r\n`);
  if (isFresh) lines.push("Connection: close\r\n");
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join("")}\r\n`;
  return new TextEncoder().encode(head + "x".repeat(bodyBytes));
}

const decoder = new TextDecoder("latin1");

function latin1(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
