/**
 * One exchange's place on a connection that several share. See pipeline.ts, which decides everything about it.
 */

import type { Bytes, ReadPiece, TakenPiece } from "../../base/body_piece.ts";
import { invariant, ProxyError } from "../../base/errors.ts";
import type { Framing } from "../../http1/body_kind.ts";
import type { Head } from "../../http1/head.ts";
import type { BackendStream, HeadReader } from "../backend_stream.ts";
import type { OutgoingRequest } from "../outgoing_request.ts";
import type { Connection } from "./connection.ts";

/** What a stream asks of the pipeline that it is in. */
export interface SharedPipeline {
  readonly connection: Connection;
  send(stream: PipelinedStream, request: OutgoingRequest): void;
  /** @returns Whether the response head is here. @throws {ProxyError} */
  takeHead(stream: PipelinedStream): boolean;
  read(): void;
  leave(stream: PipelinedStream, nowMs: number): void;
  abandon(stream: PipelinedStream, error: ProxyError): void;
}

export class PipelinedStream implements BackendStream {
  readonly pipeline: SharedPipeline;
  readonly connection: Connection;
  /** When the exchange got it, which is when its request goes out. */
  readonly sinceMs: number;
  /**
   * Those that were begun on the connection, this one included; one more where the connection may have failed because it
   * was shared.
   */
  exchanges = 0;
  /** The pipeline's own: the trailers, once it is off the connection. */
  keptTrailers: Head | null = null;
  /** Whose response it is: known once it is waited for, and with it where the response ends. */
  request: HeadReader | null = null;
  /** Its request is in the output buffer, or behind it. */
  isSent = false;
  /** Whether others were before it. */
  wasQueued = false;
  /** Its response is the one that comes next, or comes, or came. */
  hasTurn = false;
  /** The response head was read. */
  hasHead = false;
  /** Its exchange has left, and its response is still to come. */
  isAbandoned = false;
  /** It is off the connection: nothing that is done to it has an effect. */
  isEnded = false;
  #error: ProxyError | null = null;
  #waiting: PromiseWithResolvers<number> | null = null;

  constructor(pipeline: SharedPipeline, nowMs: number) {
    this.pipeline = pipeline;
    this.connection = pipeline.connection;
    this.sinceMs = nowMs;
  }

  get head(): Head {
    return this.connection.head;
  }

  get trailers(): Head | null {
    return this.hasTurn && !this.isEnded ? this.connection.trailers : this.keptTrailers;
  }

  get isStale(): boolean {
    return this.exchanges > 1 && (!this.hasTurn || this.connection.bytesIn === 0);
  }

  get framing(): Framing {
    return this.connection.framing;
  }

  /** @param request One without a body. */
  send(request: OutgoingRequest): true {
    this.pipeline.send(this, request);
    return true;
  }

  takeHead(request: HeadReader): boolean {
    if (this.#error !== null) throw this.#error;
    this.request = request;
    return this.hasTurn && this.pipeline.takeHead(this);
  }

  /** Ends when there is a reason to call `takeHead()` again. */
  reading(): Promise<number> {
    this.#waiting = Promise.withResolvers();
    if (this.hasTurn) this.pipeline.read();
    return this.#waiting.promise;
  }

  /** The pipeline has counted what came. */
  took(): void {}

  failure(error: unknown): ProxyError {
    return this.connection.failure(error);
  }

  /** @throws {ProxyError} once it is ended: what is buffered then is another's. */
  takeBody(): TakenPiece {
    if (this.isEnded) throw new ProxyError("response_incomplete");
    return this.connection.takeBody();
  }

  readBody(): Promise<ReadPiece> {
    if (this.isEnded) return Promise.reject(new ProxyError("response_incomplete"));
    return this.connection.readBody();
  }

  own(piece: Bytes): Bytes {
    return this.connection.own(piece);
  }

  abort(error: ProxyError): void {
    this.pipeline.abandon(this, error);
  }

  close(): void {
    this.pipeline.abandon(this, new ProxyError("connection_reset"));
  }

  /** The pipeline's own: something has come, or it is its turn. */
  wake(): void {
    this.#waiting?.resolve(0);
  }

  /** The pipeline's own. Only the first error counts. */
  fail(error: ProxyError): void {
    this.#error ??= error;
    this.#waiting?.resolve(0);
  }

  write(): Promise<void> {
    return refused();
  }

  readRaw(): Promise<null> {
    return refused();
  }

  closeWrite(): Promise<void> {
    return refused();
  }
}

function refused(): never {
  invariant(false, "a stream carries no tunnels");
}
