/**
 * What comes from a client, between its socket and the decoders.
 *
 * The buffer holds the head of the request under way and whatever came behind it. The head's bytes stay where they are
 * until the exchange is over, because fields are read from them late (retries, the access log); body bytes that were not
 * in the buffer yet are read into pieces of their own. A pipelined request waits in the buffer or in the kernel.
 *
 * At most one read is under way: one that somebody waits for, or one that nobody does (`watch`), and then what it brings
 * comes first. It writes behind `end`: with two, bytes of the second would be taken from where it did not write them.
 *
 * Memory is bounded by what a client has sent and we have not used, not by how it cut it: the buffer is never more than
 * twice what is unread (and at least `BUFFER_BYTES`), and a small piece of a body does not keep a large buffer alive.
 */

import { ProxyError } from "../../../base/errors.ts";
import { FreeList } from "../../../base/free_list.ts";
import type { BodyDecoder } from "../../../http1/body_decoder.ts";
import { decodeRequestHead } from "../../../http1/decode_request.ts";
import type { Head, HeadBounds } from "../../../http1/head.ts";
import type { Socket } from "../../../transport/socket.ts";
import { PIECE_BYTES, PieceBuffers } from "./piece_buffers.ts";

/** Every idle connection has one to read into. It grows with the head, up to the listener's limit. */
const BUFFER_BYTES = 1024;
/** Up to here it is kept when it has grown, and grows when it was filled: who sent one large request sends others. */
export const KEPT_BYTES_MAX = 8 * 1024;
/** One read of what nobody wants. */
const DISCARD_BYTES = 8 * 1024;
/** From here on giving the buffer away is cheaper than copying the piece out of it. */
const DETACH_BYTES_MIN = 16 * 1024;

/** So much that nobody has asked for yet is read to see what comes behind it. */
const AHEAD_BYTES_MAX = 16 * 1024;

const NO_BUFFER = new Uint8Array(0);
/**
 * Buffers of clients that are gone. A kilobyte outside V8's heap for each client took some 5 % of the time where each sends
 * one request.
 */
const freeList = new FreeList(256, () => new Uint8Array(BUFFER_BYTES));

/** Hears what a read brings that nobody waits for. */
export interface InputWatcher {
  /** The client has ended its side; all that it sent is in the buffer. Maybe told again. */
  onEnded(): void;
  /** The connection is broken. */
  onBroken(): void;
  /** No more is read ahead: what else the client does is not seen. */
  onFull(): void;
}

export class WireInput {
  /** The client has ended its side, and all that it sent has been read. */
  isEnded = false;
  /** Bytes of the client were read and are lost: no request can follow. */
  isCut = false;
  readonly #socket: Socket;
  #buffer: Uint8Array<ArrayBuffer> = freeList.take();
  /** Unread bytes: `[start, end)`. */
  #start = 0;
  #end = 0;
  /** The read that `watch` began; null: there is none. */
  #pending: Promise<number> | null = null;
  /** Somebody waits for a read. */
  #isReading = false;
  #watcher: InputWatcher | null = null;
  /** Bytes around those of bodies, decoded since they were last asked for. */
  #framingBytes = 0;
  /** Null before there was a body that did not come with its head. */
  #pieces: PieceBuffers | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Nothing is here that was not used yet; a read may be under way. */
  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** There may be more in the kernel than has been read. */
  get isFull(): boolean {
    return this.#end === this.#buffer.length;
  }

