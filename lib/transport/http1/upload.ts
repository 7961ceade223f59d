/**
 * Carries a request body to one connection, while the response may already be on its way.
 *
 * Pieces go out as they arrive, with the framing that the head announced: a Content-Length, or chunks. The head waits in
 * the connection's output buffer for the first piece if that is at hand, so that a small request leaves in one write.
 */

import type { ByteWriter } from "../../base/byte_writer.ts";
import { ProxyError } from "../../base/errors.ts";
import { chunkHead, CRLF } from "../../http1/encode.ts";
import { type OutgoingBody, UNKNOWN_LENGTH } from "../outgoing_request.ts";
import { encodeChunkedEnd, JOIN_BYTES_MAX } from "./encode_request.ts";

/** A piece that is already in memory takes a few turns of the microtask queue to get here; one from the socket, more. */
const TURNS_FOR_FIRST_PIECE = 12;

/** The connection, as far as an upload is concerned. */
export interface UploadTarget {
  /** Holds the head to begin with. */
  readonly out: ByteWriter;
  /** @throws {ProxyError} */
  write(bytes: Uint8Array): Promise<void>;
  /** All of the body is out: the connection may be used again once the response has come to its end. */
  uploaded(): void;
}

/**
 * Never rejects: what the client did wrong is the body's to hear; what the backend did shows when its response is read.
 *
 * @param length Bytes that were announced, or `UNKNOWN_LENGTH`.
 */
export async function upload(target: UploadTarget, body: OutgoingBody, length: number): Promise<void> {
  const { out } = target;
  const isChunked = length === UNKNOWN_LENGTH;
  let sent = 0;
  try {
    while (!body.isAbandoned) {
      const piece = await nextPiece(target, body);
      if (body.isAbandoned) return;
      if (piece === null) break;
      sent += piece.length;
      if (!isChunked && sent > length) throw new ProxyError("request_body_broken");
      if (piece.length > 0 && !(await sendPiece(target, piece, isChunked))) return refused(body);
    }
    if (body.isAbandoned) return;
    if (isChunked) encodeChunkedEnd(out, body);
    else if (sent < length) throw new ProxyError("request_body_broken");
    if (!(await flush(target, out))) return refused(body);
    if (body.isAbandoned) return;
    target.uploaded();
    body.onSent();
  } catch (error) {
    if (!body.isAbandoned) body.onFailed(error);
  }
}

function refused(body: OutgoingBody): void {
  if (!body.isAbandoned) body.onRefused();
}

async function nextPiece(target: UploadTarget, body: OutgoingBody): Promise<Uint8Array | null> {
  const { out } = target;
  if (out.length === 0) return await body.read();
  const reading = body.read();
  reading.catch(() => {}); // it is awaited below; until then nobody must find it unhandled
  for (let turn = 0; turn < TURNS_FOR_FIRST_PIECE && !body.hasCome; turn++) await undefined;
  if (!body.hasCome) await flush(target, out);
  return await reading;
}

/** @returns Whether the backend takes more. */
async function sendPiece(target: UploadTarget, piece: Uint8Array, isChunked: boolean): Promise<boolean> {
  const { out } = target;
  if (isChunked) chunkHead(out, piece.length);
  if (piece.length <= JOIN_BYTES_MAX) {
    out.bytes(piece, 0, piece.length);
    if (isChunked) out.append(CRLF);
    return await flush(target, out);
  }
  if (!(await flush(target, out)) || !(await write(target, piece))) return false;
  if (isChunked) out.append(CRLF);
  return true;
}

async function flush(target: UploadTarget, out: ByteWriter): Promise<boolean> {
  if (out.length === 0) return true;
  const isWritten = await write(target, out.view());
  out.reset();
  return isWritten;
}

/** A backend that stops reading may still have answered; whoever reads its response finds out. */
async function write(target: UploadTarget, bytes: Uint8Array): Promise<boolean> {
  try {
    await target.write(bytes);
    return true;
  } catch {
    return false;
  }
}
