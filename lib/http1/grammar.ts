/**
 * The character classes of RFC 9110 §5 and RFC 9112 §3, as one table of 256 entries with a bit per class.
 *
 * Every decoder loop is `while ((CLASS[byte] & bit) !== 0)`: one load and one test per byte whatever the class, where
 * ranges would be two to six comparisons. What a byte may be is written down here and nowhere else.
 */

/** Bits of `CLASS`. */
export const CharClass = {
  /** tchar, RFC 9110 §5.6.2: methods and field names. */
  token: 1,
  /** VCHAR, SP, HTAB and obs-text, RFC 9110 §5.5: field values, reason phrases. */
  value: 2,
  /** What a request target may hold: VCHAR but "#" (RFC 9112 §3.2: a target has no fragment), and bytes from 0x80. */
  target: 4,
  /** CTL but HTAB: what no line may hold, and CR and LF, which end one. */
  control: 8,
  /** Characters of a token, besides letters, digits and "-", that some backends take for "-" in a name. */
  separator: 16,
} as const;

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const QUOTE = 0x22;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const EQUALS = 0x3d;
export const COMMA = 0x2c;
export const BACKSLASH = 0x5c;
export const DIGIT_0 = 0x30;
export const DIGIT_9 = 0x39;

/** Bits of `CharClass` by byte. */
export const CLASS: Uint8Array = classTable();

/** Value of a hexadecimal digit in either case; -1 when it is none. */
export function hexValue(byte: number): number {
  if (byte >= DIGIT_0 && byte <= DIGIT_9) return byte - DIGIT_0;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 && byte >= 0x41 ? lower - 0x57 : -1;
}

/** @returns Index of the first control byte in `[start, end)`; `end` when there is none. */
export function indexOfControl(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (CLASS[bytes[at]] & CharClass.control) === 0) at++;
  return at;
}

/** Whether `bytes[start, end)` is `lower`, which is lower-case letters and "-", with letters in either case. */
export function equalsFolded(bytes: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const byte = bytes[start + i];
    const folded = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (folded !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** One character per byte (ISO 8859-1). `TextDecoder("latin1")` is windows-1252 and would change 0x80 to 0x9f. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let at = start;
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      bytes[at],
      bytes[at + 1],
      bytes[at + 2],
      bytes[at + 3],
      bytes[at + 4],
      bytes[at + 5],
      bytes[at + 6],
      bytes[at + 7],
    );
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]);
  return text;
}

function classTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const isControl = (byte < 0x20 && byte !== HTAB) || byte === 0x7f;
    if (isControl) {
      table[byte] = CharClass.control;
      continue;
    }
    table[byte] = CharClass.value;
    if (byte !== SP && byte !== HTAB && byte !== 0x23) table[byte] |= CharClass.target;
  }
  const tokens = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (let i = 0; i < tokens.length; i++) {
    table[tokens.charCodeAt(i)] |= CharClass.token;
    if (!/[0-9A-Za-z-]/.test(tokens[i])) table[tokens.charCodeAt(i)] |= CharClass.separator;
  }
  return table;
}
