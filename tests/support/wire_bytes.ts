/** Text as it stands on the wire: one character, one byte (ISO 8859-1), so that no byte is lost or made up. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** @throws {RangeError} For a character above U+00FF: encode UTF-8 yourself where it is meant. */
export function toBytes(content: string | Uint8Array): Bytes {
  if (typeof content !== "string") return new Uint8Array(content);
  const bytes = new Uint8Array(content.length);
  for (let at = 0; at < content.length; at++) {
    const code = content.charCodeAt(at);
    if (code > 0xff) throw new RangeError(`Cannot put "${content[at]}" on the wire as one byte`);
    bytes[at] = code;
  }
  return bytes;
}

export function toText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

export function concat(pieces: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** For error messages: escapes what is not printable and keeps it short. */
export function quote(bytes: Uint8Array, lengthMax = 400): string {
  const shown = JSON.stringify(toText(bytes.subarray(0, lengthMax)));
  return bytes.length > lengthMax ? `${shown} and ${bytes.length - lengthMax} bytes more` : shown;
}

/** Writes all of it: one `write()` may take less than it was given. */
export async function writeAll(
  sink: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await sink.write(bytes.subarray(at));
}
