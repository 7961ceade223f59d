/** Makes WebSocket frames (RFC 6455 §5.2): final, unfragmented unless the caller asks, lengths in their shortest form. */

import { Opcode, validCloseCode } from "./frames.ts";

/** RFC 6455 §5.5: 125 bytes less two of the code. */
const CLOSE_REASON_BYTES_MAX = 123;

/**
 * @param maskKey Four unpredictable bytes towards a backend, a fresh key for each frame (§5.3); null towards a client.
 * @param isFinal False for each fragment of a message but the last.
 * @returns A new array; `payload` is left as it is.
 */
export function encodeFrame(
  opcode: Opcode,
  payload: Uint8Array,
  maskKey: Uint8Array | null,
  isFinal = true,
): Uint8Array {
  const length = payload.length;
  if (opcode >= Opcode.close && (length > 125 || !isFinal)) {
    throw new RangeError(`Control frames must be final and hold at most 125 bytes, got ${length}`);
  }
  const lengthBytes = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const start = 2 + lengthBytes + (maskKey === null ? 0 : 4);
  const frame = new Uint8Array(start + length);
  frame[0] = (isFinal ? 0x80 : 0) | opcode;
  frame[1] = (maskKey === null ? 0 : 0x80) | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  for (let index = 0, rest = length; index < lengthBytes; index++) {
    frame[1 + lengthBytes - index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  frame.set(payload, start);
  if (maskKey !== null) {
    frame.set(maskKey.subarray(0, 4), start - 4);
    for (let index = 0; index < length; index++) frame[start + index] ^= maskKey[index & 3];
  }
  return frame;
}

/**
 * The payload of a close frame.
 *
 * @param code 1005 for none.
 * @param reason Cut at a character so that it fits.
 * @throws {RangeError} When the code may not be sent.
 */
export function encodeClose(code: number, reason: string): Uint8Array {
  if (code === 1005) return new Uint8Array(0);
  if (!validCloseCode(code)) throw new RangeError(`Close codes must be 1000-1003, 1007-1014 or 3000-4999, got ${code}`);
  const payload = new Uint8Array(2 + CLOSE_REASON_BYTES_MAX);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2)); // never splits a character
  return payload.subarray(0, 2 + written);
}
