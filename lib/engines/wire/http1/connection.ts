/**
 * One client connection of the wire engine: requests in, responses out, in order.
 *
 *     idle ──first byte──▶ head ──▶ exchange ──▶ response ──▶ idle … or lingering close, or a tunnel
 *
 * The end of the client's side is not at once the end of the exchange: a client may close its writing half and still want
 * the answer. An exchange that takes long hears of the end (lib/engines/wire/http1/watch.ts), and has a moment left then.
 */

import { ByteWriter } from "../../../base/byte_writer.ts";
import { ProxyError } from "../../../base/errors.ts";
import { FieldId } from "../../../base/field_names.ts";
import { lendWriter, takeBackWriter } from "../../../base/lent_writers.ts";
import type { FieldEdits } from "../../../fields/edits.ts";
import { FieldMemory } from "../../../http1/field_memory.ts";
import { type Head, HeadPhase } from "../../../http1/head.ts";
import type { ProxyCore } from "../../../proxy/core.ts";
import type { Exchange } from "../../../proxy/exchange.ts";
import { handle, refuse } from "../../../proxy/handler.ts";
import type { Tunnel } from "../../../proxy/message/response.ts";
import { closeQuietly } from "../../../transport/dial.ts";
import type { Timed } from "../../../transport/deadlines.ts";
import { takenWithinMs } from "../../../transport/send_buffer.ts";
import { Socket } from "../../../transport/socket.ts";
import { TakenPace } from "../../taken_pace.ts";
import type { WireListenerFacts } from "../listener_facts.ts";
import { KEPT_BYTES_MAX, WireInput } from "./input.ts";
import { BODY_BOUNDS, borrowRequestBuffers, type RequestBuffers, returnRequestBuffers } from "./request_buffers.ts";
import { UnreadableRequest, type WireBodySource, type WirePeer, WireRequest } from "./request.ts";
import { beginResponse, type WireSink, writeInformational, writeRest, writeSwitchingProtocols } from "./response.ts";
import { runTunnel } from "./tunnel.ts";
import { giveWay, WireTurn } from "./turn.ts";
import { WireWatch } from "./watch.ts";

/** A refused body is read off up to here, so that the refusal is not lost to a reset (RFC 9112 §9.6). */
const LINGER_BYTES_MAX = 1024 * 1024;
const LINGER_MS = 1000;

export class WireConnection implements WireBodySource, WireSink, Timed {
  readonly peerIp: string;
  deadlineMs = Infinity;
  deadlineIndex = -1;
  readonly #core: ProxyCore;
  readonly #conn: Deno.Conn;
  readonly #socket: Socket;
  readonly #facts: WireListenerFacts;
  readonly #input: WireInput;
  readonly #turn: WireTurn;
  /** Null while no request is under way. */
  #buffers: RequestBuffers | null = null;
  /** Remembers what the client says about itself each time; null before it has said anything. */
  #memory: FieldMemory | null = null;
  /** Lent for the response that is being written. */
  #out: ByteWriter | null = null;
  #exchange: Exchange | null = null;
  /** The writes of 1xx heads; null when there are none. */
  #informational: Promise<void> | null = null;
  readonly #peer: WirePeer;
  /** Null until an exchange has taken long. */
  #watch: WireWatch | null = null;
  #bodyBytes = 0;
  /** To the client, whatever of it has arrived. */
  #sentBytes = 0;
  /** An attempt has begun to read it. */
  #isBodyWanted = false;
  /** How fast it takes what it is sent; null before it had to be waited for. */
  #pace: TakenPace | null = null;
  /** What the client owes us, or we it; decides what a passed deadline means. */
  #phase: "idle" | "head" | "exchange" | "tunnel" | "closing" = "idle";
  /** Resolves when a head that came too slowly is answered and the connection has ended. */
  #refusal: Promise<void> = Promise.resolve();
  #isClosed = false;
  #isDraining = false;

  constructor(core: ProxyCore, conn: Deno.Conn, facts: WireListenerFacts, peerIp: string) {
    this.#core = core;
    this.#conn = conn;
    this.#facts = facts;
    this.#socket = new Socket(conn);
    this.#input = new WireInput(this.#socket);
    this.#turn = new WireTurn(core.clock);
    this.peerIp = peerIp;
    const { isSecure, limits } = facts;
    const { bodyTimeoutMs, bodyRateMin, bodyBytesMax } = limits;
    this.#peer = { peerIp, isSecure, bodyTimeoutMs, bodyRateMin, bodyBytesMax };
  }

