/**
 * Ids by which one exchange can be found in the logs of everybody who saw it. They need to be distinct, not secret:
 * one random prefix per process and a counter cost no system call and no cryptography per request.
 */

import { asciiBytes, type ByteWriter } from "../base/byte_writer.ts";

/** Longest id that is taken from a client: room for two UUIDs or a trace id with its parts. */
export const REQUEST_ID_LENGTH_MAX = 128;

/** Letters and digits of base 36 in the prefix: 12 of them are 62 bits. */
const PREFIX_LENGTH = 12;

const IS_ID_CHARACTER: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) => {
  return /[A-Za-z0-9._~+/=-]/.test(String.fromCharCode(code)) ? 1 : 0;
});

/** @returns Whether a client's id may be passed on and logged: 1 to 128 characters out of `A-Za-z0-9._~+/=-`. */
export function saneRequestId(text: string): boolean {
  if (text.length === 0 || text.length > REQUEST_ID_LENGTH_MAX) return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f || IS_ID_CHARACTER[code] === 0) return false;
  }
  return true;
}

/**
 * A source of ids such as `k3v9x0q2m7ab-1f`: distinct within it by the counter, between workers by the prefix. An id is
 * a number until somebody wants to read it, since most are only sent on.
 */
export class RequestIds {
  readonly #prefix: string;
  readonly #prefixBytes: Uint8Array;
  #count = 0;

  /** @param random Uniform in [0, 1); called here only. Give each worker another seed. */
  constructor(random: () => number) {
    let prefix = "";
    for (let digit = 0; digit < PREFIX_LENGTH; digit++) prefix += Math.floor(random() * 36).toString(36);
    this.#prefix = prefix + "-";
    this.#prefixBytes = asciiBytes(this.#prefix);
  }

  next(): number {
    return this.#count++;
  }

  text(id: number): string {
    return this.#prefix + id.toString(36);
  }

  write(out: ByteWriter, id: number): void {
    out.append(this.#prefixBytes);
    out.base36(id);
  }
}
