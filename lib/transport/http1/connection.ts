/**
 * One connection to a backend, as a byte pump with an HTTP/1.1 response decoder.
 *
 * One exchange at a time. The order of calls is: `send()` the request, `readHead()`, then `readBody()` until END; its body
 * may go on being written meanwhile. When the response is complete `canReuse` says whether the pool may keep it.
 *
 * While it is parked in the pool a read is left pending. It costs nothing (on reuse it becomes the read of the next
 * response) and it is how a dead connection is seen at once: on an idle connection nothing may arrive, so whatever the
 * read brings (an end, an error, junk) means that the connection must not be used again.
 *
 * Views handed out point into the read buffer: a piece is valid until the next `readBody()`, the head until the first.
 */

import { type Bytes, END, type ReadPiece, type TakenPiece, WAIT } from "../../base/body_piece.ts";
import type { ByteWriter } from "../../base/byte_writer.ts";
import { type ErrorCode, ProxyError } from "../../base/errors.ts";
import type { Listed } from "../../base/live_list.ts";
import { BodyDecoder } from "../../http1/body_decoder.ts";
import { decodeResponseHead } from "../../http1/decode_response.ts";
import { FieldMemory } from "../../http1/field_memory.ts";
import { responseFraming } from "../../http1/framing.ts";
import { BodyKind, type Framing } from "../../http1/body_kind.ts";
import { Head } from "../../http1/head.ts";
import type { BackendStream, Claimant, HeadReader } from "../backend_stream.ts";
import { BODY_BUFFER_BYTES, bodyBuffers } from "../body_buffers.ts";
import { closeQuietly } from "../dial.ts";
import type { OutgoingRequest } from "../outgoing_request.ts";
import { Socket } from "../socket.ts";
import type { ResponseBounds } from "./response_bounds.ts";
import { Sender } from "./sender.ts";

/** Holds almost every head, and a body of up to 16 KiB behind it: one read and one write for both. */
const SMALL_BUFFER_BYTES = 20 * 1024;
/** From here on giving the buffer away is cheaper than copying the piece out of it. */
const DETACH_BYTES_MIN = 16 * 1024;
/** A backend may send early hints and progress, but not for ever. */
const INTERIMS_MAX = 16;
const NO_BUFFER = new Uint8Array(0);
const NO_FRAMING: Framing = { kind: BodyKind.none, length: -1, keepAlive: false };

export class Connection implements BackendStream, Listed {
  readonly head: Head = new Head();
  readonly createdMs: number;
  /** Exchanges that were begun on it. */
  exchanges = 0;
  idleSinceMs: number;
  listIndex = -1;
  client = ""; // the pool's: whom it serves
  holder: Claimant | null = null; // … for what
  isTunnel = false; // … and whether it carries another protocol by now
  /** Bytes read since `beginExchange()`; 0 when it dies means that the backend may not have seen the request at all. */
  bytesIn = 0;
  /** The framing of the body behind the head that was taken last. */
  framing: Framing = NO_FRAMING;
  readonly #conn: Deno.Conn;
  readonly #socket: Socket;
  readonly #sender: Sender;
  readonly #bounds: ResponseBounds;
  #decoder: BodyDecoder = new BodyDecoder("response");
  readonly #onParkedRead: () => void;
  #onDead: ((connection: Connection) => void) | null = null;
  #small: Uint8Array<ArrayBuffer> = new Uint8Array(SMALL_BUFFER_BYTES);
  /** The one in use; `#small` is its own. */
  #buffer: Uint8Array<ArrayBuffer> = this.#small;
  #isLent = false; // `#buffer` is one of `bodyBuffers`
  /** Pieces of this response are given away with the buffer that they are in: large ones would not be bounded in number. */
  #givesAway = false;
  #start = 0;
  #end = 0;
  #pending: Promise<number> | null = null;
  #abortError: ProxyError | null = null;
  #isClosed = false;
  #keepAlive = false;
  #interims = 0;

  constructor(conn: Deno.Conn, bounds: ResponseBounds, nowMs: number) {
    this.#conn = conn;
    this.#socket = new Socket(conn);
    this.#sender = new Sender(this.#socket, this);
    this.#bounds = bounds;
    this.head.memory = new FieldMemory(SMALL_BUFFER_BYTES);
    this.createdMs = nowMs;
    this.idleSinceMs = nowMs;
    this.#onParkedRead = () => this.#onDead?.(this);
  }

