/**
 * A request of `Deno.serve` as the core sees it.
 *
 * The fields are read once, into a list: each look-up of its own would be a call into the runtime. Deno has joined
 * repeated lines and lower-cased the names already.
 */

import type { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import { type ErrorCode, ProxyError } from "../../base/errors.ts";
import { fieldKindOfName, isUnderscored } from "../../base/field_names.ts";
import type { ListenerLimits } from "../../config/types.ts";
import { type ConnectionOptions, NO_CONNECTION_OPTIONS, parseConnection } from "../../fields/hop_by_hop.ts";
import type { FieldFilter } from "../../proxy/message/field_filter.ts";
import { NO_BODY, type ProxyRequest, UNKNOWN_LENGTH } from "../../proxy/message/request.ts";
import { validKey } from "../../websocket/handshake.ts";
import { peerIpOf } from "../listener.ts";
import { hiddenBody, STILL_TO_COME } from "./hidden_body.ts";
import { serveTarget } from "./target.ts";

export interface ServeListenerFacts {
  readonly isSecure: boolean;
  readonly fallback: string;
  readonly limits: ListenerLimits;
}

/**
 * The end of a body and its cancellation are told apart, the cancellation after one turn of the event loop, or after two
 * when the machine is overloaded (4 of 800). Five leave room, and cost some ms at the end of an upload that has no length.
 */
const TURNS_FOR_CANCEL = 5;
const TURN_MS = 2;

const DIGITS = /^\d{1,15}$/;
/** What Deno has of a body already takes three turns of the microtask queue to get here. */
const TURNS_FOR_BODY = 16;

/** A body of up to here comes at once, unless its client is slow. */
const SMALL_BODY_BYTES_MAX = 64 * 1024;
const SMALL_BODY_WAIT_MS = 25;

export class ServeRequest implements ProxyRequest {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly isSecure: boolean;
  /** A guess: Deno does not tell, but HTTP/2 requests rarely have `Host`, and those of HTTP/1.1 must. */
  readonly protocol: string;
  readonly peerIp: string;
  readonly upgrade: string;
  readonly bodyTimeoutMs: number;
  readonly bodyRateMin: number;
  readonly takesTrailers: boolean = false;
  readonly head: null = null;
  /** Why it can't be served; "" when it can. */
  readonly problem: ErrorCode | "";
  bodyLength: number;
  /** Nothing announces a body: `settleBody()` finds out whether there is one. */
  readonly isBodyUncertain: boolean;
  readonly #request: Request;
  readonly #fields: ReadonlyArray<[name: string, value: string]>;
  readonly #bodyBytesMax: number;
  /**
   * Deno tells of a client that has left only if it was asked before, except for an HTTP/1.1 request without a body.
   * Asking costs, so those are asked about late, if at all; null until then.
   */
  #signal: AbortSignal | null;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #bodyBytes = 0;
  /** Null before they are asked for. */
  #connectionOptions: ConnectionOptions | null = null;
  #readAhead: Promise<Uint8Array | null> | null = null;

  constructor(request: Request, info: Deno.ServeHandlerInfo, facts: ServeListenerFacts) {
    this.#request = request;
    this.#fields = [...request.headers];
    this.#bodyBytesMax = facts.limits.bodyBytesMax;
    this.method = request.method;
    this.isSecure = facts.isSecure;
    this.protocol = this.field("host") === null ? "HTTP/2.0" : "HTTP/1.1";
    this.bodyTimeoutMs = facts.limits.bodyTimeoutMs;
    this.bodyRateMin = facts.limits.bodyRateMin;
    this.peerIp = peerIpOf(info.remoteAddr);
    const url = request.url;
    const { authority, target, problem } = serveTarget(this.method, url, this.field("host"), facts.fallback);
    this.authority = authority;
    this.target = target;
    this.upgrade = this.#wantsWebSocket() ? "websocket" : "";
    this.bodyLength = this.#declaredLength();
    const mustAskNow = this.protocol === "HTTP/2.0" || this.bodyLength !== NO_BODY;
    this.#signal = mustAskNow ? request.signal : null;
    this.isBodyUncertain = this.bodyLength === UNKNOWN_LENGTH && this.field("transfer-encoding") === null;
    this.problem = problem !== ""
      ? problem
      : this.hasClearFraming
      ? this.#overLimit(url, facts.limits)
      : "request_framing_invalid";
  }

  field(lowerName: string): string | null {
    const fields = this.#fields;
    for (let index = 0; index < fields.length; index++) {
      if (fields[index][0] === lowerName) return fields[index][1];
    }
    return null;
  }

  hasUnderscores(): boolean {
    return this.#fields.some(([name]) => isUnderscored(fieldKindOfName(name)));
  }

  writeFields(out: ByteWriter, filter: FieldFilter): void {
    const fields = this.#fields;
    for (let index = 0; index < fields.length; index++) {
      const [name, value] = fields[index];
      if (this.#passes(name, filter)) out.field(name, value);
    }
  }

  eachField(emit: EmitField, filter: FieldFilter): void {
    for (const [name, value] of this.#fields) if (this.#passes(name, filter)) emit(name, value);
  }

  /** Deno has answered 100-continue itself; and its WebSocket does not do extensions. */
  #passes(name: string, filter: FieldFilter): boolean {
    return !filter.drops(name) && name !== "expect" &&
      (this.upgrade === "" || name !== "sec-websocket-extensions");
  }

  /**
   * Without `Content-Length` and `Transfer-Encoding` there is no body in HTTP/1.1, but there may be one in HTTP/2, and
   * Deno does not tell which of the two this is. What it has of the body does: the end, at once, where there is none.
   *
   * @returns Why it can't be served; "" when it can.
   */
  async settleBody(): Promise<ErrorCode | ""> {
    if (this.#hidesBody) return await this.#settleHiddenBody();
    let isHere = false;
    let isEmpty = false;
    const reading = this.#readPiece();
    reading.then((piece) => {
      isHere = true;
      isEmpty = piece === null;
    }, () => isHere = true); // whoever reads the body gets the error
    for (let turn = 0; turn < TURNS_FOR_BODY && !isHere; turn++) await undefined;
    if (isEmpty) this.bodyLength = NO_BODY;
    else this.#readAhead = reading;
    return "";
  }

  /** Most that leave the end of a GET open send it in the next frame. */
  async #settleHiddenBody(): Promise<ErrorCode | ""> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<ErrorCode>((resolve) => {
      if (this.bodyTimeoutMs > 0) timer = setTimeout(resolve, this.bodyTimeoutMs, "request_timeout");
    });
    const read = this.#readPiece().then((piece) => piece === null ? "" : "request_unsupported", () => "client_gone");
    const problem = await Promise.race([read as Promise<ErrorCode | "">, tooLong]);
    clearTimeout(timer);
    if (problem === "") this.bodyLength = NO_BODY;
    else this.cancelBody();
    return problem;
  }

  /** Deno has it, and gives it by promises only. */
  takeReceived(): null {
    return null;
  }

  get isBodyTaken(): boolean {
    return false;
  }

  /** Deno does, when the body is read. */
  askForBody(): boolean {
    return false;
  }

  readBody(): Promise<Uint8Array | null> {
    const reading = this.#readAhead ?? this.#readPiece();
    this.#readAhead = null;
    return this.isBodyUncertain ? this.#confirmed(reading) : reading;
  }

  /**
   * A body of unknown length that the client cancels (RST_STREAM) ends for Deno's stream like a complete one; that it was
   * cancelled shows a moment later. Passed on as complete it would be a truncated upload that the backend believes.
   */
  async #confirmed(reading: Promise<Uint8Array | null>): Promise<Uint8Array | null> {
    const piece = await reading;
    if (piece !== null) return piece;
    for (let turn = 0; turn < TURNS_FOR_CANCEL; turn++) {
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
      if (this.#signal?.aborted) throw new ProxyError("request_body_broken");
    }
    return null;
  }

  async #readPiece(): Promise<Uint8Array | null> {
    if (this.#reader === null) {
      const body = this.#request.body;
      if (body === null) return null;
      this.#reader = body.getReader();
    }
    let result: ReadableStreamReadResult<Uint8Array>;
    try {
      do result = await this.#reader.read(); while (!result.done && result.value.length === 0);
    } catch (error) {
      throw new ProxyError("request_body_broken", "", error);
    }
    if (result.done) return null;
    this.#bodyBytes += result.value.length;
    if (this.#bodyBytesMax > 0 && this.#bodyBytes > this.#bodyBytesMax) throw new ProxyError("request_body_too_large");
    return result.value;
  }

  /** Deno's buffers are its own. */
  reuse(): void {}

  /** Deno does not show them. */
  bodyTrailers(): null {
    return null;
  }

  /** Deno sends none. */
  passInformational(): void {}

  get connectionOptions(): ConnectionOptions {
    if (this.#connectionOptions !== null) return this.#connectionOptions;
    const connection = this.field("connection");
    return this.#connectionOptions = connection === null ? NO_CONNECTION_OPTIONS : parseConnection(connection);
  }

  cancelBody(): void {
    // Neither failure has a consequence: the stream is not read again.
    if (this.#reader !== null) this.#reader.cancel().catch(() => {});
  }

  /**
   * To be waited for before an answer of ours. Deno resets an HTTP/2 stream whose request it has not read, right behind the
   * response, and there are clients (curl 7.88) that lose the response when that meets them while they still send. So one
   * with a small body gets a moment to send it. It is not read: in Deno a read that is left pending holds the stream.
   */
  async letSmallBodyCome(): Promise<void> {
    const isSmall = this.bodyLength > 0 && this.bodyLength <= SMALL_BODY_BYTES_MAX;
    if (this.protocol !== "HTTP/2.0" || !isSmall || this.#reader !== null) return;
    await new Promise((resolve) => setTimeout(resolve, SMALL_BODY_WAIT_MS));
  }

  watchClient(onGone: () => void): void {
    const signal = this.#signal ??= this.#request.signal;
    if (signal.aborted) onGone();
    else signal.addEventListener("abort", onGone, { once: true });
  }

  /** As strict as Deno's answer and more: what it can't answer must not have been asked of a backend. */
  #wantsWebSocket(): boolean {
    const upgrade = this.field("upgrade");
    return upgrade !== null && this.method === "GET" && upgrade.toLowerCase() === "websocket" &&
      this.connectionOptions.upgrade && this.field("sec-websocket-version") === "13" &&
      validKey(this.field("sec-websocket-key") ?? "");
  }

  #declaredLength(): number {
    const length = this.field("content-length");
    if (length !== null) return DIGITS.test(length) ? Number(length) : UNKNOWN_LENGTH;
    if (this.field("transfer-encoding") !== null) return UNKNOWN_LENGTH;
    if (this.upgrade !== "") return NO_BODY;
    if (!this.#hidesBody) return UNKNOWN_LENGTH;
    const bytes = this.protocol === "HTTP/2.0" ? hiddenBody(this.#request) : 0;
    return bytes === STILL_TO_COME ? UNKNOWN_LENGTH : bytes === 0 ? NO_BODY : bytes;
  }

  /** Deno shows no body of these methods. */
  get #hidesBody(): boolean {
    return this.method === "GET" || this.method === "HEAD";
  }

  /**
   * Whether everybody finds the end of the message where Deno did. Deno takes equal lengths twice, lengths that no integer
   * holds, and codings before `chunked`, whose names would be lost on the way; and what follows the head of CONNECT is to
   * Deno the next request, whatever length was announced.
   */
  get hasClearFraming(): boolean {
    if (this.method === "CONNECT") return false;
    const length = this.field("content-length");
    const coding = this.field("transfer-encoding");
    if (coding === null) return length === null || DIGITS.test(length);
    return length === null && coding.toLowerCase() === "chunked";
  }

  #overLimit(url: string, limits: ListenerLimits): ErrorCode | "" {
    // Passing the request on without its body would change its meaning.
    const hasHiddenBody = this.#hidesBody && this.bodyLength !== NO_BODY && !this.isBodyUncertain;
    if (hasHiddenBody && this.bodyLength !== 0) return "request_unsupported";
    if (url.length > limits.headBytesMax) return "target_too_long";
    if (this.#fields.length > limits.fieldsMax) return "request_head_too_large";
    let bytes = url.length;
    for (const [name, value] of this.#fields) bytes += name.length + value.length + 4;
    if (bytes > limits.headBytesMax) return "request_head_too_large";
    return limits.bodyBytesMax > 0 && this.bodyLength > limits.bodyBytesMax ? "request_body_too_large" : "";
  }
}
