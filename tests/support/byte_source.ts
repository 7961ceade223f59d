/**
 * A socket to read from, with what arrived and was not taken yet. At most one read is ever in flight, and everybody
 * who waits for bytes waits for that one; so a wait that was given up on loses nothing.
 */

import { type Bytes, concat, quote, toBytes } from "./wire_bytes.ts";

export interface Readable {
  read(into: Uint8Array): Promise<number | null>;
}

/** The far side ended, or broke, before what was wanted had come. */
export class UnexpectedEnd extends Error {
  override readonly name = "UnexpectedEnd";
}

const READ_BYTES = 64 * 1024;

export class ByteSource {
  readonly #readable: Readable;
  readonly #onBytes: (bytes: Uint8Array) => void;
  #held: Bytes;
  #start: number;
  #end: number;
  #filling: Promise<boolean> | null;
  #isEnded: boolean;
  #failure: string;
  #failureDetail: string;

  /** @param onBytes Sees every piece as it arrives; must not keep it. */
  constructor(readable: Readable, onBytes: (bytes: Uint8Array) => void = () => {}) {
    this.#readable = readable;
    this.#onBytes = onBytes;
    this.#held = new Uint8Array(READ_BYTES);
    this.#start = 0;
    this.#end = 0;
    this.#filling = null;
    this.#isEnded = false;
    this.#failure = "";
    this.#failureDetail = "";
  }

  /** Whether the end was read; bytes may be left to take. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Name of the error that ended it ("ConnectionReset"); "" after a clean end, or before any. */
  get failure(): string {
    return this.#failure;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** A copy of all that is held. */
  peek(): Bytes {
    return this.#held.slice(this.#start, this.#end);
  }

  /** Waits for more. @returns Whether bytes came; false at the end. Never rejects. */
  fill(): Promise<boolean> {
    if (this.#isEnded) return Promise.resolve(false);
    this.#filling ??= this.#fill();
    return this.#filling;
  }

  /** Removes and returns a copy of the next `count` bytes, which must be there. */
  take(count: number): Bytes {
    if (count > this.length) throw new RangeError(`Cannot take ${count} bytes of ${this.length}`);
    const taken = this.#held.slice(this.#start, this.#start + count);
    this.#start += count;
    return taken;
  }

  /** @returns Up to and with `marker`. @throws {UnexpectedEnd} @throws {RangeError} when it is not in `bytesMax`. */
  async readThrough(marker: string, bytesMax = 1024 * 1024): Promise<Bytes> {
    const wanted = toBytes(marker);
    for (let from = 0;;) {
      const at = this.#indexOf(wanted, from);
      if (at >= 0) return this.take(at + wanted.length);
      from = Math.max(0, this.length - wanted.length + 1);
      if (this.length > bytesMax) throw new RangeError(`No ${JSON.stringify(marker)} in ${bytesMax} bytes`);
      if (!await this.fill()) throw this.#unexpectedEnd(JSON.stringify(marker));
    }
  }

  async readExactly(count: number): Promise<Bytes> {
    const pieces: Bytes[] = [];
    for (let missing = count; missing > 0;) {
      const piece = await this.readSome(missing);
      if (piece === null) throw this.#unexpectedEnd(`${missing} more of ${count} bytes`);
      pieces.push(piece);
      missing -= piece.length;
    }
    return concat(pieces);
  }

  /** @returns 1 to `countMax` bytes, or null at the end. */
  async readSome(countMax: number): Promise<Bytes | null> {
    if (this.length === 0 && !await this.fill()) return null;
    return this.take(Math.min(countMax, this.length));
  }

  #unexpectedEnd(wanted: string): UnexpectedEnd {
    const how = this.#failure === "" ? "closed" : `broke with ${this.#failureDetail}`;
    return new UnexpectedEnd(`Connection ${how} where ${wanted} should follow; left over: ${quote(this.peek())}`);
  }

  #indexOf(wanted: Uint8Array, from: number): number {
    for (let at = this.#start + from; at <= this.#end - wanted.length; at++) {
      let matched = 0;
      while (matched < wanted.length && this.#held[at + matched] === wanted[matched]) matched++;
      if (matched === wanted.length) return at - this.#start;
    }
    return -1;
  }

  async #fill(): Promise<boolean> {
    const into = new Uint8Array(READ_BYTES);
    let count: number | null = null;
    try {
      count = await this.#readable.read(into);
    } catch (error) {
      this.#failure = error instanceof Error ? error.name : "unknown";
      this.#failureDetail = String(error);
    }
    this.#filling = null;
    if (count === null) {
      this.#isEnded = true;
      return false;
    }
    const bytes = into.subarray(0, count);
    this.#append(bytes);
    this.#onBytes(bytes);
    return true;
  }

  #append(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#held.length) {
      const length = this.length;
      const room = length + bytes.length > this.#held.length ? this.#held.length * 2 : this.#held.length;
      const held = new Uint8Array(room);
      held.set(this.#held.subarray(this.#start, this.#end));
      this.#held = held;
      this.#start = 0;
      this.#end = length;
    }
    this.#held.set(bytes, this.#end);
    this.#end += bytes.length;
  }
}
