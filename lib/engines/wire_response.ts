/**
 * Writes an exchange's response to a client connection: one write for the head with a small body behind it, then piece by
 * piece as the backend sends.
 *
 * A piece lies in the backend connection's buffer. It is written or copied before the next one is asked for: the call that
 * finds the end gives that connection to the next exchange.
 *
 * What was whole before a response broke off is written all the same: a client that got nothing at all would think that it
 * may ask again.
 */

import { asciiBytes, type ByteWriter } from "../base/byte_writer.ts";
import { FieldId } from "../base/field_names.ts";
import type { FieldEdits } from "../fields/edits.ts";
import { chunkHead, CRLF, statusLine } from "../http1/encode.ts";
import { BodyKind } from "../http1/framing.ts";
import type { Head } from "../http1/head.ts";
import { writeChunkedEnd } from "../proxy/chunked_end.ts";
import { copyFields } from "../proxy/copy_fields.ts";
import type { Exchange } from "../proxy/exchange.ts";
import type { FieldFilter } from "../proxy/field_filter.ts";
import { contentLengthOf, nextBody, ownFields, responseFilter, takeBody } from "../proxy/response.ts";
import { httpDate } from "./http_date.ts";
import type { BackendStream } from "../transport/backend_stream.ts";
import type { WireRequest } from "./wire_request.ts";

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
  readonly connection: BackendStream;
  /** Of the response's fields, for those behind the body. */
  readonly filter: FieldFilter;
  /** To go out next; undefined when the backend has to send it first. */
  readonly piece: Uint8Array | undefined;
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
  const isHttp10 = request?.isHttp10 ?? false;
  if (exchange.local !== null) {
    writeLocal(out, exchange, { isHttp10, keepAlive });
    return keepAlive ? PERSISTENT : LAST;
  }
  const frame = frameOf(exchange, isHttp10);
  const persists = keepAlive && frame !== Frame.until_close;
  const whole = persists ? PERSISTENT : LAST;
  statusLine(out, exchange.status);
  const filter = writeFields(out, exchange);
  const length = contentLengthOf(exchange);
  if (length >= 0) {
    out.append(CONTENT_LENGTH);
    out.decimal(length);
    out.append(CRLF);
  }
  const isChunked = frame === Frame.chunked;
  if (isChunked) out.append(CHUNKED);
  writeConnection(out, isHttp10, persists);
  out.append(CRLF);
  if (frame === Frame.none) {
    takeBody(exchange);
    return whole;
  }
  const { takesTrailers } = request!;
  const connection = exchange.connection!;
  const piece = joinPieces(out, exchange, { isChunked, piece: takeBody(exchange) });
  if (piece !== null) return { persists, rest: { isChunked, takesTrailers, connection, filter, piece } };
  if (isChunked) writeChunkedEnd(out, takesTrailers ? connection.trailers : null, filter);
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

/** The rest of a body, as the backend sends it. @throws {ProxyError} when it broke off or the client is gone. */
export async function writeRest(sink: WireSink, exchange: Exchange, rest: BodyRest): Promise<void> {
  const { out } = sink;
  const { isChunked, connection } = rest;
  let piece: Uint8Array | null | undefined = rest.piece;
  while (piece !== null) {
    if (piece !== undefined && piece.length > JOIN_BYTES_MAX) {
      if (isChunked) chunkHead(out, piece.length);
      if (out.length > 0) await sink.flush();
      await sink.write(piece);
      if (isChunked) out.ascii("\r\n");
      piece = takeBody(exchange);
    } else {
      if (out.length > 0) await sink.flush();
      if (piece === undefined) piece = await nextBody(exchange);
    }
    piece = joinPieces(out, exchange, { isChunked, piece });
  }
  if (isChunked) writeChunkedEnd(out, rest.takesTrailers ? connection.trailers : null, rest.filter);
  if (out.length > 0) await sink.flush();
}

/**
 * Copies `piece` and those that are at hand behind it to what waits to be written, as long as that is small.
 *
 * @returns The piece that was not copied; null at the end of the body, undefined when the backend has to send more.
 */
function joinPieces(
  out: ByteWriter,
  exchange: Exchange,
  { isChunked, piece }: { isChunked: boolean; piece: Uint8Array | null | undefined },
): Uint8Array | null | undefined {
  let next = piece;
  while (next && next.length <= JOIN_BYTES_MAX && out.length <= JOIN_BYTES_MAX) {
    if (isChunked) chunkHead(out, next.length);
    out.bytes(next, 0, next.length);
    if (isChunked) out.ascii("\r\n");
    next = takeBody(exchange);
  }
  return next;
}

function frameOf(exchange: Exchange, isHttp10: boolean): number {
  if (exchange.framing.kind === BodyKind.none) return Frame.none;
  if (exchange.framing.kind === BodyKind.length) return Frame.length;
  return isHttp10 ? Frame.until_close : Frame.chunked;
}

function writeFields(out: ByteWriter, exchange: Exchange): FieldFilter {
  const head = exchange.connection!.head;
  const filter = responseFilter(head, exchange.route!.responseEdits);
  copyFields(out, head, filter);
  ownFields(exchange, (name, value) => out.field(name, value));
  if (!head.has(FieldId.date) && exchange.status >= 200) out.field("date", httpDate(exchange.core.clock.epochMs()));
  return filter;
}

function writeLocal(
  out: ByteWriter,
  exchange: Exchange,
  { isHttp10, keepAlive }: { isHttp10: boolean; keepAlive: boolean },
): void {
  const { status, fields, body } = exchange.local!;
  const isBodyless = status === 204 || status === 304;
  statusLine(out, status);
  for (const [name, value] of fields) out.field(name, value);
  out.field("date", httpDate(exchange.core.clock.epochMs()));
  if (!isBodyless) out.field("content-length", String(body.length));
  writeConnection(out, isHttp10, keepAlive);
  out.ascii("\r\n");
  if (!isBodyless && exchange.request.method !== "HEAD") out.bytes(body, 0, body.length);
}

/** Persistence is the default of HTTP/1.1 and the exception of 1.0 (RFC 9112 §9.3). */
function writeConnection(out: ByteWriter, isHttp10: boolean, persists: boolean): void {
  if (!persists) out.ascii("connection: close\r\n");
  else if (isHttp10) out.ascii("connection: keep-alive\r\n");
}
