/**
 * What a backend is to get, in no protocol's words: the stream that takes it knows how its protocol says it.
 *
 * Fields that frame the message or concern one connection alone are not among the fields: `Host`, `Content-Length`,
 * `Transfer-Encoding`, `TE`, `Connection` and `Upgrade` are HTTP/1's way to say what the properties say here.
 */

import type { ByteWriter } from "../base/byte_writer.ts";
import type { EmitField } from "../base/emit_field.ts";

/** `bodyLength` of a request without a body and without `Content-Length`. */
export const NO_BODY = -2;
/** `bodyLength` of a body that says its length only by ending. */
export const UNKNOWN_LENGTH = -1;

export interface OutgoingRequest {
  readonly method: string;
  /** Of the client's request, whatever the connection to the backend is. */
  readonly scheme: "http" | "https";
  /** "" when neither the client nor the configuration named one. */
  readonly authority: string;
  /** Origin form, or "*"; one character a byte. */
  readonly path: string;
  /** Protocol that the client asks for; "" for none. */
  readonly upgrade: string;
  readonly takesTrailers: boolean;
  /** Bytes, or `NO_BODY` or `UNKNOWN_LENGTH`. */
  readonly bodyLength: number;
  /** Null when nothing follows the head. */
  readonly body: OutgoingBody | null;

  /** Writes all fields as "name: value\r\n": many of them lie in memory like that. */
  writeFields(out: ByteWriter): void;

  /** Calls `emit` for the same fields, in order; names in any case. */
  eachField(emit: EmitField): void;
}

/** The body on its way to one attempt. Read by one reader, one call at a time. */
export interface OutgoingBody extends UploadObserver {
  /** All of it in one piece of up to `bytesMax` bytes, to be sent with the head; null when it has not come or is more. */
  takeWhole(bytesMax: number): Uint8Array | null;

  /**
   * The next piece, valid until the next call or the end of the upload; null at the end. The time until it is there is the client's, the time until the next call the
   * backend's: who calls does so when the backend has taken what came before.
   *
   * @throws {ProxyError} what the client did wrong.
   */
  read(): Promise<Uint8Array | null>;

  /** Whether what `read()` was called for last is here: its promise is about to settle. */
  readonly hasCome: boolean;

  /** Whether there are fields behind the body; known at its end. */
  readonly hasTrailers: boolean;

  /** Calls `emit` for each field behind the body that may pass. */
  eachTrailer(emit: EmitField): void;
}

/** Hears how the sending of a body ends, unless that was in the call of `send()` itself. One of the three, once. */
export interface UploadObserver {
  /** The attempt is over: nothing more is to be sent, and nobody is to be told. */
  readonly isAbandoned: boolean;
  onSent(): void;
  /** The backend takes no more of it. It may have answered. */
  onRefused(): void;
  /** The client did not send what it announced. */
  onFailed(error: unknown): void;
}
