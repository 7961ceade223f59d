/**
 * One connection that several exchanges share: their requests go out behind one another, their responses come back in the
 * same order (RFC 9112 §9.3.2), and each exchange reads its own through its `PipelinedStream`.
 *
 * *Out.* A request is written into one buffer, and the buffer goes out in one write at the end of the turn of the event
 * loop, or when the write before has ended. That is the gain: a write is most of what a small request costs.
 *
 * *In.* Reading is serial. Only the stream in front reads, through the connection's own decoder: nothing of the next
 * response is looked at before this one was read to its end, and then what is buffered of it is decoded without another
 * read. An exchange has copied or written a piece before it asks for the next one, so at the end of a response none of its
 * bytes is needed any more.
 *
 * *When it goes wrong.* What is left of the streams' order is never guessed at:
 *
 * - A response that can't be read, an end of the connection, a stream that is left in the middle of its body: the connection
 *   is closed, and all behind fail with `connection_reset` before the first byte of their response, as on a connection
 *   that had gone stale. The retry policy repeats them once, elsewhere and uncounted; only requests that may be repeated
 *   are let in here.
 * - A response that is the last one (`Connection: close`, HTTP/1.0, until close, 101): all behind fail in that way at once.
 * - One in front holds the others up for too long: they fail in that way, too, and go elsewhere; the one in front goes on.
 * - A stream that is left before its turn, or before its head: its response is read off when it comes, up to a bound.
 * - Bytes behind the last response, or of a response whose request is still in our buffer: nobody asked for them. The
 *   connection is closed. What can't be told from an answer is one too many that comes while another request is out: HTTP
 *   has no number on a response, so this is for backends that frame their responses well, and it is off by default.
 */

import { END } from "../../base/body_piece.ts";
import { ByteWriter } from "../../base/byte_writer.ts";
import { ProxyError } from "../../base/errors.ts";
import { BodyKind, type Framing } from "../../http1/body_kind.ts";
import type { Connection } from "./connection.ts";
import type { Timed } from "../deadlines.ts";
import type { OutgoingRequest } from "../outgoing_request.ts";
import { encodeRequest } from "./encode_request.ts";
import { PipelinedStream, type SharedPipeline } from "./pipelined_stream.ts";

/** Nobody waits for longer behind a response that does not come to its end. */
const HELD_UP_MS = 250;
/** The most that is read of a response whose exchange has left: a larger one costs more than a new connection. */
const DISCARD_BYTES_MAX = 64 * 1024;
/** Behind a body of that size nobody is put in line any more. */
const LARGE_BODY_BYTES = 64 * 1024;

/** The client's connection is about another exchange when a 1xx comes for one that has left. */
const toNobody = () => {};

/** What a pipeline tells its pool. */
export interface PipelineOwner {
  nowMs(): number;
  /** A response came to its end; there may be room for another request. */
  onAnswered(pipeline: Pipeline, stream: PipelinedStream, nowMs: number): void;
  /** No stream is on it any more, and the connection is at a clean end. */
  onEmpty(pipeline: Pipeline, nowMs: number): void;
  /** It carries nothing any more. */
  onClosed(pipeline: Pipeline, nowMs: number): void;
  /** The backend did not keep to the order; `lost` requests have to be repeated. */
  onBroken(lost: number, nowMs: number): void;
  onSurplus(nowMs: number): void;
  /** So many were taken from behind a response that held them up. */
  onHeldUp(count: number, nowMs: number): void;
}

export class Pipeline implements SharedPipeline, Timed {
  readonly connection: Connection;
  deadlineMs = Infinity;
  deadlineIndex = -1;
  /** Streams that were given out and are not at their end. */
  load = 0;
  /** Takes no more: somebody waits for the connection as a whole. */
  isLeaving = false;
  /** The response that comes is the last one that will be read. */
  isClosing = false;
  isDead = false;
  /** Something waits for the end of this turn: another request would share its write. */
  isFlushDue = false;
  readonly #owner: PipelineOwner;
  readonly #streams: PipelinedStream[] = [];
  readonly #onRead: (count: number) => void;
  readonly #onReadFailed: (error: unknown) => void;
  readonly #onFlush: () => void;
  readonly #onWritten: () => void;
  readonly #onWriteFailed: () => void;
  /** Where requests are written, and where the ones are that are on their way out. */
  #out: ByteWriter = new ByteWriter(4096);
  #outgoing: ByteWriter = new ByteWriter(4096);
  /** Bytes in `#out` that make whole requests. */
  #outLength = 0;
  #isWriting = false;
  /** Whether the head in front is being read. */
  #isReading = false;
  /** Streams in `#streams`, from the first, of which something may have gone out. */
  #writtenCount = 0;
  /** Exchanges on the connection. */
  #sentCount = 0;
  #frontSinceMs = 0;
  #isFrontLarge = false;

