/**
 * Carries the request body to one connection, while the response may already be on its way.
 *
 * Pieces go out as they arrive, with the framing that the head announced: the client's Content-Length, or chunks. The
 * head waits in the connection's output buffer for the first piece if that is at hand, so that a small request leaves
 * in one write.
 */

import { ProxyError } from "../../base/errors.ts";
import type { ByteWriter } from "../../base/byte_writer.ts";
import { chunkHead } from "../../http1/encode.ts";
import type { BackendStream } from "../../transport/backend_stream.ts";
import { writeChunkedEnd } from "../message/chunked_end.ts";
import { type BodyPace, expectPiece } from "../message/body_pace.ts";
import type { Exchange } from "../exchange.ts";
import type { FieldFilter } from "../message/field_filter.ts";
import { UNKNOWN_LENGTH } from "../message/request.ts";
import type { RequestBody } from "../message/request_body.ts";

/** Up to here copying a piece behind the bytes that wait is cheaper than a write of its own. */
const JOIN_BYTES_MAX = 16 * 1024;
/** A piece that is already in memory takes a few turns of the microtask queue to get here; one from the socket, more. */
const TURNS_FOR_FIRST_PIECE = 12;

interface Bounds {
  /** The filter of the request's fields. */
  readonly filter: FieldFilter;
  /** The pace of the client; null without a rate. */
  readonly pace: BodyPace | null;
  /** Silence of the backend's window; then until the response head. */
  readonly backendMs: number;
  readonly responseMs: number;
}

/**
 * A small body that has come with its head goes out with it, in one write, as if it were a part of it.
 *
 * @returns Whether it is in `out`; if not, `upload()` is to carry it.
 */
export function writeWhole(out: ByteWriter, exchange: Exchange, body: RequestBody, filter: FieldFilter): boolean {
  const piece = body.takeWhole(JOIN_BYTES_MAX);
  if (piece === null) return false;
  const isChunked = exchange.request.bodyLength === UNKNOWN_LENGTH;
  if (isChunked && piece.length > 0) chunkHead(out, piece.length);
  out.bytes(piece, 0, piece.length);
  if (isChunked && piece.length > 0) out.ascii("\r\n");
  if (isChunked) writeChunkedEnd(out, exchange.request.bodyTrailers(), filter);
  return true;
}

/**
 * Never rejects: what the client did wrong cancels the exchange; what the backend did shows when its response is read.
 */
export async function upload(
  exchange: Exchange,
  connection: BackendStream,
  body: RequestBody,
  bounds: Bounds,
): Promise<void> {
  const length = exchange.request.bodyLength;
  const out = connection.out;
  let sent = 0;
  try {
    for (let index = 0;; index++) {
      if (exchange.connection !== connection) return;
      const seen = body.bytes;
      expectPiece(exchange, bounds.pace);
      exchange.clientOwes();
      const piece = await nextPiece(connection, body, index);
      bounds.pace?.end(body.bytes - seen, exchange.core.deadlines.recentMs);
      if (exchange.connection !== connection) return;
      exchange.clientGave();
      exchange.due.expectUpload(bounds.backendMs, "response_timeout");
      if (piece === null) break;
      sent += piece.length;
      if (length !== UNKNOWN_LENGTH && sent > length) throw new ProxyError("request_body_broken");
      if (piece.length > 0 && !(await sendPiece(connection, piece, length === UNKNOWN_LENGTH))) {
        return refused(exchange, connection, bounds);
      }
    }
    if (length === UNKNOWN_LENGTH) writeChunkedEnd(out, exchange.request.bodyTrailers(), bounds.filter);
    else if (sent < length) throw new ProxyError("request_body_broken");
    if (!(await flush(connection, out))) return refused(exchange, connection, bounds);
    if (exchange.connection !== connection) return;
    exchange.isUploadDone = true;
    exchange.due.expectUpload(0, "request_timeout");
    exchange.uploadEnded(bounds.responseMs);
  } catch (error) {
    if (exchange.connection !== connection) return;
    exchange.cancel(error instanceof ProxyError ? error : new ProxyError("request_body_broken", "", error));
  }
}

/** The backend takes no more of it, and nobody owes anything but the response. */
function refused(exchange: Exchange, connection: BackendStream, bounds: Bounds): void {
  if (exchange.connection !== connection) return;
  exchange.due.expectUpload(0, "response_timeout");
  exchange.uploadEnded(bounds.responseMs);
}

async function nextPiece(connection: BackendStream, body: RequestBody, index: number): Promise<Uint8Array | null> {
  const reading = body.piece(index);
  reading.catch(() => {}); // it is awaited below; until then nobody must find it unhandled
  if (connection.out.length > 0) {
    for (let turn = 0; turn < TURNS_FOR_FIRST_PIECE && !body.has(index); turn++) await undefined;
    if (!body.has(index)) await flush(connection, connection.out);
  }
  return await reading;
}

/** @returns Whether the backend takes more. */
async function sendPiece(connection: BackendStream, piece: Uint8Array, isChunked: boolean): Promise<boolean> {
  const out = connection.out;
  if (isChunked) chunkHead(out, piece.length);
  if (piece.length <= JOIN_BYTES_MAX) {
    out.bytes(piece, 0, piece.length);
    if (isChunked) out.ascii("\r\n");
    return await flush(connection, out);
  }
  if (!(await flush(connection, out)) || !(await write(connection, piece))) return false;
  if (isChunked) out.ascii("\r\n");
  return true;
}

async function flush(connection: BackendStream, out: ByteWriter): Promise<boolean> {
  if (out.length === 0) return true;
  const isWritten = await write(connection, out.view());
  out.reset();
  return isWritten;
}

/** A backend that stops reading may still have answered; whoever reads its response finds out. */
async function write(connection: BackendStream, bytes: Uint8Array): Promise<boolean> {
  try {
    await connection.write(bytes);
    return true;
  } catch {
    return false;
  }
}
