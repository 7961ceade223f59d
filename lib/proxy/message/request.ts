/**
 * What an engine hands to the core: one request, already parsed and validated by the engine's own means.
 *
 * The core never sees a `Request` or a socket of the client. It asks for few fields by name, and has all others written
 * straight into the output buffer by the engine, which knows best how they are stored.
 */

import type { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import type { FieldEdits } from "../../fields/edits.ts";
import type { ConnectionOptions } from "../../fields/hop_by_hop.ts";
import type { Head } from "../../http1/head.ts";
import type { FieldFilter } from "./field_filter.ts";

export { NO_BODY, UNKNOWN_LENGTH } from "../../transport/outgoing_request.ts";

export interface ProxyRequest {
  readonly method: string;
  /** Origin form, or "*"; the bytes that came, one character a byte. */
  readonly target: string;
  /** `Host` or `:authority`, valid; "" only where a request may come without (HTTP/1.0). */
  readonly authority: string;
  readonly isSecure: boolean;
  /** "HTTP/1.1", for the log. */
  readonly protocol: string;
  /** "" for a Unix socket. */
  readonly peerIp: string;
  /** Bytes, or `NO_BODY` or `UNKNOWN_LENGTH`. */
  readonly bodyLength: number;
  /** Lower-case protocol of an upgrade that this engine can carry out; "" for none. */
  readonly upgrade: string;
  /** Whether the client takes trailers and this engine can send them. */
  readonly takesTrailers: boolean;
  /** Silence allowed while the client owes us its body; 0: no limit. */
  readonly bodyTimeoutMs: number;
  /** Bytes a second in which the client has to send and to take bodies; 0: no bound. */
  readonly bodyRateMin: number;

  /** What its `Connection` says. */
  readonly connectionOptions: ConnectionOptions;

  /** Whether the name of a field has a "_", or looks like one of ours but for another separator. */
  hasUnderscores(): boolean;

  /** Where its fields are, for who can do without strings; null where they are not bytes. */
  readonly head: Head | null;

  /** By lower-case name, lines joined; null when absent. */
  field(lowerName: string): string | null;

  /** Writes every field that `filter` does not drop as "name: value\r\n". */
  writeFields(out: ByteWriter, filter: FieldFilter): void;

  /** Calls `emit` for the same fields, in order; names in any case. */
  eachField(emit: EmitField, filter: FieldFilter): void;

  /**
   * What has come of the body with the head, the caller's own; null for nothing. Called once, before `readBody()`.
   *
   * @throws {ProxyError} As `readBody()`.
   */
  takeReceived(): Uint8Array | null;

  /** All of the body was taken or read. */
  readonly isBodyTaken: boolean;

  /**
   * Tells a client that waits for it to send its body: 100 (Continue).
   *
   * @returns Whether it waited, and nobody else is to tell it.
   */
  askForBody(): boolean;

  /**
   * The next piece of the body, the caller's until `reuse()`; null at the end. Called only when there is a body, one call at a time.
   *
   * @throws {ProxyError} `request_body_broken`, `request_body_too_large`.
   */
  readBody(): Promise<Uint8Array | null>;

  /**
   * A piece that `readBody()` gave is not needed any more, so that the next may be read to where it lies: nobody reads it,
   * and no write of it is under way. Who never says so has it for good.
   */
  reuse(piece: Uint8Array): void;

  /** Trailers of the body, once it has ended; null when there are none, or the engine can't see them. */
  bodyTrailers(): Head | null;

  /**
   * An interim response (1xx) of the backend, for an engine that can pass it on. The head is valid during the call.
   *
   * @param edits Whose removals hold for it; what they add belongs to the response.
   */
  passInformational(head: Head, edits: FieldEdits): void;

  /** The rest of the body is not wanted. */
  cancelBody(): void;

  /** Asks to be told once when the client is gone. Called late, and only for an exchange that takes long. */
  watchClient(onGone: () => void): void;
}
