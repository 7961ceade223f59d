/**
 * Reads requests as a careless backend would: for smuggling tests. A bare LF ends a line, blanks around a name are
 * cut, folded lines are joined, a length is read as far as it has digits, and where both framings are there one is
 * believed. Every request it finds is one that such a backend would have executed.
 */

import type { ByteSource } from "./byte_source.ts";
import type { Field, Framing, MessageHead } from "./http_message.ts";
import { type Bytes, concat, toText } from "./wire_bytes.ts";

export interface LenientOptions {
  /** Which framing wins when a request has both. */
  readonly prefers: "content-length" | "transfer-encoding";
  /** Which of several Content-Length counts. */
  readonly contentLength: "first" | "last";
  /** `includes`: any Transfer-Encoding with "chunked" somewhere in it; `exact`: the value alone, in any case. */
  readonly transferEncoding: "includes" | "exact";
}

export const CARELESS: LenientOptions = {
  prefers: "content-length",
  contentLength: "first",
  transferEncoding: "includes",
};

/** @returns null at the end of the connection, whatever is left over. */
export async function readLenientHead(source: ByteSource): Promise<MessageHead | null> {
  const raw: Bytes[] = [];
  const lines: string[] = [];
  for (;;) {
    const line = await readLine(source);
    if (line === null) return null;
    raw.push(line);
    const text = toText(line).replace(/\r?\n$/, "");
    if (text !== "") lines.push(text);
    else if (lines.length > 0) break; // empty lines before a request are skipped
  }
  return { startLine: lines[0], fields: lenientFields(lines.slice(1)), raw: concat(raw) };
}

export function lenientFraming(fields: readonly Field[], options: LenientOptions): Framing {
  const codings = fields.filter(([name]) => name.toLowerCase() === "transfer-encoding")
    .map(([, value]) => value.toLowerCase());
  const lengths = fields.filter(([name]) => name.toLowerCase() === "content-length").map(([, value]) => value);
  const isChunked = options.transferEncoding === "includes"
    ? codings.some((coding) => coding.includes("chunked"))
    : codings.includes("chunked");
  const isPreferred = options.prefers === "transfer-encoding" || lengths.length === 0;
  if (isChunked && isPreferred) return { kind: "chunked" };
  const length = Number.parseInt((options.contentLength === "first" ? lengths[0] : lengths.at(-1)) ?? "0", 10);
  return length > 0 ? { kind: "length", length } : { kind: "none" };
}

/** Pieces of the body until it ends or the connection does. */
export async function* readLenientBody(source: ByteSource, framing: Framing): AsyncGenerator<Bytes> {
  if (framing.kind === "length") yield* readUpTo(source, framing.length);
  if (framing.kind !== "chunked") return;
  for (;;) {
    const line = await readLine(source);
    const size = line === null ? 0 : Number.parseInt(toText(line), 16);
    if (!(size > 0)) break;
    yield* readUpTo(source, size);
    await readLine(source);
  }
  for (let line = await readLine(source); line !== null && toText(line).trim() !== "";) line = await readLine(source);
}

function lenientFields(lines: readonly string[]): Field[] {
  const fields: [string, string][] = [];
  for (const line of lines) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) {
      last[1] += ` ${line.trim()}`;
      continue;
    }
    const colon = line.indexOf(":");
    if (colon >= 0) fields.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  return fields;
}

async function* readUpTo(source: ByteSource, count: number): AsyncGenerator<Bytes> {
  for (let missing = count; missing > 0;) {
    const piece = await source.readSome(missing);
    if (piece === null) return;
    missing -= piece.length;
    yield piece;
  }
}

async function readLine(source: ByteSource): Promise<Bytes | null> {
  try {
    return await source.readThrough("\n");
  } catch {
    return null; // the end, or no line in a megabyte: nothing to execute
  }
}
