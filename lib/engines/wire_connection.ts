/**
 * One client connection of the wire engine: requests in, responses out, in order.
 *
 *     idle ──first byte──▶ head ──▶ exchange ──▶ response ──▶ idle … or lingering close, or a tunnel
 *
 * The end of the client's side is not the end of the exchange: a client may close its writing half and still want the
 * answer. Only an error on the socket means that it is gone.
 */

import { ByteWriter } from "../base/byte_writer.ts";
import { ProxyError } from "../base/errors.ts";
import { BodyDecoder } from "../http1/body_decoder.ts";
import { Head, HeadPhase } from "../http1/head.ts";
import type { ProxyCore } from "../proxy/core.ts";
import type { Exchange } from "../proxy/exchange.ts";
import { handle, refuse } from "../proxy/handler.ts";
import { closeQuietly } from "../transport/dial.ts";
import type { Timed } from "../transport/deadlines.ts";
import type { WireListenerFacts } from "./wire_listener_facts.ts";
import { WireInput } from "./wire_input.ts";
import { UnreadableRequest, type WireBodySource, WireRequest } from "./wire_request.ts";
import { type WireSink, writeInformational, writeResponse, writeSwitchingProtocols } from "./wire_response.ts";
import { runTunnel } from "./wire_tunnel.ts";

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
  readonly #input: WireInput;
  #exchange: Exchange | null = null;
  #informational: Promise<void> = Promise.resolve();
  /** Of the exchange under way, once it wants to know. */
  #onGone: (() => void) | null = null;
  #bodyBytes = 0;
  /** What the client owes us, or we it; decides what a passed deadline means. */
  #phase: "idle" | "head" | "exchange" | "closing" = "idle";
  /** Of a head that came too slowly: its answer, and the end. */
  #refusal: Promise<void> = Promise.resolve();
  #isClosed = false;
  #isDraining = false;

  constructor(core: ProxyCore, conn: Deno.Conn, facts: WireListenerFacts, peerIp: string) {
    this.#core = core;
    this.#conn = conn;
    this.#facts = facts;
    this.#input = new WireInput(conn);
    this.peerIp = peerIp;
  }

  /** Serves until the connection ends. Never rejects. */
  async run(): Promise<void> {
    this.#core.deadlines.add(this);
    try {
      while (await this.#serveOne());
      await this.#refusal;
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
      this.#refusal = this.#refuse(new ProxyError("request_timeout")).catch(() => {}).then(() => this.close());
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
    const piece = await this.#input.readPiece(this.#decoder, this.#head);
    if (piece === null) {
      this.#watch(); // asked before the body had ended
      return null;
    }
    const bytesMax = this.#facts.limits.bodyBytesMax;
    this.#bodyBytes += piece.length;
    if (bytesMax > 0 && this.#bodyBytes > bytesMax) throw new ProxyError("request_body_too_large");
    return piece;
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

  watchClient(onGone: () => void): void {
    this.#onGone = onGone;
    this.#watch();
  }

  #watch(): void {
    if (this.#onGone !== null && this.#decoder.done) this.#input.watch(this.#head, this.#onGone);
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
    // Read over where no attempt has begun to read it: a short one costs the client no connection then.
    if (exchange.local !== null && exchange.body === null) this.#input.skipBody(this.#decoder);
    const isBodyRead = this.#decoder.done;
    const keepAlive = isBodyRead && request.framing.keepAlive && !this.#isDraining && !this.#input.isEnded;
    try {
      const persists = await writeResponse(this, exchange, { request, keepAlive });
      this.#exchange = null;
      if (persists) return true;
    } catch (error) {
      exchange.cancel(error instanceof ProxyError ? error : new ProxyError("internal_error"));
      this.#exchange = null;
      throw error;
    }
    if (!isBodyRead || !this.#input.isEnded) await this.#linger();
    return false;
  }

  /** @returns Whether there is one; false when the client has ended between two requests. */
  async #readHead(): Promise<boolean> {
    const { limits } = this.#facts;
    const head = this.#head;
    const input = this.#input;
    head.reset();
    input.compact();
    this.#phase = input.isEmpty ? "idle" : "head";
    this.#expect(this.#phase === "idle" ? limits.idleTimeoutMs : limits.headTimeoutMs);
    for (;;) {
      if (!this.#takesRequests()) return false;
      try {
        if (input.takeHead(head, this.#facts.bounds)) break;
      } catch (error) {
        return await this.#refuse(error);
      }
      if (await input.fill() === 0) return await this.#endedInHead();
      if (this.#phase === "idle") {
        this.#phase = "head";
        this.#expect(limits.headTimeoutMs);
      }
    }
    this.deadlineMs = Infinity;
    this.#phase = "exchange";
    return true;
  }

  /** What comes behind a 408 is too late, also when it completes the head. */
  #takesRequests(): boolean {
    return !this.#isClosed && this.#phase !== "closing" && !(this.#phase === "idle" && this.#isDraining);
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
    const input = this.#input;
    await runTunnel(exchange, {
      early: input.takeAll(),
      read: (into) => input.readRaw(into),
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
      await this.#input.discard(LINGER_BYTES_MAX);
    } catch {
      // It is gone, or the time is over; both end it.
    }
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