  /** Serves until the connection ends. Never rejects. */
  async run(): Promise<void> {
    this.#core.deadlines.add(this);
    try {
      await this.#serve();
      await this.#refusal;
    } catch (error) {
      if (!(error instanceof ProxyError)) this.#facts.onBug(error);
    } finally {
      this.#exchange?.cancel(new ProxyError("client_gone"));
      this.#core.deadlines.remove(this);
      this.#watch?.close();
      this.close();
      this.#input.close();
      if (this.#buffers === null) this.#input.recycle(); // else somebody may still read the body of the last request
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
    this.#exchange?.cancel(new ProxyError(this.#pace?.code ?? "client_gone"));
    this.close();
  }

  get out(): ByteWriter {
    return this.#out ??= lendWriter();
  }

  flush(): Promise<void> {
    const { out } = this;
    const bytes = out.view();
    out.reset(); // nobody writes to it until this is out
    return this.write(bytes);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const pace = this.#pace ??= new TakenPace(this.#facts.limits, this.#core.deadlines);
    try {
      for (let written = 0; written < bytes.length;) {
        // A client that takes nothing holds a backend's connection: bounded like one that sends nothing.
        this.#expect(pace.begin(this.#sentBytes));
        const count = await this.#socket.write(written === 0 ? bytes : bytes.subarray(written));
        pace.end(count);
        written += count;
        this.#sentBytes += count;
      }
    } catch (error) {
      throw new ProxyError("client_gone", "", error);
    }
    this.deadlineMs = Infinity;
  }

  async readBody(): Promise<Uint8Array | null> {
    this.#isBodyWanted = true;
    const { decoder, head } = this.#inUse;
    const piece = await this.#input.readPiece(decoder, head);
    if (decoder.done) this.#watch?.resume(head); // asked before the body had ended
    if (this.#turn.endsWithPiece(this.#input.takeFramingBytes())) await giveWay();
    return piece === null ? null : this.#counted(piece);
  }

  reuse(piece: Uint8Array): void {
    this.#input.reuse(piece);
  }

  takeReceived(): Uint8Array | null {
    this.#isBodyWanted = true;
    const piece = this.#input.takePiece(this.#inUse.decoder);
    return piece === null ? null : this.#counted(piece);
  }

  get isBodyTaken(): boolean {
    return this.#inUse.decoder.done;
  }

  bodyTrailers(): Head | null {
    return this.#inUse.decoder.trailers;
  }

  passInformational(head: Head, edits: FieldEdits): void {
    const out = new ByteWriter(256);
    writeInformational(out, head, edits);
    this.sendInformational(out);
  }

  /** Written behind one another; the final response waits for them. */
  sendInformational(out: ByteWriter): void {
    const before = this.#informational ?? Promise.resolve();
    this.#informational = before.then(() => this.write(out.view())).catch(() => {});
  }

  watchClient(onGone: () => void): void {
    if (this.#phase !== "exchange") return; // a tunnel reads by itself, and hears of the end so
    this.#watch ??= new WireWatch({
      input: this.#input,
      deadlines: this.#core.deadlines,
      halfCloseMs: this.#facts.limits.halfCloseMs,
      isAheadOfTurn: () => this.#inUse.decoder.done && !this.#inUse.head.has(FieldId.upgrade),
    });
    this.#watch.begin(this.#inUse.head, onGone);
  }

  #counted(piece: Uint8Array): Uint8Array {
    const bytesMax = this.#facts.limits.bodyBytesMax;
    this.#bodyBytes += piece.length;
    if (bytesMax > 0 && this.#bodyBytes > bytesMax) throw new ProxyError("request_body_too_large");
    return piece;
  }

  /** One request after the other, until no more may come. One function, because each `async` one has its price. */
  async #serve(): Promise<void> {
    for (;;) {
      this.#beginRequest();
      let request: WireRequest | null;
      try {
        for (;;) {
          if (!this.#takesRequests()) return;
          request = this.#takeRequest();
          if (request !== null) break;
          let count: number;
          try {
            count = await this.#input.reading();
          } catch (error) {
            throw new ProxyError("client_gone", "", error);
          }
          if (this.#input.took(count) === 0) return await this.#endedInHead();
          if (this.#phase === "idle") this.#beginHead();
          else if (this.#turn.endsWithRead()) await giveWay();
        }
      } catch (error) {
        return await this.#refuse(error);
      }
      const exchange = await handle(this.#core, request);
      this.#exchange = exchange.isFinished ? null : exchange;
      if (this.#informational !== null) await this.#informational;
      exchange.throwIfTakenBack(); // meanwhile; there is no response any more
      const { tunnel } = exchange.response;
      if (tunnel !== null) return await this.#tunnel(exchange, tunnel);
      if (exchange.isOwnAnswer && exchange.errorCode === "client_gone") return; // nobody is there to read it
      const isBodyRead = this.#isBodyRead();
      const keepAlive = isBodyRead && request.framing.keepAlive && !this.#isDraining && this.#mayFollow;
      let persists: boolean;
      try {
        const response = beginResponse(this.out, exchange, { request, keepAlive });
        persists = response.persists;
        if (response.rest === null) {
          exchange.finish("");
          const bytes = this.out.view();
          this.#expect(takenWithinMs(this.#facts.limits.bodyTimeoutMs, this.#sentBytes));
          let written: number;
          try {
            written = await this.#socket.write(bytes);
          } catch (error) {
            throw new ProxyError("client_gone", "", error);
          }
          this.#sentBytes += written;
          if (written < bytes.length) await this.write(bytes.subarray(written));
        } else {
          await writeRest(this, exchange, response.rest);
        }
      } catch (error) {
        await this.#breakOff(exchange, error);
        throw error;
      }
      this.#exchange = null;
      this.#watch?.end();
      if (isBodyRead) this.#endRequest();
      if (!persists || this.#input.isCut) {
        return isBodyRead && this.#sendsNoMore(request) ? undefined : await this.#linger();
      }
      if (exchange.isOwnAnswer && this.#turn.endsWithAnswer(!this.#input.isEmpty)) await giveWay();
    }
  }

  /** The response will not come to its end; what was written of it is let go. */
  async #breakOff(exchange: Exchange, error: unknown): Promise<void> {
    const failure = error instanceof ProxyError ? error : new ProxyError("internal_error");
    const isHere = failure.code !== "client_gone";
    if (isHere && this.out.length > 0) await this.flush().catch(() => {}); // it ends anyway
    exchange.cancel(failure);
    this.#exchange = null;
  }

  /** The response is out and the request was read to its end, so that nobody looks at either any more. */
  #endRequest(): void {
    this.deadlineMs = Infinity;
    if (this.#out !== null) takeBackWriter(this.#out);
    if (this.#buffers !== null) returnRequestBuffers(this.#buffers);
    this.#out = null;
    this.#buffers = null;
  }

  #beginRequest(): void {
    this.#input.compact();
    if (!this.#input.isEmpty) return this.#beginHead();
    this.#phase = "idle";
    this.#expect(this.#facts.limits.idleTimeoutMs);
  }

  get #inUse(): RequestBuffers {
    return this.#buffers ??= borrowRequestBuffers();
  }

  #beginHead(): void {
    this.#phase = "head";
    this.#expect(this.#facts.limits.headTimeoutMs);
  }

  /** @returns Null when its head is not complete. @throws {ProxyError} for one that is to be refused. */
  #takeRequest(): WireRequest | null {
    if (this.#input.isEmpty) return null;
    const { head, decoder } = this.#inUse;
    head.memory = this.#memory ??= new FieldMemory(KEPT_BYTES_MAX);
    if (!this.#input.takeHead(head, this.#facts.bounds)) return null;
    this.deadlineMs = Infinity;
    this.#phase = "exchange";
    const request = new WireRequest(head, this, this.#peer);
    this.#bodyBytes = 0;
    this.#isBodyWanted = false;
    decoder.begin(request.framing.kind, request.framing.length, BODY_BOUNDS);
    return request;
  }

  /** Reads over a body that nobody has asked for: a short one costs the client no connection then. */
  #isBodyRead(): boolean {
    const { decoder } = this.#inUse;
    if (!this.#isBodyWanted) this.#input.skipBody(decoder);
    return decoder.done;
  }

  /** Bytes that come when we have closed would have the answer lost to a reset: a client that said `close` has none. */
  #sendsNoMore({ framing }: WireRequest): boolean {
    return this.#input.isEnded || !framing.keepAlive && this.#input.isEmpty && !this.#input.isFull;
  }

  /** Whether there may be another request. */
  get #mayFollow(): boolean {
    const { isEnded, isEmpty, isCut } = this.#input;
    return !isCut && !(isEnded && isEmpty);
  }

  /** What comes behind a 408 is too late, also when it completes the head. */
  #takesRequests(): boolean {
    if (this.#watch !== null && this.#watch.isGone) return false;
    return !this.#isClosed && this.#phase !== "closing" && !(this.#phase === "idle" && this.#isDraining);
  }

  async #endedInHead(): Promise<void> {
    const isBegun = this.#phase === "head" && this.#inUse.head.phase !== HeadPhase.begin;
    if (isBegun) await this.#refuse(new ProxyError("request_invalid"));
  }

  /** Answers what can't be served, and closes. */
  async #refuse(error: unknown): Promise<void> {
    if (!(error instanceof ProxyError) || error.code === "client_gone") throw error;
    this.#phase = "closing";
    const exchange = refuse(this.#core, new UnreadableRequest(this.#peer), error.code);
    beginResponse(this.out, exchange, { request: null, keepAlive: false });
    exchange.finish("");
    await this.flush();
    await this.#linger();
  }

  async #tunnel(exchange: Exchange, backend: Tunnel): Promise<void> {
    this.#phase = "tunnel";
    this.#watch?.close();
    writeSwitchingProtocols(this.out, exchange);
    await this.flush();
    const input = this.#input;
    await runTunnel(exchange, backend, {
      early: input.takeAll(),
      read: (into) => input.readRaw(into),
      write: (bytes) => this.write(bytes),
      closeWrite: () => this.#conn.closeWrite(),
      close: () => this.close(),
    });
    this.#exchange = null;
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
}
