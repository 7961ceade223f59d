/**
 * Writes an exchange's response to a client connection: one write for the head with a small body behind it, then piece by
 * piece as the backend sends.
 *
 * A piece lies in the backend connection's buffer. It is written or copied before the next one is asked for: the call that
 * finds the end gives that connection to the next exchange.
 */

import type { ByteWriter } from "../base/byte_writer.ts";
import { ProxyError } from "../base/errors.ts";
import { FieldId } from "../base/field_names.ts";
import { type FieldEdits, NO_EDITS } from "../fields/edits.ts";
import { parseConnection } from "../fields/hop_by_hop.ts";
import { chunkHead, LAST_CHUNK, statusLine } from "../http1/encode.ts";
import { BodyKind } from "../http1/framing.ts";
import type { Head } from "../http1/head.ts";
import { copyFields } from "../proxy/copy_fields.ts";
import type { Exchange } from "../proxy/exchange.ts";
import { FieldFilter, RESPONSE_DROPS, TRAILER_DROPS } from "../proxy/field_filter.ts";
import { contentLengthOf, nextBody, ownFields, takeBody } from "../proxy/response.ts";
import { httpDate } from "./http_date.ts";
import type { WireRequest } from "./wire_request.ts";

/** A piece up to here is copied behind what waits to be written; a larger one gets a write of its own. */
const JOIN_BYTES_MAX = 16 * 1024;

export interface WireSink {
  readonly out: ByteWriter;
  /** Writes what is in `out`, and empties it. @throws {ProxyError} `client_gone`. */
  flush(): Promise<void>;
  /** @throws {ProxyError} `client_gone`. */
  write(bytes: Uint8Array): Promise<void>;
}

/** How the client is to read the body. */
const Frame = { none: 0, length: 1, chunked: 2, until_close: 3 } as const;

/**
 * @param request Null when its head could not be read.
 * @param keepAlive Whether another request may follow, as far as the request and the engine are concerned.
 * @returns Whether it may still: a body that only the end of the connection ends rules it out.
 * @throws {ProxyError} when the response broke off or the client is gone; the connection must then be closed.
 */
export async function writeResponse(
  sink: WireSink,
  exchange: Exchange,
  { request, keepAlive }: { request: WireRequest | null; keepAlive: boolean },
): Promise<boolean> {
  if (exchange.local !== null) {
    writeLocal(sink.out, exchange, { isHttp10: request?.isHttp10 ?? false, keepAlive });
    await sink.flush();
    return keepAlive;
  }
  const isHttp10 = request!.isHttp10;
  const frame = frameOf(exchange, isHttp10);
  const persists = keepAlive && frame !== Frame.until_close;
  const { out } = sink;
  statusLine(out, exchange.status);
  writeFields(out, exchange);
  const length = contentLengthOf(exchange);
  if (length >= 0) out.field("content-length", String(length));
  if (frame === Frame.chunked) out.ascii("transfer-encoding: chunked\r\n");
  writeConnection(out, isHttp10, persists);
  out.ascii("\r\n");
  if (frame === Frame.none) {
    takeBody(exchange);
    await sink.flush();
    return persists;
  }
  try {
    await writeBody(sink, exchange, { isChunked: frame === Frame.chunked, request: request! });
  } catch (error) {
    // What was whole before the response broke off: a client that got nothing at all would think it may ask again.
    const isHere = !(error instanceof ProxyError && error.code === "client_gone");
    if (isHere && out.length > 0) await sink.flush();
    throw error;
  }
  return persists;
}

/** The head of a 101, after which both sides speak something else. */
export function writeSwitchingProtocols(out: ByteWriter, exchange: Exchange): void {
  statusLine(out, 101);
  writeFields(out, exchange);
  out.ascii("connection: upgrade\r\n");
  out.field("upgrade", exchange.request.upgrade);
  out.ascii("\r\n");
}

/** A 1xx as the backend sent it, less what concerns only its connection. */
export function writeInformational(out: ByteWriter, head: Head): void {
  statusLine(out, head.status);
  copyFields(out, head, passing(head, NO_EDITS));
  out.ascii("\r\n");
}

async function writeBody(
  sink: WireSink,
  exchange: Exchange,
  { isChunked, request }: { isChunked: boolean; request: WireRequest },
): Promise<void> {
  const { out } = sink;
  const connection = exchange.connection!;
  for (;;) {
    let piece = takeBody(exchange);
    if (piece === undefined) {
      if (out.length > 0) await sink.flush();
      piece = await nextBody(exchange);
    }
    if (piece === null) break;
    if (isChunked) chunkHead(out, piece.length);
    if (piece.length <= JOIN_BYTES_MAX) {
      out.bytes(piece, 0, piece.length);
    } else {
      await sink.flush();
      await sink.write(piece);
    }
    if (isChunked) out.ascii("\r\n");
    if (out.length > JOIN_BYTES_MAX) await sink.flush();
  }
  if (isChunked) writeEnd(out, request.takesTrailers ? connection.trailers : null);
  if (out.length > 0) await sink.flush();
}

function writeEnd(out: ByteWriter, trailers: Head | null): void {
  if (trailers === null || trailers.count === 0) return out.bytes(LAST_CHUNK, 0, LAST_CHUNK.length);
  out.ascii("0\r\n");
  for (let index = 0; index < trailers.count; index++) {
    if (TRAILER_DROPS[trailers.ids[index]] === 0) out.field(trailers.name(index), trailers.value(index));
  }
  out.ascii("\r\n");
}

function frameOf(exchange: Exchange, isHttp10: boolean): number {
  if (exchange.framing.kind === BodyKind.none) return Frame.none;
  if (exchange.framing.kind === BodyKind.length) return Frame.length;
  return isHttp10 ? Frame.until_close : Frame.chunked;
}

function writeFields(out: ByteWriter, exchange: Exchange): void {
  const head = exchange.connection!.head;
  copyFields(out, head, passing(head, exchange.route!.responseEdits));
  ownFields(exchange, (name, value) => out.field(name, value));
  if (!head.has(FieldId.date) && exchange.status >= 200) out.field("date", httpDate(exchange.core.clock.epochMs()));
}

/** Everything but what concerns the backend's connection alone. */
function passing(head: Head, edits: FieldEdits): FieldFilter {
  const filter = new FieldFilter(RESPONSE_DROPS, edits);
  const connection = head.get(FieldId.connection);
  if (connection !== null) filter.nominated = parseConnection(connection).nominated;
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
