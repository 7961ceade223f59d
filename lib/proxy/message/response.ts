/**
 * The response of an exchange as an engine reads it: the twin of `ProxyRequest`.
 *
 * What a backend sends (backend_response.ts) and what sluice says itself (local_response.ts) are implementations; so is
 * whatever wraps one of them. Reading does not end the exchange: that is the engine's, which alone knows when the client
 * has got what it was owed.
 */

import type { Bytes, ReadPiece, TakenPiece } from "../../base/body_piece.ts";
import type { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";

export interface ProxyResponse {
  /** 200 to 599, or 101. */
  readonly status: number;
  /**
   * Bytes that `Content-Length` may promise the client; -1 for none. Where `hasBody` is false it describes a body that does
   * not come (RFC 9110 §8.6: HEAD, 304).
   */
  readonly length: number;
  /** Whether a body follows, be it empty. */
  readonly hasBody: boolean;
  /** Whether `Date` is among the fields. */
  readonly hasDate: boolean;
  /** Both directions behind a 101; null for every other status. */
  readonly tunnel: Tunnel | null;

  /** By lower-case name, lines joined; null when absent. As it came, whatever the route removes. */
  field(lowerName: string): string | null;

  /** Writes every field that goes to the client as "name: value\r\n". Framing is not among them: see `length`. */
  writeFields(out: ByteWriter): void;

  /** Calls `emit` for the same fields, in order, lines of one name apart. */
  eachField(emit: EmitField): void;

  /** What is at hand of the body. A piece is valid until the next call. @throws {ProxyError} when the body broke off. */
  takeBody(): TakenPiece;

  /**
   * The next piece. Valid until the next call.
   *
   * @throws {ProxyError} when the body broke off; the client must then see its connection end, never a clean end.
   */
  readBody(): Promise<ReadPiece>;

  /** Makes a piece that was given last the caller's own. */
  own(piece: Bytes): Bytes;

  /** Whether there are fields behind the body; known at its `END`. */
  readonly hasTrailers: boolean;

  /** Calls `emit` for each field behind the body that may pass. */
  eachTrailer(emit: EmitField): void;
}

/** The backend's side of an upgraded connection. */
export interface Tunnel {
  /** Bytes as they come; null when the backend has ended its side. Valid until the next call. @throws {ProxyError} */
  readRaw(): Promise<Bytes | null>;
  /** @throws {ProxyError} */
  write(bytes: Uint8Array): Promise<void>;
  /** The backend reads an end then; its own side stays readable. @throws {ProxyError} */
  closeWrite(): Promise<void>;
}
