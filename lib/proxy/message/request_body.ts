/**
 * The request body between the client and the attempts.
 *
 * Each attempt reads the pieces from the first on, by index. As long as the body fits into the replay bound all pieces
 * are kept and another attempt may begin again; once it does not, a piece is let go when the next one is asked for, and
 * the body is no longer intact. An attempt that was given up while it waited for the client leaves the read to its
 * successor, with what it fails with: there is at most one read under way. What that read brings lets nothing go, however
 * large it is: the successor has not had the pieces before it. So one piece more than the bound may be held.
 *
 * Before the first attempt the body may be *collected*: read until it has ended, or fills the replay bound. A client that
 * dribbles a small body then has no connection to a backend meanwhile.
 */

import { invariant } from "../../base/errors.ts";
import { takesFastPath } from "../../base/fast_path.ts";
import type { ProxyRequest } from "./request.ts";

/** A piece costs its holder about so much, however small it is: single bytes must not be held in any number. */
const PIECE_BYTES_MIN = 256;
/** So many pieces are held whatever the bound. */
const PIECES_MIN = 64;
const NOTHING = new Uint8Array(0);

/** How fast the client sends it, where that is bounded. */
interface SendingPace {
  /** How much of its time the client has lost by being too slow. */
  behindMs(nowMs: number): number;
}

export class RequestBody {
  readonly #request: ProxyRequest;
  readonly #keptBytesMax: number;
  readonly #keptPiecesMax: number;
  readonly #pieces: Uint8Array[] = [];
  /** Index of the first piece still held. */
  #base = 0;
  #keptBytes = 0;
  #isEnded = false;
  #reading: Promise<void> | null = null;
  #isCollecting = false;
  /** That have begun to read it. */
  #attempts = 0;
  /** Bytes read from the client. */
  bytes = 0;
  /** Null without a bound. */
  pace: SendingPace | null = null;

  constructor(request: ProxyRequest, keptBytesMax: number) {
    this.#request = request;
    this.#keptBytesMax = keptBytesMax;
    this.#keptPiecesMax = Math.max(PIECES_MIN, keptBytesMax / PIECE_BYTES_MIN);
  }

  /**
   * To be called first: takes what has come with the head, which then may go out with the head.
   *
   * @throws {ProxyError} what `ProxyRequest.readBody` throws.
   */
  begin(): void {
    if (!takesFastPath()) return;
    const piece = this.#request.takeReceived();
    if (piece !== null) this.#keep(piece);
    this.#isEnded = this.#request.isBodyTaken;
  }

  /** Whether an attempt may still begin at the first piece. */
  get isIntact(): boolean {
    return this.#base === 0;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether `piece(index)` would answer without the client. */
  has(index: number): boolean {
    return this.#isEnded || index < this.#base + this.#pieces.length;
  }

  /** As much as is kept has come: there is no point in waiting for more of it. */
  get isFull(): boolean {
    return this.#keptBytes >= this.#keptBytesMax;
  }

  /**
   * Reads until the body has ended or is full, or `stopCollecting()` is called. Before an attempt begins.
   *
   * @param onPiece Called when something has come.
   * @throws {ProxyError} what `ProxyRequest.readBody` throws.
   */
  async collect(onPiece: () => void): Promise<void> {
    this.#isCollecting = true;
    while (this.#isCollecting && !this.#isEnded && !this.isFull) {
      this.#reading ??= this.#read();
      await this.#reading;
      if (this.#isCollecting) onPiece();
      if (this.#isCollecting && this.#pieces.length >= PIECES_MIN) this.#join();
    }
    this.stopCollecting();
  }

  /** An attempt begins, with what has come. A read that is under way goes on, for it. */
  stopCollecting(): void {
    if (!this.#isCollecting) return;
    this.#isCollecting = false;
    if (this.#pieces.length > 1 && !this.isFull) this.#join();
  }

  /** All of it, as one piece of up to `bytesMax` bytes; null when it has not come or is more. */
  takeWhole(bytesMax: number): Uint8Array | null {
    if (!this.#isEnded || this.#base > 0 || this.#pieces.length > 1 || this.bytes > bytesMax) return null;
    const piece = this.#pieces.length === 0 ? NOTHING : this.#pieces[0];
    if (this.#keptBytes > this.#keptBytesMax) this.#base = this.#pieces.splice(0).length;
    return piece;
  }

  /**
   * Piece `index`; null behind the last one. Asked in order, the one before is not needed any more unless the body is
   * kept for replay.
   *
   * @throws {ProxyError} what `ProxyRequest.readBody` throws.
   */
  async piece(index: number): Promise<Uint8Array | null> {
    invariant(index >= this.#base, "a piece that was let go is not asked for");
    const isOver = this.#keptBytes > this.#keptBytesMax || this.#base + this.#pieces.length > this.#keptPiecesMax;
    if (index === 0) this.#attempts++;
    if (isOver && index > this.#base) this.#letGo(index);
    while (index >= this.#base + this.#pieces.length && !this.#isEnded) {
      this.#reading ??= this.#read();
      await this.#reading;
    }
    return this.#pieces[index - this.#base] ?? null;
  }

  /** An attempt has sent all of it; another one may still need what is kept for that. */
  sent(): void {
    if (!this.isIntact) this.release();
  }

  /** Nobody needs it any more, and nobody sends it. */
  release(): void {
    this.#letGo(this.#base + this.#pieces.length);
  }

  /**
   * An attempt asks for the next piece when those before are out. One that was given up may still be writing, with no
   * effect, what the next one needs: then no piece is read over.
   */
  #letGo(index: number): void {
    const pieces = this.#pieces.splice(0, index - this.#base);
    this.#base = index;
    if (this.#attempts > 1) return;
    for (const piece of pieces) this.#request.reuse(piece);
  }

  /** One that fails stays in `#reading`: what the body broke on is lost, and the rest must not pass for the whole. */
  async #read(): Promise<void> {
    const piece = await this.#request.readBody();
    this.#reading = null;
    if (piece === null) this.#isEnded = true;
    else this.#keep(piece);
  }

  /** Nobody has been given one of them. */
  #join(): void {
    const whole = new Uint8Array(this.#keptBytes);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#pieces.splice(0, this.#pieces.length, whole);
  }

  #keep(piece: Uint8Array): void {
    this.bytes += piece.length;
    this.#keptBytes += piece.length;
    this.#pieces.push(piece);
  }
}