  /** Between two requests nobody looks at the old head any more. */
  compact(): void {
    if (this.#pending !== null || this.#start === 0) return;
    const held = this.#end - this.#start;
    const length = this.#buffer.length;
    if (held > 0) this.#buffer.copyWithin(0, this.#start, this.#end);
    else if (length > KEPT_BYTES_MAX) this.#buffer = new Uint8Array(BUFFER_BYTES);
    else if (this.#end === length && length < KEPT_BYTES_MAX) this.#buffer = new Uint8Array(2 * length); // a body, too
    this.#start = 0;
    this.#end = held;
  }

  /** @returns Whether the head is complete; `fill()` and call again otherwise. @throws {ProxyError} */
  takeHead(head: Head, bounds: HeadBounds): boolean {
    const used = decodeRequestHead(head, this.#buffer, this.#start, this.#end, bounds);
    this.#start += used;
    return used > 0;
  }

  /** @returns Bytes appended to the buffer; 0 at the end of the client's side. @throws {ProxyError} `client_gone`. */
  async fill(): Promise<number> {
    try {
      return this.took(await this.reading());
    } catch (error) {
      throw new ProxyError("client_gone", "", error);
    }
  }

  /** `fill()` in two steps, for who awaits it once per request: `took(await reading())`. Rejects as the socket does. */
  reading(): Promise<number> {
    this.#isReading = true;
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) return pending;
    if (this.#end === this.#buffer.length) this.#makeRoom();
    return this.#socket.read(this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end));
  }

  /** @returns As `fill()`. */
  took(count: number): number {
    this.#isReading = false;
    if (count === 0) this.isEnded = true;
    this.#end += count;
    return count;
  }

  /** The next piece of a body, the caller's until `reuse()`; null at its end. @throws {ProxyError} */
  async readPiece(decoder: BodyDecoder, head: Head): Promise<Uint8Array | null> {
    for (;;) {
      if (decoder.done) {
        this.#pieces?.end();
        return null;
      }
      if (this.#start < this.#end) {
        const piece = this.takePiece(decoder);
        if (piece !== null) return piece;
        continue;
      }
      if (this.#pending !== null) {
        // Begun during the exchange before, by `watch`: what it brings comes first.
        if (await this.fill() === 0) decoder.finish();
        continue;
      }
      const pieces = this.#pieces ??= new PieceBuffers();
      const bytes = pieces.take(decoder.missingBytes);
      const count = await this.readInto(bytes);
      if (count === 0) decoder.finish();
      pieces.took(bytes, count);
      const used = decoder.decode(bytes, 0, count);
      this.#framingBytes += used - (decoder.dataEnd - decoder.dataStart);
      if (used < count) this.#keep(head, bytes.subarray(used, count));
      const { dataStart, dataEnd } = decoder;
      const piece = dataEnd - dataStart >= DETACH_BYTES_MIN ? bytes.subarray(dataStart, dataEnd) : null;
      if (piece !== null) return piece;
      const copy = dataEnd > dataStart ? bytes.slice(dataStart, dataEnd) : null;
      pieces.reuse(bytes);
      if (copy !== null) return copy;
    }
  }

  /** A piece that `readPiece()` gave is not needed any more: nobody reads it, and no write of it is under way. */
  reuse(piece: Uint8Array): void {
    this.#pieces?.reuse(piece);
  }

  /** Reads over a body that nobody asks for, as far as it is here. */
  skipBody(decoder: BodyDecoder): void {
    try {
      while (this.#start < this.#end && !decoder.done) {
        this.#start += decoder.decode(this.#buffer, this.#start, this.#end);
      }
    } catch {
      // Malformed: it stays unread, and the connection closes.
    }
  }

  /**
   * Leaves a read pending while nobody asks for more: what it brings is the rest of the body or the next request, and is
   * kept; then another one, up to `AHEAD_BYTES_MAX`. One that the exchange before has left is as good. Until `unwatch()`.
   *
   * @param head Of the request under way, which the buffer holds.
   */
  watch(head: Head, watcher: InputWatcher): void {
    this.#watcher = watcher;
    if (this.isEnded) return watcher.onEnded();
    if (this.#isReading) return; // who waits for the read hears of the end
    if (this.#pending === null && !this.#readAhead(head)) return watcher.onFull();
    const pending = this.#pending!;
    pending.then((count) => {
      if (this.#pending !== pending || this.#watcher === null) return; // somebody asks for it, or will
      this.#pending = null;
      this.took(count);
      this.watch(head, this.#watcher);
    }, () => this.#watcher?.onBroken());
  }

  /** To be called before the head of the request under way is let go. */
  unwatch(): void {
    this.#watcher = null;
  }

  /** One read of what is too much to be kept, unless one is under way. Nothing that comes behind can be used. */
  dropAhead(): void {
    if (this.#pending !== null || this.isEnded) return;
    this.isCut = true;
    const pending = this.#pending = this.#socket.read(new Uint8Array(PIECE_BYTES));
    pending.then((count) => {
      if (this.#pending !== pending) return;
      this.#pending = null;
      if (count > 0) return;
      this.isEnded = true;
      this.#watcher?.onEnded();
    }, () => this.#watcher?.onBroken());
  }

  /** All that is unread; the caller's own. What a pending read brings comes behind it. */
  takeAll(): Uint8Array<ArrayBuffer> {
    const bytes = this.#buffer.slice(this.#start, this.#end);
    this.#start = this.#end;
    return bytes;
  }

  /** Past the decoders, when all was taken: the next bytes; empty at the end. Valid until the next call. */
  async readRaw(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#pending === null) return into.subarray(0, await this.readInto(into));
    await this.fill();
    const piece = this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return piece;
  }

  /** Reads off up to `bytesMax` bytes, or to the end. */
  async discard(bytesMax: number): Promise<void> {
    const bytes = new Uint8Array(DISCARD_BYTES);
    for (let total = 0; total < bytesMax;) {
      const count = await (this.#pending ?? this.#socket.read(bytes));
      this.#pending = null;
      if (count === 0) return;
      total += count;
    }
  }

  /** The client is gone; pieces of a body may be in use. */
  close(): void {
    this.#pieces?.close();
  }

  /** The client is gone, and no request of it is under way that may still be read: another client gets the buffer. */
  recycle(): void {
    if (this.#pending !== null || this.#buffer.length !== BUFFER_BYTES) return;
    this.#buffer.fill(0); // 60 ns, for which no mistake in an offset can ever show this client's bytes to another
    freeList.giveBack(this.#buffer);
    this.#buffer = NO_BUFFER;
    this.#start = this.#end = 0;
  }

  async readInto(bytes: Uint8Array): Promise<number> {
    this.#isReading = true;
    try {
      const count = await this.#socket.read(bytes);
      if (count === 0) this.isEnded = true;
      return count;
    } catch (error) {
      throw new ProxyError("client_gone", "", error);
    } finally {
      this.#isReading = false;
    }
  }

  /**
   * What the buffer holds of the body, in one piece, because chunks may be tiny and a piece costs more than its bytes; the
   * caller's own. Null for nothing.
   *
   * @throws {ProxyError}
   */
  takePiece(decoder: BodyDecoder): Uint8Array<ArrayBuffer> | null {
    const buffer = this.#buffer;
    const from = this.#start;
    let to = from;
    while (this.#start < this.#end && !decoder.done) {
      this.#start += decoder.decode(buffer, this.#start, this.#end);
      const length = decoder.dataEnd - decoder.dataStart;
      if (length > 0 && decoder.dataStart !== to) buffer.copyWithin(to, decoder.dataStart, decoder.dataEnd);
      to += length;
    }
    this.#framingBytes += this.#start - to;
    return to > from ? buffer.slice(from, to) : null;
  }

  /** @returns How many bytes around those of bodies were decoded since the last call. */
  takeFramingBytes(): number {
    const bytes = this.#framingBytes;
    this.#framingBytes = 0;
    return bytes;
  }

  /** Bytes behind a piece of a body. The buffer is empty then, but for the head at its beginning. */
  #keep(head: Head, bytes: Uint8Array): void {
    if (head.end + bytes.length > this.#buffer.length) this.#enlarge(head, bytes.length);
    this.#buffer.set(bytes, head.end);
    this.#start = head.end;
    this.#end = head.end + bytes.length;
  }

  /** Begins a read for `watch()`. @returns Whether there was room. */
  #readAhead(head: Head): boolean {
    if (this.isEmpty) this.#start = this.#end = head.end; // the bytes of the body are used up
    if (this.#end === this.#buffer.length) {
      const unread = this.#end - this.#start;
      if (unread >= AHEAD_BYTES_MAX) return false;
      const room = Math.max(BUFFER_BYTES, head.end - head.base, unread);
      this.#enlarge(head, Math.min(room, AHEAD_BYTES_MAX - unread));
    }
    this.#pending = this.#socket.read(this.#buffer.subarray(this.#end));
    return true;
  }

  /**
   * Makes room for so many bytes behind the head and what is unread, with nothing else in use. What lies before it belongs
   * to exchanges that are over, and stays behind.
   */
  #enlarge(head: Head, bytes: number): void {
    const held = this.#buffer.subarray(head.base, head.end);
    const unread = this.#buffer.subarray(this.#start, this.#end);
    const larger = new Uint8Array(held.length + unread.length + bytes);
    larger.set(held);
    larger.set(unread, held.length);
    head.rebase(larger, 0);
    this.#buffer = larger;
    this.#start = head.end;
    this.#end = head.end + unread.length;
  }

  /** Behind a head that is not complete. What lies before it belongs to exchanges that are over. */
  #makeRoom(): void {
    const held = this.#end - this.#start;
    const buffer = new Uint8Array(Math.max(BUFFER_BYTES, held * 2));
    buffer.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = buffer;
    this.#start = 0;
    this.#end = held;
  }
}
