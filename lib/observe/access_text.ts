/**
 * Text of clients as part of a log line: what cannot do harm goes as it is, the rest escaped.
 *
 * A text is the bytes that came, one character a byte. JSON: UTF-8 that is valid (RFC 3629) goes as it is, any other byte
 * from 0x80 on as the character of that number (`\u00e9`), so that the line is UTF-8 whatever came. Escaped by number are
 * also characters that end a line for some readers (U+2028, U+2029, the controls of C1, DEL) or turn around what a
 * terminal shows (U+202A to U+202E, U+2066 to U+2069). `combined`: as nginx, `\xXX` for every byte that is not printable ASCII.
 */

import { asciiBytes, type ByteWriter } from "../base/byte_writer.ts";

/** 1 for printable ASCII but quote and backslash: these go as they are, in either format. */
const PLAIN: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, code) => code >= 0x20 && code <= 0x7e && code !== 0x22 && code !== 0x5c ? 1 : 0,
);
const SHORT_ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);
/** By byte. */
const JSON_ESCAPES = tabulate((byte) => SHORT_ESCAPES.get(byte) ?? unicodeEscape(byte));
const HEX_ESCAPES = tabulate((byte) => "\\x" + byte.toString(16).toUpperCase().padStart(2, "0"));
/** Bytes that are made a string at once. */
const PIECE = 4096;
const NO_BYTES = new Uint8Array(0);
const ENCODER = new TextEncoder();

/** The value of a field: bytes where a message holds it, or a string of one character a byte. To be set anew for each line. */
export class FieldText {
  #bytes: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  #text = "";

  /** @param bytes Untouched until the line is written. */
  setBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#text = "";
  }

  setText(text: string): void {
    this.#text = text;
    this.#start = this.#end = 0;
  }

  get isEmpty(): boolean {
    return this.#start === this.#end && this.#text === "";
  }

  writeJson(out: ByteWriter): void {
    if (this.#text !== "") return writeJsonText(out, this.#text);
    const at = out.plainBytes(this.#bytes, this.#start, this.#end, PLAIN);
    if (at < this.#end) escapeJson(out, textOf(this.#bytes, at, this.#end));
  }

  writeHexEscaped(out: ByteWriter): void {
    if (this.#text !== "") return writeHexEscaped(out, this.#text);
    const at = out.plainBytes(this.#bytes, this.#start, this.#end, PLAIN);
    if (at < this.#end) escapeHex(out, textOf(this.#bytes, at, this.#end));
  }
}

/** The inside of a JSON string. */
export function writeJsonText(out: ByteWriter, text: string): void {
  const at = out.plainText(text, 0, PLAIN);
  if (at < text.length) escapeJson(out, text.slice(at));
}

/** `\xXX` for what is not printable ASCII. */
export function writeHexEscaped(out: ByteWriter, text: string): void {
  const at = out.plainText(text, 0, PLAIN);
  if (at < text.length) escapeHex(out, text.slice(at));
}

function escapeJson(out: ByteWriter, text: string): void {
  for (let at = 0; at < text.length;) {
    const harmlessTo = harmlessEnd(text, at);
    if (harmlessTo > at) {
      out.latin1(text.slice(at, harmlessTo));
      at = harmlessTo;
      continue;
    }
    const code = text.charCodeAt(at);
    const length = code > 0xff ? wideLength(text, at) : sequenceLength(text, at);
    const character = length === 0 ? code : characterAt(text, at, length);
    if (character <= 0xff) out.append(JSON_ESCAPES[character]);
    else if (length === 0 || isHarmful(character)) out.ascii(unicodeEscape(character));
    else out.append(ENCODER.encode(String.fromCodePoint(character)));
    at += Math.max(1, length);
  }
}

/** Where the bytes from `at` on end that are written as they are: plain ones, and harmless characters in UTF-8. */
function harmlessEnd(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at);
    if (PLAIN[code] === 1) {
      at++;
      continue;
    }
    const length = sequenceLength(text, at);
    if (length === 0 || isHarmful(characterAt(text, at, length))) return at;
    at += length;
  }
}

function escapeHex(out: ByteWriter, text: string): void {
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (PLAIN[code] === 1) {
      at = out.plainText(text, at, PLAIN);
      continue;
    }
    const length = code > 0xff ? Math.max(1, wideLength(text, at)) : 1;
    if (code <= 0xff) out.append(HEX_ESCAPES[code]);
    else for (const byte of ENCODER.encode(text.slice(at, at + length))) out.append(HEX_ESCAPES[byte]);
    at += length;
  }
}

/** Units of a character beyond a byte, which only names of ours can hold: 1 or 2; 0 for half a pair. */
function wideLength(text: string, at: number): number {
  const code = text.codePointAt(at)!;
  if (code > 0xffff) return 2;
  return code >= 0xd800 && code <= 0xdfff ? 0 : 1;
}

/** How many characters from `at` on are the bytes of one character in UTF-8 (RFC 3629 §4); 0: they are not. */
function sequenceLength(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (!(first >= 0xc2 && first <= 0xf4)) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let next = 1; next < length; next++) {
    if ((text.charCodeAt(at + next) & ~0x3f) !== 0x80) return 0; // NaN at the end
  }
  const second = text.charCodeAt(at + 1);
  if ((first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90)) return 0; // longer than it needs to be
  if ((first === 0xed && second > 0x9f) || (first === 0xf4 && second > 0x8f)) return 0; // half a pair; beyond Unicode
  return length;
}

function characterAt(text: string, at: number, length: number): number {
  const first = text.charCodeAt(at);
  if (first > 0xff) return text.codePointAt(at)!;
  let character = first & (0x7f >> length);
  for (let next = 1; next < length; next++) character = character << 6 | text.charCodeAt(at + next) & 0x3f;
  return character;
}

/** Whether a character from 0x80 on does harm in a line. */
function isHarmful(character: number): boolean {
  return character <= 0x9f || (character >= 0x2028 && character <= 0x202e) ||
    (character >= 0x2066 && character <= 0x2069);
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += PIECE) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + PIECE)));
  }
  return text;
}

function unicodeEscape(code: number): string {
  return "\\u" + code.toString(16).padStart(4, "0");
}

function tabulate(escape: (byte: number) => string): readonly Uint8Array[] {
  return Array.from({ length: 256 }, (_, byte) => asciiBytes(escape(byte)));
}
