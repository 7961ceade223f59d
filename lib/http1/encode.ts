/** Writes start lines and chunk framing (RFC 9112 §3, §4, §7.1). Framing is always made here, never copied. */

import { asciiBytes, type ByteWriter } from "../base/byte_writer.ts";
import { REASONS } from "./reasons.ts";

/** Ends a chunked body without trailers. Never written to. */
export const LAST_CHUNK: Uint8Array = asciiBytes("0\r\n\r\n");

export const CRLF: Uint8Array = asciiBytes("\r\n");
const VERSION_END: Uint8Array = asciiBytes(" HTTP/1.1\r\n");
/** Status lines with the usual reason, by status; made at the first use. */
const STATUS_LINES: (Uint8Array | undefined)[] = new Array(600).fill(undefined);

/** The line before the data of a chunk; CRLF follows the data. @param length 1 or more: 0 would end the body. */
export function chunkHead(writer: ByteWriter, length: number): void {
  if (!(length > 0)) throw new RangeError(`Cannot write a chunk: length must be at least 1, got ${length}`);
  writer.hex(length);
  writer.ascii("\r\n");
}

/** @param method A token. @param target As decoded, one character per byte, without whitespace. */
export function requestLine(writer: ByteWriter, method: string, target: string): void {
  writer.ascii(method);
  writer.ascii(" ");
  writer.latin1(target);
  writer.append(VERSION_END);
}

/** @param reason Default: the usual phrase for `status`; "" when there is none. The space before it always stays. */
export function statusLine(writer: ByteWriter, status: number, reason: string | null = null): void {
  if (reason === null) {
    return writer.append(STATUS_LINES[status] ??= asciiBytes(`HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n`));
  }
  writer.ascii("HTTP/1.1 ");
  writer.decimal(status);
  writer.ascii(" ");
  writer.latin1(reason);
  writer.append(CRLF);
}
