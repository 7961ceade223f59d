/**
 * One client connection of the wire engine: requests in, responses out, in order.
 *
 *     idle ──first byte──▶ head ──▶ exchange ──▶ response ──▶ idle … or lingering close, or a tunnel
 *
 * The buffer holds the head of the request under way and whatever came behind it. The head's bytes stay where they are until
 * the exchange is over, because fields are read from them late (retries, the access log); body bytes that were not in the
 * buffer yet are read into pieces of their own. A pipelined request waits in the buffer or in the kernel.
 *
 * The end of the client's side is not the end of the exchange: a client may close its writing half and still want the
 * answer. Only an error on the socket means that it is gone.
 */

import { ByteWriter } from "../base/byte_writer.ts";
import { ProxyError } from "../base/errors.ts";
import { BodyDecoder } from "../http1/body_decoder.ts";
import { decodeRequestHead } from "../http1/decode_request.ts";
import { Head, HeadPhase } from "../http1/head.ts";
import type { ProxyCore } from "../proxy/core.ts";
import type { Exchange } from "../proxy/exchange.ts";
import { handle, refuse } from "../proxy/handler.ts";
import { closeQuietly } from "../transport/dial.ts";
import type { Timed } from "../transport/deadlines.ts";
import type { WireListenerFacts } from "./wire_listener_facts.ts";
import { UnreadableRequest, type WireBodySource, WireRequest } from "./wire_request.ts";
import { type WireSink, writeInformational, writeResponse, writeSwitchingProtocols } from "./wire_response.ts";
import { runTunnel } from "./wire_tunnel.ts";

/** Holds almost every head; grows up to the listener's limit. */
const BUFFER_BYTES = 8 * 1024;
/** One read of a body. */
const BODY_READ_BYTES = 64 * 1024;
/** A refused body is read off up to here, so that the refusal is not lost to a reset (RFC 9112 §9.6). */
const LINGER_BYTES_MAX = 1024 * 1024;
const LINGER_MS = 1000;

const BODY_BOUNDS = { chunkHeadBytesMax: 256, trailerBytesMax: 16 * 1024, trailerFieldsMax: 64 };

export class WireConnection implements WireBodySource, WireSink, Timed {
  readonly out: ByteWriter = new ByteWriter(4096);
  readonly peerIp: string;
  deadlineMs = Infinity;
  deadlineIndex = -1;
  readonly #core: ProxyCore;
  readonly #conn: Deno.Conn;
  readonly #facts: WireListenerFacts;
  readonly #head: Head = new Head();
  readonly #decoder: BodyDecoder = new BodyDecoder("request");
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(BUFFER_BYTES);
  /** Unread bytes: `[start, end)`. */
  #start = 0;
  #end = 0;
  /** A body read that brought more than the body. */
  #pending: Promise<number | null> | null = null;
  #exchange: Exchange | null = null;
  #informational: Promise<void> = Promise.resolve();
  /** Of the exchange under way, once it wants to know. */
  #onGone: (() => void) | null = null;
  #bodyBytes = 0;
  /** What the client owes us, or we it; decides what a passed deadline means. */
  #phase: "idle" | "head" | "exchange" | "closing" = "idle";
  #isInputEnded = false;
  #isClosed = false;
  #isDraining = false;

  constructor(core: ProxyCore, conn: Deno.Conn, facts: WireListenerFacts, peerIp: string) {
    this.#core = core;
    this.#conn = conn;
    this.#facts = facts;
    this.peerIp = peerIp;
  }

