/**
 * One connection that several exchanges share: their requests go out behind one another, their responses come back in the
 * same order (RFC 9112 §9.3.2), and each exchange reads its own through its `Lane`.
 *
 * *Out.* A request is written into one buffer, and the buffer goes out in one write at the end of the turn of the event
 * loop, or when the write before has ended. That is the gain: a write is most of what a small request costs.
 *
 * *In.* Reading is serial. Only the lane in front reads, through the connection's own decoder: nothing of the next
 * response is looked at before this one was read to its end, and then what is buffered of it is decoded without another
 * read. An exchange has copied or written a piece before it asks for the next one, so at the end of a response none of its
 * bytes is needed any more.
 *
 * *When it goes wrong.* What is left of the lanes' order is never guessed at:
 *
 * - A response that can't be read, an end of the connection, a lane that is left in the middle of its body: the connection
 *   is closed, and all behind fail with `connection_reset` before the first byte of their response, as on a connection
 *   that had gone stale. The retry policy repeats them once, elsewhere and uncounted; only requests that may be repeated
 *   are let in here.
 * - A response that is the last one (`Connection: close`, HTTP/1.0, until close, 101): all behind fail in that way at once.
 * - One in front holds the others up for too long: they fail in that way, too, and go elsewhere; the one in front goes on.
 * - A lane that is left before its turn, or before its head: its response is read off when it comes, up to a bound.
 * - Bytes behind the last response, or of a response whose request is still in our buffer: nobody asked for them. The
 *   connection is closed. What can't be told from an answer is one too many that comes while another request is out: HTTP
 *   has no number on a response, so this is for backends that frame their responses well, and it is off by default.
 */

import { END } from "../../base/body_piece.ts";
import { ByteWriter } from "../../base/byte_writer.ts";
import { ProxyError } from "../../base/errors.ts";
import { BodyKind, type Framing } from "../../http1/framing.ts";
import type { Connection } from "./connection.ts";
import type { Timed } from "../deadlines.ts";
import { Lane } from "./pipelined_stream.ts";

/** Nobody waits for longer behind a response that does not come to its end. */
const HELD_UP_MS = 250;
/** Of a response whose exchange has left; a larger one costs more to read than a new connection. */
const DISCARD_BYTES_MAX = 64 * 1024;
/** Behind a body of that size nobody is put in line any more. */
const LARGE_BODY_BYTES = 64 * 1024;

/** The client's connection is about another exchange when a 1xx comes for one that has left. */
const toNobody = () => {};

/** What a pipeline tells its pool. */
export interface PipelineOwner {
  nowMs(): number;
  /** A response came to its end; there may be room for another request. */
  onAnswered(pipeline: Pipeline, lane: Lane, nowMs: number): void;
  /** No lane is on it any more, and the connection is at a clean end. */
  onEmpty(pipeline: Pipeline, nowMs: number): void;
  /** It carries nothing any more. */
  onClosed(pipeline: Pipeline, nowMs: number): void;
  /** The backend did not keep to the order; `lost` requests have to be repeated. */
  onBroken(lost: number, nowMs: number): void;
  onSurplus(nowMs: number): void;
  /** So many were taken from behind a response that held them up. */
  onHeldUp(count: number, nowMs: number): void;
}

export class Pipeline implements Timed {
  readonly connection: Connection;
  deadlineMs = Infinity;
  deadlineIndex = -1;
  /** Lanes that were given out and are not at their end. */
  load = 0;
  /** Takes no more: somebody waits for the connection as a whole. */
  isLeaving = false;
  /** The response that comes is the last one that will be read. */
  isClosing = false;
  isDead = false;
  /** Something waits for the end of this turn: another request would share its write. */
  isFlushDue = false;
  readonly #owner: PipelineOwner;
  readonly #lanes: Lane[] = [];
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
  /** For the head in front. */
  #isReading = false;
  /** Lanes in `#lanes`, from the first, of which something may have gone out. */
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

  /** Where the next request goes, from `beginRequest()` to `send()`, which are in one turn. */
  get out(): ByteWriter {
    return this.#out;
  }

  /** Exchanges on the connection, those included that have their place and are not sent. */
  get exchanges(): number {
    return this.#sentCount + this.load - this.#lanes.length;
  }

