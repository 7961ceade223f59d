/** As much of DER (X.690) as a certificate needs. */

import { type Bytes, concat } from "./wire_bytes.ts";

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;

export function tagged(tag: number, ...contents: Uint8Array[]): Bytes {
  const content = concat(contents);
  const { length } = content;
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >>> 8, length & 0xff];
  if (length > 0xffff) throw new RangeError(`Cannot encode ${length} bytes: at most 65535`);
  return concat([Uint8Array.from(header), content]);
}

export function sequence(...members: Uint8Array[]): Bytes {
  return tagged(SEQUENCE, ...members);
}

export function set(...members: Uint8Array[]): Bytes {
  return tagged(SET, ...members);
}

/** @param magnitude Big-endian, not negative. */
export function integer(magnitude: Uint8Array): Bytes {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const digits = magnitude.subarray(start);
  const sign = digits[0] >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return tagged(INTEGER, sign, digits);
}

export function boolean(value: boolean): Bytes {
  return Uint8Array.of(0x01, 0x01, value ? 0xff : 0x00);
}

/** @param unused Bits of the last byte that do not count. */
export function bitString(bytes: Uint8Array, unused = 0): Bytes {
  return tagged(BIT_STRING, Uint8Array.of(unused), bytes);
}

export function octetString(bytes: Uint8Array): Bytes {
  return tagged(OCTET_STRING, bytes);
}

export function utf8String(text: string): Bytes {
  return tagged(UTF8_STRING, new TextEncoder().encode(text));
}

/** @param dotted "2.5.29.19"; the first arc is 1 or 2. */
export function objectIdentifier(dotted: string): Bytes {
  const [first, second, ...arcs] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of arcs) {
    const groups = [arc & 0x7f];
    for (let rest = arc >>> 7; rest > 0; rest >>>= 7) groups.unshift((rest & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(OBJECT_IDENTIFIER, Uint8Array.from(bytes));
}

/** RFC 5280 §4.1.2.5: two digits of the year through 2049, four from then on. */
export function time(at: Date): Bytes {
  const digits = `${at.toISOString().replace(/[-:T]|\..*/g, "")}Z`;
  const isLate = at.getUTCFullYear() >= 2050;
  return tagged(isLate ? GENERALIZED_TIME : UTC_TIME, new TextEncoder().encode(isLate ? digits : digits.slice(2)));
}
