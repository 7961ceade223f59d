/**
 * What an exchange uses of a backend: one request out, one response in.
 *
 * A whole `Connection`, or a `PipelinedStream`: one exchange's place among those that share a connection. Which of the
 * two an exchange gets is its source's choice; a request with a body and an upgrade always get a connection.
 *
 * The order of calls is: `send()`, `takeHead()` with `reading()` until it is there, then `readBody()` or `takeBody()` until
 * END, then `release()` of the source, which is also due when something failed. What becomes of a stream whose request is
 * still on its way then is the stream's affair.
 */

import type { Bytes, ReadPiece, TakenPiece } from "../base/body_piece.ts";
import type { ProxyError } from "../base/errors.ts";
import type { Framing } from "../http1/body_kind.ts";
import type { Head } from "../http1/head.ts";
import type { OutgoingRequest } from "./outgoing_request.ts";
import type { Holder } from "./reclaim.ts";

/** Whom a response is for. */
export interface HeadReader {
  /** The method of the request: a response to HEAD has no body. */
  readonly method: string;
  /** Hears of each 1xx before the response. The head is valid during the call. */
  passInformational(head: Head): void;
}

export interface BackendStream {
  /** The head of the response; valid from `readHead()` to the first piece of the body. */
  readonly head: Head;
  /** The framing of the body behind the head that was taken last. */
  readonly framing: Framing;
  /**
   * Once it has failed: it had served before, and nothing came of this response. The backend has probably closed it before
   * it saw the request.
   */
  readonly isStale: boolean;
  /** The trailers of a body that is done; null when it had none. */
  readonly trailers: Head | null;

  /**
   * Begins an exchange, and is not waited for: the response is what tells how it went.
   *
   * @returns Whether all of the request is on its way; if not, `request.body` is read from now on, and hears of the end.
   */
  send(request: OutgoingRequest): boolean;
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

  /** Behind a 101, which a place in a pipeline never gets. */
  write(bytes: Uint8Array): Promise<void>;
  readRaw(): Promise<Bytes | null>;
  closeWrite(): Promise<void>;
}

/** Who asks for a stream, and then has it. */
export interface Claimant extends Holder {
  /** The client's address; "" for a Unix socket. */
  readonly clientIp: string;
  /** `upgrade`: the protocol that it will speak, if the backend agrees; "" for none. */
  readonly request: { readonly upgrade: string };
}