  constructor(connection: Connection, owner: PipelineOwner) {
    this.connection = connection;
    this.#owner = owner;
    this.#onRead = (count) => this.#gotBytes(count);
    this.#onReadFailed = (error) => this.#broke(error);
    this.#onFlush = () => this.#flush();
    this.#onWritten = () => this.#written();
    // Whoever reads finds out what the backend has answered before it stopped reading; and then that it has ended.
    this.#onWriteFailed = () => {
      this.isClosing = true;
      this.#written();
    };
  }

  /** The connection is its own from now on, and at a clean end. */
  begin(): void {
    this.isLeaving = false;
    this.#sentCount = this.connection.exchanges;
    this.#writtenCount = 0;
  }

  /** Exchanges on the connection, those included that have their place and are not sent. */
  get exchanges(): number {
    return this.#sentCount + this.load - this.#streams.length;
  }

  /** @param overdueMs A response that takes longer should have nobody more behind it. */
  hasRoom(depth: number, overdueMs: number, nowMs: number): boolean {
    if (this.load >= depth || this.isLeaving || this.isClosing || this.isDead || this.#isFrontLarge) return false;
    return this.#streams.length === 0 || nowMs - this.#frontSinceMs <= overdueMs;
  }

  join(nowMs: number): PipelinedStream {
    this.load++;
    return new PipelinedStream(this, nowMs);
  }

  send(stream: PipelinedStream, request: OutgoingRequest): void {
    stream.exchanges = ++this.#sentCount;
    if (this.isDead || this.isClosing || stream.isEnded) {
      this.load--;
      stream.isEnded = true;
      stream.fail(new ProxyError("connection_reset"));
      return;
    }
    this.#out.truncate(this.#outLength); // what a request that could not be encoded has left
    encodeRequest(this.#out, request);
    this.#outLength = this.#out.length;
    stream.isSent = true;
    const streams = this.#streams;
    streams.push(stream);
    if (streams.length === 1) {
      this.#frontSinceMs = stream.sinceMs;
      stream.hasTurn = true;
      this.connection.beginResponse();
    } else {
      stream.wasQueued = true;
      this.deadlineMs = this.#frontSinceMs + HELD_UP_MS;
    }
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    queueMicrotask(this.#onFlush);
  }

  /** Takes the head for the stream in front. @returns Whether its response head is here. @throws {ProxyError} */
  takeHead(stream: PipelinedStream): boolean {
    const { connection } = this;
    try {
      if (!connection.takeHead(stream.request!)) return false;
    } catch (error) {
      this.#broke(error);
      throw error;
    }
    stream.hasHead = true;
    const { framing } = connection;
    this.#isFrontLarge = framing.length > LARGE_BODY_BYTES;
    const isLast = !framing.keepAlive || framing.kind === BodyKind.until_close || connection.head.status === 101;
    if (isLast) {
      const lost = this.#streams.length - 1;
      this.#dropBehind();
      if (lost > 0) this.#owner.onBroken(lost, this.#owner.nowMs());
    }
    return true;
  }

  /** More, for the stream in front. */
  read(): void {
    if (this.#isReading || this.isDead) return;
    this.#isReading = true;
    this.connection.reading().then(this.#onRead, this.#onReadFailed);
  }

  /** The exchange is done with its stream. */
  leave(stream: PipelinedStream, nowMs: number): void {
    if (stream.isEnded) return;
    const isWhole = stream.hasHead && this.connection.isBodyDone;
    if (isWhole) this.#advance(nowMs);
    else this.abandon(stream, new ProxyError("connection_reset"));
  }

  /** The exchange has left its stream in the middle. */
  abandon(stream: PipelinedStream, error: ProxyError): void {
    if (stream.isEnded || stream.isAbandoned) return;
    if (!stream.isSent) {
      stream.isEnded = true;
      this.load--;
      stream.fail(error);
      this.#maybeEmpty(this.#owner.nowMs());
    } else if (this.#streams.length === 1 || stream.hasHead || stream.request === null) {
      this.#close(error);
    } else {
      stream.isAbandoned = true;
      stream.request = { method: stream.request.method, passInformational: toNobody };
      stream.fail(error);
      if (stream.hasTurn) this.#readOff(stream);
    }
  }

  onDeadline(nowMs: number): void {
    this.deadlineMs = Infinity;
    const held = this.#streams.length - 1;
    if (held > 0) {
      this.#dropBehind();
      this.#owner.onHeldUp(held, nowMs);
    }
    if (this.#streams.length > 0 && this.#streams[0].isAbandoned) this.#close(new ProxyError("connection_reset"));
  }

  #gotBytes(count: number): void {
    this.#isReading = false;
    if (this.isDead) return;
    try {
      this.connection.took(count);
    } catch (error) {
      return this.#broke(error);
    }
    const stream = this.#streams[0];
    if (stream.isAbandoned) this.#readOff(stream);
    else stream.wake();
  }

  /** The response in front can't be read. */
  #broke(error: unknown): void {
    if (this.isDead) return;
    const failure = this.connection.failure(error);
    const lost = this.#streams.length - 1;
    // What was behind it may be why: a backend that closes on bytes that it does not read resets what it has sent, too.
    if (lost > 0) this.#streams[0].exchanges++;
    this.#close(failure);
    if (lost > 0) this.#owner.onBroken(lost, this.#owner.nowMs());
  }

  /** The response in front was read to its end. */
  #advance(nowMs: number): void {
    const { connection } = this;
    const streams = this.#streams;
    const stream = streams.shift()!;
    stream.isEnded = true;
    stream.keptTrailers = connection.keepTrailers();
    this.load--;
    if (this.#writtenCount > 0) this.#writtenCount--;
    this.#isFrontLarge = false;
    const surplus = connection.hasSurplus && this.#writtenCount === 0;
    if (surplus || this.isClosing) {
      this.#close(new ProxyError("connection_reset"));
      if (surplus) this.#owner.onSurplus(nowMs);
      return;
    }
    if (streams.length > 0) {
      const next = streams[0];
      next.hasTurn = true;
      this.#frontSinceMs = nowMs;
      this.deadlineMs = streams.length > 1 || next.isAbandoned ? nowMs + HELD_UP_MS : Infinity;
      connection.beginResponse();
      if (next.isAbandoned) this.#readOff(next);
      else next.wake();
    } else {
      this.deadlineMs = Infinity;
    }
    this.#owner.onAnswered(this, stream, nowMs);
    this.#maybeEmpty(nowMs);
  }

  /** The response in front, whose exchange has left. */
  #readOff(stream: PipelinedStream): void {
    try {
      if (!this.takeHead(stream)) return this.read();
    } catch {
      return; // closed, and nobody is left whom the reason concerns
    }
    this.#discard(this.connection.framing);
  }

  async #discard(framing: Framing): Promise<void> {
    let bytes = 0;
    try {
      if (framing.length > DISCARD_BYTES_MAX) throw new ProxyError("connection_reset");
      const { connection } = this;
      for (let piece = await connection.readBody(); piece !== END; piece = await connection.readBody()) {
        bytes += piece.length;
        if (bytes > DISCARD_BYTES_MAX) throw new ProxyError("connection_reset");
      }
    } catch {
      this.#close(new ProxyError("connection_reset"));
    }
    if (!this.isDead) this.#advance(this.#owner.nowMs());
  }

  /** All behind the front one go elsewhere; its response is the last one to be read. */
  #dropBehind(): void {
    this.isClosing = true;
    this.deadlineMs = this.#streams[0].isAbandoned ? this.deadlineMs : Infinity;
    for (const stream of this.#streams.splice(1)) this.#fail(stream, new ProxyError("connection_reset"));
  }

  /** @param error What becomes of the stream in front. */
  #close(error: ProxyError): void {
    if (this.isDead) return;
    this.isDead = true;
    this.deadlineMs = Infinity;
    const [front, ...behind] = this.#streams.splice(0);
    this.connection.abort(error);
    if (front !== undefined) this.#fail(front, error);
    for (const stream of behind) this.#fail(stream, new ProxyError("connection_reset"));
    this.#owner.onClosed(this, this.#owner.nowMs());
  }

  #fail(stream: PipelinedStream, error: ProxyError): void {
    stream.isEnded = true;
    this.load--;
    stream.fail(error);
  }

  /** Not before the last write is over, also where a backend answered what it has not read: writes must not mix. */
  #maybeEmpty(nowMs: number): void {
    if (this.load > 0 || this.isDead || this.#isWriting) return;
    if (this.isClosing) this.#close(new ProxyError("connection_reset"));
    else this.#owner.onEmpty(this, nowMs);
  }

  #flush(): void {
    this.isFlushDue = false;
    if (!this.#isWriting && !this.isDead) this.#write();
  }

  #write(): void {
    const writing = this.#out;
    writing.truncate(this.#outLength);
    if (writing.length === 0) return;
    this.#out = this.#outgoing;
    this.#out.reset();
    this.#outgoing = writing;
    this.#outLength = 0;
    this.#writtenCount = this.#streams.length;
    this.#isWriting = true;
    this.connection.write(writing.view()).then(this.#onWritten, this.#onWriteFailed);
  }

  #written(): void {
    this.#isWriting = false;
    if (this.isDead) return;
    if (this.#outLength > 0 && !this.isFlushDue && !this.isClosing) this.#write();
    if (this.load === 0) this.#maybeEmpty(this.#owner.nowMs());
  }
}