  get out(): ByteWriter {
    return this.#sender.out;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The response was read to its end, and nothing forbids another exchange. */
  get canReuse(): boolean {
    return !this.#isClosed && !this.#sender.isSending && this.#keepAlive && this.#decoder.done &&
      this.#start === this.#end;
  }

  get isStale(): boolean {
    return this.exchanges > 1 && this.bytesIn === 0;
  }

  get isBodyDone(): boolean {
    return this.#decoder.done;
  }

  /** Something has come behind the response that was read. */
  get hasSurplus(): boolean {
    return this.#start < this.#end;
  }

  get trailers(): Head | null {
    return this.#decoder.trailers;
  }

  /** As `trailers`, and they stay valid when the next response is read. */
  keepTrailers(): Head | null {
    const { trailers } = this.#decoder;
    if (trailers !== null) this.#decoder = new BodyDecoder("response");
    return trailers;
  }

  send(request: OutgoingRequest): boolean {
    this.beginResponse();
    return this.#sender.send(request);
  }

  /** For who writes the request into `out` as HTTP/1 has it, and then calls `sendOut()`, or `write()`. */
  beginExchange(): void {
    this.beginResponse();
    this.out.reset();
  }

  /** As `beginExchange()` for who writes past `out`. */
  beginResponse(): void {
    if (this.#start === this.#end) this.#useOwnBuffer();
    this.exchanges++;
    this.bytesIn = this.#end - this.#start;
    this.#keepAlive = false;
    this.#givesAway = false;
    this.#interims = 0;
    this.head.reset();
  }

  /** Leaves a read pending, and calls `onDead` once if anything at all comes while it is parked. */
  park(nowMs: number, onDead: (connection: Connection) => void): void {
    this.idleSinceMs = nowMs;
    this.#onDead = onDead;
    this.#sender.giveBackOut(); // after an upload
    this.#useOwnBuffer();
    if (this.#pending === null) this.#pending = this.#socket.read(this.#buffer);
    this.#pending.then(this.#onParkedRead, this.#onParkedRead);
  }

  unpark(): void {
    this.#onDead = null;
  }

  /** As of the sender. */
  sendOut(): void {
    this.#sender.sendOut();
  }

  /** @throws {ProxyError} `connection_reset`, or the error given to `abort()`. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#sender.write(bytes);
  }

  /**
   * Reads up to the final response head, over any 1xx before it; 101 is final. Decides the framing of the body.
   *
   * @throws {ProxyError} `connection_reset` when the connection ends first, `response_*` when the head is bad.
   */
  async readHead(request: HeadReader): Promise<Framing> {
    while (!this.takeHead(request)) if (await this.#fill() === 0) throw this.#failure("connection_reset");
    return this.framing;
  }

  /**
   * `readHead()` without the waiting, for the one place that every exchange comes by: while it returns false the caller
   * does `took(await reading())`, and gives what is thrown meanwhile to `failure()`.
   *
   * @returns Whether the final response head is in `head` and its body's framing in `framing`.
   */
  takeHead(request: HeadReader): boolean {
    const { head } = this;
    while (this.#start < this.#end) {
      const used = decodeResponseHead(head, this.#buffer, this.#start, this.#end, this.#bounds.head);
      if (used === 0) return false;
      this.#start += used;
      if (head.status >= 200 || head.status === 101) {
        this.#beginBody(request.method);
        return true;
      }
      if (++this.#interims > INTERIMS_MAX) throw new ProxyError("response_invalid", "Too many interim responses");
      request.passInformational(head);
      head.reset();
    }
    return false;
  }

  /** The read that was left pending while the connection was parked, or a new one. */
  reading(): Promise<number> {
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) return pending;
    this.#makeRoom();
    return this.#socket.read(this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end));
  }

  /** @param count What `reading()` brought. @throws {ProxyError} `connection_reset` when that is the end. */
  took(count: number): void {
    if (this.#took(count) === 0) throw this.#failure("connection_reset");
  }

  /** What an error of `reading()` means; one that says it already stays what it is. */
  failure(error: unknown): ProxyError {
    return error instanceof ProxyError ? error : this.#failure("connection_reset", error);
  }

  /** What is buffered of the body. */
  takeBody(): TakenPiece {
    const decoder = this.#decoder;
    while (!decoder.done && this.#start < this.#end) {
      this.#start += decoder.decode(this.#buffer, this.#start, this.#end);
      if (decoder.dataEnd > decoder.dataStart) return this.#buffer.subarray(decoder.dataStart, decoder.dataEnd);
    }
    return decoder.done ? END : WAIT;
  }

  /**
   * The next piece.
   *
   * @throws {ProxyError} `response_incomplete` when the connection ends before the body does, `response_framing_invalid`
   * for a bad chunk.
   */
  async readBody(): Promise<ReadPiece> {
    for (;;) {
      const piece = this.takeBody();
      if (piece !== WAIT) return piece;
      let count: number;
      try {
        count = await this.#fill();
      } catch (error) {
        throw error instanceof ProxyError && error.code === "connection_reset"
          ? new ProxyError("response_incomplete", "", error.cause)
          : error;
      }
      if (count === 0) this.#decoder.finish();
    }
  }

  /** Makes a piece that `takeBody` or `readBody` has just returned the caller's own: by copy, or with its buffer. */
  own(piece: Bytes): Bytes {
    this.#givesAway = true;
    if (piece.length < DETACH_BYTES_MIN || this.#start < this.#end) return piece.slice();
    this.#writeOff();
    if (this.#buffer === this.#small) this.#small = NO_BUFFER;
    this.#buffer = NO_BUFFER;
    this.#start = this.#end = 0;
    return piece;
  }

  /** After a 101: bytes as they come; null when the backend has ended its side. Valid until the next call. */
  async readRaw(): Promise<Bytes | null> {
    if (this.#start === this.#end && await this.#fill() === 0) return null;
    const piece = this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return piece;
  }

  /** After a 101: ends our side, so that the backend reads an end; ours stays readable. */
  async closeWrite(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      throw this.#failure("connection_reset", error);
    }
  }

  /** Closes now; whoever waits on this connection gets `error`. */
  abort(error: ProxyError): void {
    this.#abortError ??= error;
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onDead = null;
    closeQuietly(this.#conn);
    this.#writeOff();
  }

  /** @returns Bytes read, 0 at the end. */
  async #fill(): Promise<number> {
    try {
      return this.#took(await this.reading());
    } catch (error) {
      throw this.#failure("connection_reset", error);
    }
  }

  /** @returns Bytes that a read has brought, 0 at the end. */
  #took(count: number): number {
    if (count === 0 && this.#abortError !== null) throw this.#abortError;
    this.#end += count;
    this.bytesIn += count;
    return count;
  }

  #beginBody(method: string): void {
    const framing = this.framing = responseFraming(method, this.head);
    this.#keepAlive = framing.keepAlive && framing.kind !== BodyKind.until_close && this.head.status !== 101;
    this.#decoder.begin(framing.kind, framing.length, this.#bounds.body);
  }

  #makeRoom(): void {
    const held = this.#end - this.#start;
    if (held === 0) {
      // Filled to the brim last time: a large body, worth larger reads.
      if (this.#end === this.#buffer.length) this.#enlarge();
      this.#start = this.#end = 0;
    } else if (this.#end === this.#buffer.length) {
      // A head larger than the buffer; the decoder refuses it before it passes its bound.
      const target = held < this.#buffer.length / 2 ? this.#buffer : new Uint8Array(this.#buffer.length * 2);
      target.set(this.#buffer.subarray(this.#start, this.#end));
      if (target !== this.#buffer) this.#writeOff();
      this.#buffer = target;
      this.#start = 0;
      this.#end = held;
    }
  }

  /** The buffer was filled to the brim, or given away. */
  #enlarge(): void {
    const { length } = this.#buffer;
    const missing = this.#decoder.missingBytes;
    // What is lent to a closed connection, whose next read fails, would not come back.
    if (this.#isClosed || (missing >= 0 && missing <= SMALL_BUFFER_BYTES)) {
      if (length === 0) this.#buffer = new Uint8Array(SMALL_BUFFER_BYTES);
      return;
    }
    const { medium, large } = BODY_BUFFER_BYTES;
    const isLarge = !this.#givesAway && (missing < 0 ? length >= medium : missing > medium);
    if (length >= (isLarge ? large : medium)) return;
    this.#writeOff();
    this.#buffer = bodyBuffers.lend(isLarge ? "large" : "medium");
    this.#isLent = true;
  }

  /** The response was read to its end, by a call that comes when its last piece is out: nobody looks at the buffer. */
  #useOwnBuffer(): void {
    if (this.#isLent) bodyBuffers.takeBack(this.#buffer);
    this.#isLent = false;
    if (this.#small.length === 0) this.#small = new Uint8Array(SMALL_BUFFER_BYTES);
    this.#buffer = this.#small;
    this.#start = this.#end = 0;
  }

  /** A read may be filling it, or a client's connection writing from it: it can't be anybody else's. */
  #writeOff(): void {
    if (this.#isLent) bodyBuffers.writeOff(this.#buffer);
    this.#isLent = false;
  }

  #failure(code: ErrorCode, cause: unknown = undefined): ProxyError {
    return this.#abortError ?? new ProxyError(code, "", cause);
  }
}
