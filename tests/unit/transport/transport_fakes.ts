/** The far side of a connection, under the control of a test. */

import type { HeadReader } from "../../../lib/transport/backend_stream.ts";
import { NO_BODY, type OutgoingRequest } from "../../../lib/transport/outgoing_request.ts";
import type { ResponseBounds } from "../../../lib/transport/http1/response_bounds.ts";
import { toBytes, toText } from "../../support/wire_bytes.ts";

export const RESPONSE_BOUNDS: ResponseBounds = {
  head: { bytesMax: 64 * 1024, fieldsMax: 16, targetBytesMax: 0 },
  body: { chunkHeadBytesMax: 64, trailerBytesMax: 1024, trailerFieldsMax: 8 },
};

/** Whom a response is for. */
export const GET: HeadReader = { method: "GET", passInformational() {} };

/** A request without fields and without a body, but for what is said otherwise. */
export function outgoing(parts: Partial<OutgoingRequest>): OutgoingRequest {
  const plain = { scheme: "http", authority: "a", upgrade: "", takesTrailers: false, bodyLength: NO_BODY } as const;
  return { method: "GET", path: "/", ...plain, body: null, writeFields() {}, eachField() {}, ...parts };
}

/** A socket without a network. As with a real one, closing it ends a read that is under way. */
export class FakeConn {
  /** All that was written. */
  written = "";
  isClosed = false;
  isWriteClosed = false;
  /** What each `write()` takes at most; Deno's may take less than it was given. */
  writeMax = Number.POSITIVE_INFINITY;
  writeError: Error | null = null;
  readonly #pieces: (Uint8Array | null | Error)[] = [];
  #wanted: { into: Uint8Array; settle: PromiseWithResolvers<number | null> } | null = null;

  asConn(): Deno.Conn {
    return this as unknown as Deno.Conn;
  }

  /** Bytes come. */
  push(content: string): void {
    this.#give(toBytes(content));
  }

  /** The far side ends. */
  end(): void {
    this.#give(null);
  }

  break(error: Error): void {
    this.#give(error);
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#wanted !== null) throw new Error("Two reads at once");
    if (this.isClosed) return Promise.reject(new Deno.errors.BadResource("closed"));
    this.#wanted = { into, settle: Promise.withResolvers() };
    const { promise } = this.#wanted.settle;
    this.#serve();
    return promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.isClosed) return Promise.reject(new Deno.errors.BadResource("closed"));
    if (this.writeError !== null) return Promise.reject(this.writeError);
    const count = Math.min(bytes.length, this.writeMax);
    this.written += toText(bytes.subarray(0, count));
    return Promise.resolve(count);
  }

  closeWrite(): Promise<void> {
    this.isWriteClosed = true;
    return Promise.resolve();
  }

  close(): void {
    if (this.isClosed) throw new Deno.errors.BadResource("closed twice");
    this.isClosed = true;
    this.#wanted?.settle.resolve(null);
    this.#wanted = null;
  }

  #give(piece: Uint8Array | null | Error): void {
    this.#pieces.push(piece);
    this.#serve();
  }

  #serve(): void {
    if (this.#wanted === null || this.#pieces.length === 0) return;
    const { into, settle } = this.#wanted;
    const piece = this.#pieces.shift()!;
    this.#wanted = null;
    if (piece === null) return settle.resolve(null);
    if (piece instanceof Error) return settle.reject(piece);
    const count = Math.min(piece.length, into.length);
    into.set(piece.subarray(0, count));
    if (count < piece.length) this.#pieces.unshift(piece.subarray(count));
    settle.resolve(count);
  }
}
