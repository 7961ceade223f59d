/**
 * What an exchange uses of a backend: one request out, one response in.
 *
 * A whole `Connection`, or a `PipelinedStream`: one exchange's place among those that share a connection. Which of the
 * two an exchange gets is its source's choice; a request with a body and an upgrade always get a connection.
 *
 * The order of calls is: `beginExchange()`, the head into `out`, `send()` in the same turn, `takeHead()` with `reading()`
 * until it is there, then `readBody()` or `takeBody()` until END, then `release()` of the source, which is also due when
 * something failed.
 */

import type { Bytes, ReadPiece, TakenPiece } from "../base/body_piece.ts";
import type { ByteWriter } from "../base/byte_writer.ts";
import type { ProxyError } from "../base/errors.ts";
import type { Framing } from "../http1/body_kind.ts";
import type { Head } from "../http1/head.ts";

/** Whom a response is for. */
export interface HeadReader {
  /** The method of the request: a response to HEAD has no body. */
  readonly method: string;
  /** Hears of each 1xx before the response. The head is valid during the call. */
  passInformational(head: Head): void;
}

export interface BackendStream {
  readonly out: ByteWriter;
  /** The head of the response; valid from `readHead()` to the first piece of the body. */
  readonly head: Head;
  /** The framing of the body behind the head that was taken last. */
  readonly framing: Framing;
  /** Exchanges that were begun on the connection, this one included. */
  readonly exchanges: number;
  /** Bytes of this exchange's response that were read. */
  readonly bytesIn: number;
  /** The trailers of a body that is done; null when it had none. */
  readonly trailers: Head | null;

  beginExchange(): void;
  /** Sends what is in `out`: the head of a request, with its body where that is small and all here. */
  send(): void;
  /** @returns Whether the final response head is in `head`; while it is not, the caller does `took(await reading())`. */
  takeHead(request: HeadReader): boolean;
  reading(): Promise<number>;
  took(count: number): void;
  /** What an error of `reading()` means. */
  failure(error: unknown): ProxyError;
  takeBody(): TakenPiece;
  readBody(): Promise<ReadPiece>;
  own(piece: Bytes): Bytes;
  /** Whoever waits on it gets `error`. */
  abort(error: ProxyError): void;
  close(): void;

  /** For a request body, and behind a 101: not on a stream. */
  write(bytes: Uint8Array): Promise<void>;
  readRaw(): Promise<Bytes | null>;
  closeWrite(): Promise<void>;
}

/** Who asks for a stream. Read during the call only. */
export interface Claimant {
  /** The client's address; "" for a Unix socket. */
  readonly clientIp: string;
  /** `upgrade`: the protocol that it will speak, if the backend agrees; "" for none. */
  readonly request: { readonly upgrade: string };
}
