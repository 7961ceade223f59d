/**
 * A strict reading of HTTP/1.1 messages (RFC 9112) for tests. Written apart from the code under test and for clarity,
 * not speed: an oracle must not share the mistakes of what it judges. Whatever is not exactly right throws.
 */

import type { ByteSource } from "./byte_source.ts";
import { type Bytes, concat, quote, toText } from "./wire_bytes.ts";

export type Field = readonly [name: string, value: string];

export interface MessageHead {
  /** The request line or status line, without its line end. */
  readonly startLine: string;
  /** In order, names as they came, values trimmed. */
  readonly fields: readonly Field[];
  /** The whole head as it came, blank line included. */
  readonly raw: Bytes;
}

/** How a body ends. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until_close" };

export class MessageError extends Error {
  override readonly name = "MessageError";
}

const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

/** @returns null when the connection ended cleanly before a first byte. */
export async function readHead(source: ByteSource): Promise<MessageHead | null> {
  if (source.length === 0 && !await source.fill() && source.failure === "") return null;
  return parseHead(await source.readThrough("\r\n\r\n"));
}

/** @param raw With its blank line. @throws {MessageError} */
export function parseHead(raw: Bytes): MessageHead {
  const [startLine, ...lines] = toText(raw).slice(0, -4).split("\r\n");
  if (hasControl(startLine)) throw new MessageError(`Control character in start line ${JSON.stringify(startLine)}`);
  return { startLine, fields: parseFields(lines), raw };
}

function parseFields(lines: readonly string[]): Field[] {
  return lines.map((line): Field => {
    const match = FIELD_LINE.exec(line);
    if (match === null || hasControl(line)) throw new MessageError(`Malformed field line ${JSON.stringify(line)}`);
    return [match[1], match[2]];
  });
}

function hasControl(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(text);
}

/** Every value of a field, in order; the name in any case. */
export function fieldValues(fields: readonly Field[], name: string): string[] {
  const wanted = name.toLowerCase();
  return fields.filter(([known]) => known.toLowerCase() === wanted).map(([, value]) => value);
}

/** Members of a comma-separated field, lower case, without empty ones. */
export function fieldTokens(fields: readonly Field[], name: string): string[] {
  return fieldValues(fields, name).flatMap((value) => value.toLowerCase().split(",")).map((token) => token.trim())
    .filter((token) => token !== "");
}

/** What `Content-Length` and `Transfer-Encoding` say; null when there is neither. @throws {MessageError} */
export function declaredFraming(fields: readonly Field[]): Framing | null {
  const lengths = fieldValues(fields, "content-length");
  const codings = fieldValues(fields, "transfer-encoding");
  if (lengths.length + codings.length === 0) return null;
  if (lengths.length + codings.length > 1) {
    throw new MessageError(`Ambiguous framing: Content-Length ${lengths.join()}, Transfer-Encoding ${codings.join()}`);
  }
  if (codings.length === 1) {
    if (codings[0].toLowerCase() !== "chunked") throw new MessageError(`Unknown transfer coding "${codings[0]}"`);
    return { kind: "chunked" };
  }
  if (!/^\d{1,15}$/.test(lengths[0])) throw new MessageError(`Malformed Content-Length "${lengths[0]}"`);
  return { kind: "length", length: Number(lengths[0]) };
}

/** Reads one body piece by piece, as it arrives. */
export class BodyReader {
  /** Filled in when a chunked body has ended. */
  readonly trailers: Field[];
  /** Bytes as they stood on the wire, chunk framing included; kept only when asked for. */
  readonly rawPieces: Bytes[];
  readonly #source: ByteSource;
  readonly #kind: Framing["kind"];
  readonly #keepRaw: boolean;
  #missing: number;
  #isDone: boolean;

  constructor(source: ByteSource, framing: Framing, keepRaw = false) {
    this.trailers = [];
    this.rawPieces = [];
    this.#source = source;
    this.#kind = framing.kind;
    this.#keepRaw = keepRaw;
    this.#missing = framing.kind === "length" ? framing.length : 0;
    this.#isDone = framing.kind === "none" || (framing.kind === "length" && framing.length === 0);
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** @returns The next piece, never empty, or null after the last. @throws {UnexpectedEnd} @throws {MessageError} */
  async read(): Promise<Bytes | null> {
    if (this.#isDone) return null;
    if (this.#kind === "until_close") return await this.#readUntilClose();
    if (this.#kind === "chunked" && this.#missing === 0) {
      this.#missing = await this.#readChunkSize();
      if (this.#missing === 0) {
        await this.#readTrailers();
        return null;
      }
    }
    const piece = await this.#source.readSome(this.#missing);
    if (piece === null) await this.#source.readExactly(this.#missing); // throws, and says what is missing
    return await this.#countDown(piece!);
  }

  /** @returns All that is left. */
  async readAll(): Promise<Bytes> {
    const pieces: Bytes[] = [];
    for (let piece = await this.read(); piece !== null; piece = await this.read()) pieces.push(piece);
    return concat(pieces);
  }

  async #countDown(piece: Bytes): Promise<Bytes> {
    this.#keep(piece);
    this.#missing -= piece.length;
    if (this.#missing > 0) return piece;
    if (this.#kind === "length") this.#isDone = true;
    else await this.#readLineEnd();
    return piece;
  }

  async #readUntilClose(): Promise<Bytes | null> {
    const piece = await this.#source.readSome(Number.MAX_SAFE_INTEGER);
    if (piece !== null) {
      this.#keep(piece);
      return piece;
    }
    if (this.#source.failure !== "") await this.#source.readExactly(1);
    this.#isDone = true;
    return null;
  }

  async #readChunkSize(): Promise<number> {
    const line = await this.#source.readThrough("\r\n", 4096);
    this.#keep(line);
    const match = CHUNK_LINE.exec(toText(line.subarray(0, -2)));
    if (match === null) throw new MessageError(`Malformed chunk size line ${quote(line)}`);
    return Number.parseInt(match[1], 16);
  }

  async #readLineEnd(): Promise<void> {
    const end = await this.#source.readExactly(2);
    this.#keep(end);
    if (end[0] !== 13 || end[1] !== 10) throw new MessageError(`Chunk data followed by ${quote(end)}, not CRLF`);
  }

  async #readTrailers(): Promise<void> {
    for (;;) {
      const line = await this.#source.readThrough("\r\n");
      this.#keep(line);
      if (line.length === 2) break;
      this.trailers.push(...parseFields([toText(line.subarray(0, -2))]));
    }
    this.#isDone = true;
  }

  #keep(bytes: Bytes): void {
    if (this.#keepRaw) this.rawPieces.push(bytes);
  }
}
