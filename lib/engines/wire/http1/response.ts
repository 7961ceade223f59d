/**
 * Writes an exchange's response to a client connection: one write for the head with a small body behind it, then piece by
 * piece as the backend sends.
 *
 * A piece may lie in the backend connection's buffer. It is written or copied before the next one is asked for, and before
 * the exchange ends, which gives that connection to the next one.
 *
 * What was whole before a response broke off is written all the same: a client that got nothing at all would think that it
 * may ask again.
 */

import { END, type TakenPiece, WAIT } from "../../../base/body_piece.ts";
import { asciiBytes, type ByteWriter } from "../../../base/byte_writer.ts";
import type { FieldEdits } from "../../../fields/edits.ts";
import { chunkHead, CRLF, LAST_CHUNK, statusLine } from "../../../http1/encode.ts";
import type { Head } from "../../../http1/head.ts";
import { responseFilter } from "../../../proxy/message/backend_response.ts";
import { copyFields } from "../../../proxy/message/copy_fields.ts";
import type { Exchange } from "../../../proxy/exchange.ts";
import type { ProxyResponse } from "../../../proxy/message/response.ts";
import { httpDate } from "./http_date.ts";
import type { WireRequest } from "./request.ts";

/** A piece up to here is copied behind what waits to be written; a larger one gets a write of its own. */
const JOIN_BYTES_MAX = 16 * 1024;

const CONTENT_LENGTH = asciiBytes("content-length: ");
const CHUNKED = asciiBytes("transfer-encoding: chunked\r\n");

export interface WireSink {
  readonly out: ByteWriter;
  /** Writes what is in `out`, and empties it. @throws {ProxyError} `client_gone`. */
  flush(): Promise<void>;
  /** @throws {ProxyError} `client_gone`. */
  write(bytes: Uint8Array): Promise<void>;
}

/** How the client is to read the body. */
const Frame = { none: 0, length: 1, chunked: 2, until_close: 3 } as const;

/** A response of which the head and what was at hand of the body are in the output buffer. */
export interface BegunResponse {
  /** Whether another request may follow: a body that only the end of the connection ends rules it out. */
  readonly persists: boolean;
  /** What is to come of the body; null when all is there. */
  readonly rest: BodyRest | null;
}

export interface BodyRest {
  readonly isChunked: boolean;
  readonly takesTrailers: boolean;
  /** To go out next. */
  readonly piece: TakenPiece;
}

const LAST: BegunResponse = { persists: false, rest: null };
const PERSISTENT: BegunResponse = { persists: true, rest: null };

/**
 * Waits for nothing: the usual small response is complete with it, and takes one write.
 *
 * @param request Null when its head could not be read.
 * @param keepAlive Whether another request may follow, as far as the request and the engine are concerned.
 * @throws {ProxyError} when the response broke off; what is in `out` is then to be written before the connection is
 * closed.
 */
export function beginResponse(
  out: ByteWriter,
  exchange: Exchange,
  { request, keepAlive }: { request: WireRequest | null; keepAlive: boolean },
): BegunResponse {
  const { response } = exchange;
  const isHttp10 = request !== null && request.isHttp10;
  const frame = frameOf(response, isHttp10);
  const persists = keepAlive && frame !== Frame.until_close;
  const whole = persists ? PERSISTENT : LAST;
  statusLine(out, response.status);
  writeFields(out, exchange);
  const { length } = response;
  if (length >= 0) {
    out.append(CONTENT_LENGTH);
    out.decimal(length);
    out.append(CRLF);
  }
  const isChunked = frame === Frame.chunked;
  if (isChunked) out.append(CHUNKED);
  writeConnection(out, isHttp10, persists);
  out.append(CRLF);
  if (frame === Frame.none) return whole;
  const takesTrailers = request !== null && request.takesTrailers;
  const piece = joinPieces(out, exchange, { isChunked, piece: response.takeBody() });
  if (piece !== END) return { persists, rest: { isChunked, takesTrailers, piece } };
  if (isChunked) writeChunkedEnd(out, response, takesTrailers);
  return whole;
}