  /** Serves until the connection ends. Never rejects. */
  async run(): Promise<void> {
    this.#core.deadlines.add(this);
    try {
      while (await this.#serveOne());
    } catch (error) {
      if (!(error instanceof ProxyError)) this.#facts.onBug(error);
    } finally {
      this.#exchange?.cancel(new ProxyError("client_gone"));
      this.#core.deadlines.remove(this);
      this.close();
    }
  }

  /** The response under way is the last one; an idle connection closes now. */
  drain(): void {
    this.#isDraining = true;
    if (this.#phase === "idle") this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeQuietly(this.#conn);
  }

  onDeadline(): void {
    this.deadlineMs = Infinity;
    if (this.#phase === "head") {
      this.#phase = "closing";
      this.#refuse(new ProxyError("request_timeout")).catch(() => {}).finally(() => this.close());
      return;
    }
    this.#exchange?.cancel(new ProxyError("client_gone"));
    this.close();
  }

  async flush(): Promise<void> {
    const bytes = this.out.view();
    await this.write(bytes);
    this.out.reset();
  }

  async write(bytes: Uint8Array): Promise<void> {
    // A client that takes nothing holds a backend's connection: bounded like one that sends nothing.
    this.#expect(this.#facts.limits.bodyTimeoutMs);
    try {
      let written = await this.#conn.write(bytes);
      while (written < bytes.length) written += await this.#conn.write(bytes.subarray(written));
    } catch (error) {
      throw new ProxyError("client_gone", "", error);
    }
    this.deadlineMs = Infinity;
  }

  async readBody(): Promise<Uint8Array | null> {
    const decoder = this.#decoder;
    for (;;) {
      if (decoder.done) {
        this.#watch(); // asked before the body had ended
        return null;
      }
      if (this.#start < this.#end) {
        this.#start += decoder.decode(this.#buffer, this.#start, this.#end);
        if (decoder.dataEnd > decoder.dataStart) {
          return this.#counted(this.#buffer.slice(decoder.dataStart, decoder.dataEnd));
        }
        continue;
      }
      if (this.#pending !== null) {
        // Begun during the exchange before, by `watchClient`: what it brings comes first.
        if (await this.#fill() === 0) decoder.finish();
        continue;
      }
      const bytes = new Uint8Array(BODY_READ_BYTES);
      const count = await this.#readInto(bytes);
      if (count === 0) decoder.finish();
      const used = decoder.decode(bytes, 0, count);
      const piece = decoder.dataEnd > decoder.dataStart ? bytes.subarray(decoder.dataStart, decoder.dataEnd) : null;
      if (used < count) this.#keep(bytes.subarray(used, count));
      if (piece !== null) return this.#counted(piece);
    }
  }

  bodyTrailers(): Head | null {
    return this.#decoder.trailers;
  }

  /** Written behind one another; the final response waits for them. */
  passInformational(head: Head): void {
    const out = new ByteWriter(256);
    writeInformational(out, head);
    this.#informational = this.#informational.then(() => this.write(out.view())).catch(() => {});
  }

  /** While no body is due, a read is left pending: what it brings is the next request, what it throws is the news. */
  watchClient(onGone: () => void): void {
    this.#onGone = onGone;
    this.#watch();
  }

  #watch(): void {
    if (
      this.#onGone === null || !this.#decoder.done || this.#isInputEnded || this.#pending !== null ||
      this.#end === this.#buffer.length
    ) {
      return;
    }
    const reading = this.#conn.read(this.#buffer.subarray(this.#end));
    this.#pending = reading;
    reading.catch(() => {
      if (!this.#isClosed) this.#onGone?.();
    });
  }

  /** @returns Whether there may be another one. */
  async #serveOne(): Promise<boolean> {
    if (!(await this.#readHead())) return false;
    let request: WireRequest;
    try {
      request = new WireRequest(this.#head, this, this.#peer());
    } catch (error) {
      return await this.#refuse(error);
    }
    const { kind, length } = request.framing;
    this.#bodyBytes = 0;
    this.#onGone = null;
    this.#decoder.begin(kind, length, BODY_BOUNDS);
    const exchange = await handle(this.#core, request);
    this.#exchange = exchange.isFinished ? null : exchange;
    await this.#informational;
    if (exchange.local === null) exchange.throwIfCancelled(); // meanwhile; there is no response any more
    if (exchange.local === null && exchange.status === 101) return await this.#tunnel(exchange);
    const isBodyRead = this.#decoder.done;
    const keepAlive = isBodyRead && request.framing.keepAlive && !this.#isDraining && !this.#isInputEnded;
    try {
      const persists = await writeResponse(this, exchange, { request, keepAlive });
      this.#exchange = null;
      if (persists) return true;
    } catch (error) {
      exchange.cancel(error instanceof ProxyError ? error : new ProxyError("internal_error"));
      this.#exchange = null;
      throw error;
    }
    if (!isBodyRead || !this.#isInputEnded) await this.#linger();
    return false;
  }

  /** @returns Whether there is one; false when the client has ended between two requests. */
  async #readHead(): Promise<boolean> {
    const { limits } = this.#facts;
    const head = this.#head;
    head.reset();
    this.#compact();
    this.#phase = this.#start === this.#end ? "idle" : "head";
    this.#expect(this.#phase === "idle" ? limits.idleTimeoutMs : limits.headTimeoutMs);
    for (;;) {
      if (this.#isClosed || (this.#phase === "idle" && this.#isDraining)) return false;
      let used: number;
      try {
        used = decodeRequestHead(head, this.#buffer, this.#start, this.#end, this.#facts.bounds);
      } catch (error) {
        await this.#refuse(error);
        return false;
      }
      if (used > 0) {
        this.#start += used;
        this.deadlineMs = Infinity;
        this.#phase = "exchange";
        return true;
      }
      if (this.#end === this.#buffer.length) this.#grow();
      const count = await this.#fill();
      if (count === 0) return await this.#endedInHead();
      if (this.#phase === "idle") {
        this.#phase = "head";
        this.#expect(limits.headTimeoutMs);
      }
    }
  }

  async #endedInHead(): Promise<false> {
    const isBegun = this.#phase === "head" && this.#head.phase !== HeadPhase.begin;
    return isBegun ? await this.#refuse(new ProxyError("request_invalid")) : false;
  }

  /** Answers what can't be served, and closes. */
  async #refuse(error: unknown): Promise<false> {
    if (!(error instanceof ProxyError)) throw error;
    this.#phase = "closing";
    const exchange = refuse(this.#core, new UnreadableRequest(this.#peer()), error.code);
    this.out.reset();
    await writeResponse(this, exchange, { request: null, keepAlive: false });
    await this.#linger();
    return false;
  }

  async #tunnel(exchange: Exchange): Promise<false> {
    writeSwitchingProtocols(this.out, exchange);
    await this.flush();
    const early = this.#buffer.slice(this.#start, this.#end);
    this.#start = this.#end; // what a read left by `watchClient` brings comes behind
    await runTunnel(exchange, {
      early,
      read: async (into) => {
        const pending = this.#pending;
        if (pending !== null) {
          const from = this.#end;
          const count = await this.#fill();
          into.set(this.#buffer.subarray(from, from + count));
          this.#start = this.#end = 0;
          return count;
        }
        return await this.#readInto(into);
      },
      write: (bytes) => this.write(bytes),
      closeWrite: () => this.#conn.closeWrite(),
      close: () => this.close(),
    });
    this.#exchange = null;
    return false;
  }

  /** Ends our side and reads off what the client still sends, so that it gets to read the answer. */
  async #linger(): Promise<void> {
    if (this.#isClosed) return;
    this.#phase = "closing";
    this.#expect(LINGER_MS);
    try {
      await this.#conn.closeWrite();
      const bytes = new Uint8Array(BUFFER_BYTES);
      for (let total = 0; total < LINGER_BYTES_MAX;) {
        const count = await (this.#pending ?? this.#conn.read(bytes));
        this.#pending = null;
        if (count === null) return;
        total += count;
      }
    } catch {
      // It is gone, or the time is over; both end it.
    }
  }

  #counted(piece: Uint8Array): Uint8Array {
    const bytesMax = this.#facts.limits.bodyBytesMax;
    this.#bodyBytes += piece.length;
    if (bytesMax > 0 && this.#bodyBytes > bytesMax) throw new ProxyError("request_body_too_large");
    return piece;
  }

  /** @returns Bytes appended to the buffer; 0 at the end of the client's side. */
  async #fill(): Promise<number> {
    const reading = this.#pending ?? this.#conn.read(this.#buffer.subarray(this.#end));
    this.#pending = null;
    const count = await this.#settled(reading);
    this.#end += count;
    return count;
  }

  async #readInto(bytes: Uint8Array): Promise<number> {
    return await this.#settled(this.#conn.read(bytes));
  }

  async #settled(reading: Promise<number | null>): Promise<number> {
    let count: number | null;
    try {
      count = await reading;
    } catch (error) {
      throw new ProxyError("client_gone", "", error);
    }
    if (count === null) this.#isInputEnded = true;
    return count ?? 0;
  }

  /** Bytes behind a body: the next request. The buffer is empty then, but for the head at its beginning. */
  #keep(bytes: Uint8Array): void {
    const headEnd = this.#head.end;
    if (headEnd + bytes.length > this.#buffer.length) {
      const larger = new Uint8Array(headEnd + bytes.length);
      larger.set(this.#buffer.subarray(0, headEnd));
      this.#head.bytes = larger;
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, headEnd);
    this.#start = headEnd;
    this.#end = headEnd + bytes.length;
  }

  /** Between two requests nobody looks at the old head any more. */
  #compact(): void {
    if (this.#pending !== null || this.#start === 0) return;
    const held = this.#end - this.#start;
    if (held > 0) this.#buffer.copyWithin(0, this.#start, this.#end);
    else if (this.#buffer.length > BUFFER_BYTES) this.#buffer = new Uint8Array(BUFFER_BYTES);
    this.#start = 0;
    this.#end = held;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#buffer = larger;
  }

  #expect(ms: number): void {
    this.deadlineMs = ms > 0 ? this.#core.deadlines.after(ms) : Infinity;
  }

  #peer(): { peerIp: string; isSecure: boolean; bodyTimeoutMs: number; bodyBytesMax: number } {
    const { isSecure, limits } = this.#facts;
    const { bodyTimeoutMs, bodyBytesMax } = limits;
    return { peerIp: this.peerIp, isSecure, bodyTimeoutMs, bodyBytesMax };
  }
}