  /** @param overdueMs A response that takes longer should have nobody more behind it. */
  hasRoom(depth: number, overdueMs: number, nowMs: number): boolean {
    if (this.load >= depth || this.isLeaving || this.isClosing || this.isDead || this.#isFrontLarge) return false;
    return this.#lanes.length === 0 || nowMs - this.#frontSinceMs <= overdueMs;
  }

  join(nowMs: number): Lane {
    this.load++;
    return new Lane(this, nowMs);
  }

  /** What an exchange that failed in between has left in the buffer is gone. */
  beginRequest(): void {
    this.#out.truncate(this.#outLength);
  }

  send(lane: Lane): void {
    lane.exchanges = ++this.#sentCount;
    if (this.isDead || this.isClosing || lane.isEnded) {
      this.load--;
      lane.isEnded = true;
      lane.fail(new ProxyError("connection_reset"));
      return;
    }
    lane.isSent = true;
    this.#outLength = this.#out.length;
    const lanes = this.#lanes;
    lanes.push(lane);
    if (lanes.length === 1) {
      this.#frontSinceMs = lane.sinceMs;
      lane.hasTurn = true;
      this.connection.beginResponse();
    } else {
      lane.wasQueued = true;
      this.deadlineMs = this.#frontSinceMs + HELD_UP_MS;
    }
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    queueMicrotask(this.#onFlush);
  }

  /** Of the lane in front. @returns Whether its response head is here. @throws {ProxyError} */
  takeHead(lane: Lane): boolean {
    const { connection } = this;
    try {
      if (!connection.takeHead(lane.request!)) return false;
    } catch (error) {
      this.#broke(error);
      throw error;
    }
    lane.hasHead = true;
    const { framing } = connection;
    this.#isFrontLarge = framing.length > LARGE_BODY_BYTES;
    const isLast = !framing.keepAlive || framing.kind === BodyKind.until_close || connection.head.status === 101;
    if (isLast) {
      const lost = this.#lanes.length - 1;
      this.#dropBehind();
      if (lost > 0) this.#owner.onBroken(lost, this.#owner.nowMs());
    }
    return true;
  }

  /** More, for the lane in front. */
  read(): void {
    if (this.#isReading || this.isDead) return;
    this.#isReading = true;
    this.connection.reading().then(this.#onRead, this.#onReadFailed);
  }

  /** The exchange is done with its lane. */
  leave(lane: Lane, nowMs: number): void {
    if (lane.isEnded) return;
    const isWhole = lane.hasHead && this.connection.isBodyDone;
    if (isWhole) this.#advance(nowMs);
    else this.abandon(lane, new ProxyError("connection_reset"));
  }

  /** The exchange has left its lane in the middle. */
  abandon(lane: Lane, error: ProxyError): void {
    if (lane.isEnded || lane.isAbandoned) return;
    if (!lane.isSent) {
      lane.isEnded = true;
      this.load--;
      lane.fail(error);
      this.#maybeEmpty(this.#owner.nowMs());
    } else if (this.#lanes.length === 1 || lane.hasHead || lane.request === null) {
      this.#close(error);
    } else {
      lane.isAbandoned = true;
      lane.request = { method: lane.request.method, passInformational: toNobody };
      lane.fail(error);
      if (lane.hasTurn) this.#readOff(lane);
    }
  }

  onDeadline(nowMs: number): void {
    this.deadlineMs = Infinity;
    const held = this.#lanes.length - 1;
    if (held > 0) {
      this.#dropBehind();
      this.#owner.onHeldUp(held, nowMs);
    }
    if (this.#lanes.length > 0 && this.#lanes[0].isAbandoned) this.#close(new ProxyError("connection_reset"));
  }

  #gotBytes(count: number): void {
    this.#isReading = false;
    if (this.isDead) return;
    try {
      this.connection.took(count);
    } catch (error) {
      return this.#broke(error);
    }
    const lane = this.#lanes[0];
    if (lane.isAbandoned) this.#readOff(lane);
    else lane.wake();
  }

  /** The response in front can't be read. */
  #broke(error: unknown): void {
    if (this.isDead) return;
    const failure = this.connection.failure(error);
    const lost = this.#lanes.length - 1;
    // What was behind it may be why: a backend that closes on bytes that it does not read resets what it has sent, too.
    if (lost > 0) this.#lanes[0].exchanges++;
    this.#close(failure);
    if (lost > 0) this.#owner.onBroken(lost, this.#owner.nowMs());
  }

  /** The response in front was read to its end. */
  #advance(nowMs: number): void {
    const { connection } = this;
    const lanes = this.#lanes;
    const lane = lanes.shift()!;
    lane.isEnded = true;
    lane.trailers = connection.keepTrailers();
    this.load--;
    if (this.#writtenCount > 0) this.#writtenCount--;
    this.#isFrontLarge = false;
    const surplus = connection.hasSurplus && this.#writtenCount === 0;
    if (surplus || this.isClosing) {
      this.#close(new ProxyError("connection_reset"));
      if (surplus) this.#owner.onSurplus(nowMs);
      return;
    }
    if (lanes.length > 0) {
      const next = lanes[0];
      next.hasTurn = true;
      this.#frontSinceMs = nowMs;
      this.deadlineMs = lanes.length > 1 || next.isAbandoned ? nowMs + HELD_UP_MS : Infinity;
      connection.beginResponse();
      if (next.isAbandoned) this.#readOff(next);
      else next.wake();
    } else {
      this.deadlineMs = Infinity;
    }
    this.#owner.onAnswered(this, lane, nowMs);
    this.#maybeEmpty(nowMs);
  }

  /** The response in front, whose exchange has left. */
  #readOff(lane: Lane): void {
    try {
      if (!this.takeHead(lane)) return this.read();
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
    this.deadlineMs = this.#lanes[0].isAbandoned ? this.deadlineMs : Infinity;
    for (const lane of this.#lanes.splice(1)) this.#fail(lane, new ProxyError("connection_reset"));
  }

  /** @param error What becomes of the lane in front. */
  #close(error: ProxyError): void {
    if (this.isDead) return;
    this.isDead = true;
    this.deadlineMs = Infinity;
    const [front, ...behind] = this.#lanes.splice(0);
    this.connection.abort(error);
    if (front !== undefined) this.#fail(front, error);
    for (const lane of behind) this.#fail(lane, new ProxyError("connection_reset"));
    this.#owner.onClosed(this, this.#owner.nowMs());
  }

  #fail(lane: Lane, error: ProxyError): void {
    lane.isEnded = true;
    this.load--;
    lane.fail(error);
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
    this.#writtenCount = this.#lanes.length;
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