/** The head of a 101, after which both sides speak something else. */
export function writeSwitchingProtocols(out: ByteWriter, exchange: Exchange): void {
  statusLine(out, 101);
  writeFields(out, exchange);
  out.ascii("connection: upgrade\r\n");
  out.field("upgrade", exchange.request.upgrade);
  out.ascii("\r\n");
}

/** A 1xx as the backend sent it, less what concerns only its connection, and what `edits` take away. */
export function writeInformational(out: ByteWriter, head: Head, edits: FieldEdits): void {
  statusLine(out, head.status);
  copyFields(out, head, responseFilter(head, edits));
  out.ascii("\r\n");
}

/**
 * The rest of a body, as it comes; then the exchange is over, before the last bytes are out.
 *
 * @throws {ProxyError} when it broke off or the client is gone.
 */
export async function writeRest(sink: WireSink, exchange: Exchange, rest: BodyRest): Promise<void> {
  const { out } = sink;
  const { response } = exchange;
  const { isChunked } = rest;
  let piece = rest.piece;
  exchange.clientOwes();
  while (piece !== END) {
    if (piece !== WAIT && piece.length > JOIN_BYTES_MAX) {
      if (isChunked) chunkHead(out, piece.length);
      if (out.length > 0) await sink.flush();
      exchange.bytesOut += piece.length;
      await sink.write(piece);
      if (isChunked) out.ascii("\r\n");
      piece = response.takeBody();
    } else {
      if (out.length > 0) await sink.flush();
      if (piece === WAIT) piece = await response.readBody();
    }
    piece = joinPieces(out, exchange, { isChunked, piece });
  }
  if (isChunked) writeChunkedEnd(out, response, rest.takesTrailers);
  exchange.finish("");
  if (out.length > 0) await sink.flush();
}

/** Trailers keep their place behind the body. */
function writeChunkedEnd(out: ByteWriter, response: ProxyResponse, takesTrailers: boolean): void {
  if (!takesTrailers || !response.hasTrailers) return out.append(LAST_CHUNK);
  out.ascii("0\r\n");
  response.eachTrailer((name, value) => out.field(name, value));
  out.append(CRLF);
}

/**
 * Copies `piece` and those that are at hand behind it to what waits to be written, as long as that is small.
 *
 * @returns The piece that was not copied, or what there was instead of one.
 */
function joinPieces(
  out: ByteWriter,
  exchange: Exchange,
  { isChunked, piece }: { isChunked: boolean; piece: TakenPiece },
): TakenPiece {
  const { response } = exchange;
  let next = piece;
  while (next !== END && next !== WAIT && next.length <= JOIN_BYTES_MAX && out.length <= JOIN_BYTES_MAX) {
    if (isChunked) chunkHead(out, next.length);
    out.bytes(next, 0, next.length);
    if (isChunked) out.ascii("\r\n");
    exchange.bytesOut += next.length;
    next = response.takeBody();
  }
  return next;
}

function frameOf({ hasBody, length }: ProxyResponse, isHttp10: boolean): number {
  if (!hasBody) return Frame.none;
  if (length >= 0) return Frame.length;
  return isHttp10 ? Frame.until_close : Frame.chunked;
}

function writeFields(out: ByteWriter, { response, core }: Exchange): void {
  response.writeFields(out);
  if (!response.hasDate && response.status >= 200) out.field("date", httpDate(core.clock.epochMs()));
}

/** Persistence is the default of HTTP/1.1 and the exception of 1.0 (RFC 9112 §9.3). */
function writeConnection(out: ByteWriter, isHttp10: boolean, persists: boolean): void {
  if (!persists) out.ascii("connection: close\r\n");
  else if (isHttp10) out.ascii("connection: keep-alive\r\n");
}
