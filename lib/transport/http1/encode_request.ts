/**
 * A request as HTTP/1.1 says it: the head in one pass into the connection's output buffer, and a small body that has come
 * with it behind it, so that both leave in one write.
 */

import type { ByteWriter } from "../../base/byte_writer.ts";
import { chunkHead, CRLF, LAST_CHUNK, requestLine } from "../../http1/encode.ts";
import { NO_BODY, type OutgoingBody, type OutgoingRequest, UNKNOWN_LENGTH } from "../outgoing_request.ts";

/** Up to here copying a piece behind the bytes that wait is cheaper than a write of its own. */
export const JOIN_BYTES_MAX = 16 * 1024;

/** @returns Whether all of the request is in `out`; if not, `upload()` is to carry its body. */
export function encodeRequest(out: ByteWriter, request: OutgoingRequest): boolean {
  requestLine(out, request.method, request.path);
  out.field("host", request.authority);
  request.writeFields(out);
  if (request.takesTrailers) out.ascii("te: trailers\r\nconnection: te\r\n");
  const { upgrade, bodyLength, body } = request;
  if (upgrade !== "") {
    out.ascii("connection: upgrade\r\n");
    out.field("upgrade", upgrade);
  }
  if (bodyLength === UNKNOWN_LENGTH) {
    out.ascii("transfer-encoding: chunked\r\n");
  } else if (bodyLength !== NO_BODY) {
    out.ascii("content-length: ");
    out.decimal(bodyLength);
    out.append(CRLF);
  }
  out.append(CRLF);
  return body === null || encodeWhole(out, body, bodyLength === UNKNOWN_LENGTH);
}

function encodeWhole(out: ByteWriter, body: OutgoingBody, isChunked: boolean): boolean {
  const piece = body.takeWhole(JOIN_BYTES_MAX);
  if (piece === null) return false;
  if (isChunked && piece.length > 0) chunkHead(out, piece.length);
  out.bytes(piece, 0, piece.length);
  if (isChunked && piece.length > 0) out.append(CRLF);
  if (isChunked) encodeChunkedEnd(out, body);
  return true;
}

/** Trailers keep their place behind the body. */
export function encodeChunkedEnd(out: ByteWriter, body: OutgoingBody): void {
  if (!body.hasTrailers) return out.append(LAST_CHUNK);
  out.ascii("0\r\n");
  body.eachTrailer((name, value) => out.field(name, value));
  out.append(CRLF);
}
