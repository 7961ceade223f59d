/**
 * WebSocket frames (RFC 6455 §5), for the side of the proxy that is a client: it reads what a backend sends and
 * encodes what goes to the backend. Pure: bytes in, messages out.
 *
 * A push decoder with three places to be in: inside a frame's head (2 to 10 bytes), inside the payload of a data frame,
 * inside that of a control frame, which may come between the fragments of a message. Each fragment of a text is decoded
 * as it arrives, so that broken UTF-8 is refused at its first byte and no copy of the bytes is kept; binary fragments
 * are collected in one growing buffer. The bound on a message is checked when a frame announces its length, and memory
 * grows with what has arrived, not with what was announced.
 *
 * Extensions are not negotiated, so RSV bits are an error. After a close frame all further bytes are ignored (§5.5.1).
 */

/** RFC 6455 §11.8. */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
export type Opcode = typeof Opcode[keyof typeof Opcode];

/** Bytes in an event belong to whoever gets it. */
export type FrameEvent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "binary"; readonly bytes: Uint8Array }
  | { readonly kind: "ping"; readonly bytes: Uint8Array }
  | { readonly kind: "pong"; readonly bytes: Uint8Array }
  /** `code` 1005: the frame had none (§7.1.5). */
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

/** 1002: protocol error; 1007: text that is not UTF-8; 1009: message too big (RFC 6455 §7.4.1). */
export type FrameErrorCode = 1002 | 1007 | 1009;

/** The backend broke the protocol: fail the connection with `closeCode`. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  readonly closeCode: FrameErrorCode;
  /** What the same `push()` had decoded before. */
  readonly events: readonly FrameEvent[];

  constructor(closeCode: FrameErrorCode, message: string, events: readonly FrameEvent[]) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0; // a backend can cause it at any rate
    super(message);
    Error.stackTraceLimit = limit;
    this.closeCode = closeCode;
    this.events = events;
  }
}

/** RFC 6455 §5.5. */
const CONTROL_BYTES_MAX = 125;
const NO_STATUS = 1005;
const NO_EVENTS: readonly FrameEvent[] = Object.freeze([]);
const NO_BYTES: Uint8Array = new Uint8Array(0);
/** Enough for most messages that come in pieces. */
const FIRST_BUFFER_BYTES = 1024;

/** One per connection. */
export class FrameDecoder {
  readonly #messageBytesMax: number;
  readonly #utf8: TextDecoder;
  readonly #head: Uint8Array;
  readonly #control: Uint8Array;
  #headBytes: number;
  #headWanted: number;
  /** The opcode of the frame whose payload is being read; -1 inside a head. */
  #opcode: number;
  #isFinal: boolean;
  /** Payload bytes that the frame still owes. */
  #owed: number;
  #controlBytes: number;
  /** Text or binary while a message is under way, else 0. */
  #messageOpcode: number;
  /** Payload bytes that its frames have announced. */
  #messageBytes: number;
  #text: string;
  #buffer: Uint8Array;
  #buffered: number;
  #isClosed: boolean;
  #failure: FrameError | null;
  #events: FrameEvent[] | null;

  constructor(options: { readonly messageBytesMax: number }) {
    this.#messageBytesMax = options.messageBytesMax;
    this.#utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    this.#head = new Uint8Array(10);
    this.#control = new Uint8Array(CONTROL_BYTES_MAX);
    this.#headBytes = 0;
    this.#headWanted = 2;
    this.#opcode = -1;
    this.#isFinal = false;
    this.#owed = 0;
    this.#controlBytes = 0;
    this.#messageOpcode = 0;
    this.#messageBytes = 0;
    this.#text = "";
    this.#buffer = NO_BYTES;
    this.#buffered = 0;
    this.#isClosed = false;
    this.#failure = null;
    this.#events = null;
  }

  /** Whether a close frame came: nothing follows. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * @param bytes Any split of the stream. Not retained.
   * @returns What is complete, in order.
   * @throws {FrameError} At the first violation, and the same one at each later call.
   */
  push(bytes: Uint8Array): readonly FrameEvent[] {
    if (this.#failure !== null) throw this.#failure;
    this.#events = null;
    let at = 0;
    while (at < bytes.length && !this.#isClosed) {
      at += this.#opcode === -1 ? this.#pushHead(bytes, at) : this.#pushPayload(bytes, at);
      if (this.#opcode !== -1 && this.#owed === 0) this.#endFrame();
    }
    const events = this.#events ?? NO_EVENTS;
    this.#events = null;
    return events;
  }

  #pushHead(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && this.#headBytes < this.#headWanted) {
      this.#head[this.#headBytes++] = bytes[at++];
      if (this.#headBytes === 1) this.#checkFirstByte();
      else if (this.#headBytes === 2) this.#checkSecondByte();
    }
    if (this.#headBytes === this.#headWanted) this.#beginFrame();
    return at - from;
  }

  #checkFirstByte(): void {
    const first = this.#head[0];
    const opcode = first & 0x0f;
    if ((first & 0x70) !== 0) this.#fail(1002, "RSV bits are set without an extension");
    if (opcode > Opcode.pong || (opcode > Opcode.binary && opcode < Opcode.close)) {
      this.#fail(1002, `Opcode ${opcode} is reserved`);
    }
    if (opcode >= Opcode.close) {
      if ((first & 0x80) === 0) this.#fail(1002, "A control frame is fragmented");
    } else if (opcode === Opcode.continuation) {
      if (this.#messageOpcode === 0) this.#fail(1002, "A continuation has nothing to continue");
    } else if (this.#messageOpcode !== 0) {
      this.#fail(1002, "A message begins inside another");
    }
  }

  #checkSecondByte(): void {
    const second = this.#head[1];
    const length = second & 0x7f;
    if ((second & 0x80) !== 0) this.#fail(1002, "A frame from a backend is masked"); // §5.1
    if (length > CONTROL_BYTES_MAX && (this.#head[0] & 0x08) !== 0) this.#fail(1002, "A control frame is too long");
    this.#headWanted = length === 126 ? 4 : length === 127 ? 10 : 2;
  }

  #beginFrame(): void {
    const opcode = this.#head[0] & 0x0f;
    const length = this.#payloadLength();
    this.#opcode = opcode;
    this.#isFinal = (this.#head[0] & 0x80) !== 0;
    this.#owed = length;
    this.#headBytes = 0;
    this.#headWanted = 2;
    this.#controlBytes = 0;
    if (opcode >= Opcode.close) return;
    if (opcode !== Opcode.continuation) this.#messageOpcode = opcode;
    this.#messageBytes += length;
    if (this.#messageBytes > this.#messageBytesMax) this.#fail(1009, "A message is too big");
  }

  #payloadLength(): number {
    const head = this.#head;
    if (this.#headWanted === 2) return head[1];
    if (this.#headWanted === 4) {
      const length = head[2] << 8 | head[3];
      if (length < 126) this.#fail(1002, "A length is not in its shortest form"); // §5.2
      return length;
    }
    if (head[2] >= 0x80) this.#fail(1002, "A length has its highest bit set");
    let length = 0; // exact up to 2^53; beyond, still far above every bound
    for (let index = 2; index < 10; index++) length = length * 256 + head[index];
    if (length < 0x10000) this.#fail(1002, "A length is not in its shortest form");
    return length;
  }

  #pushPayload(bytes: Uint8Array, from: number): number {
    const taken = Math.min(this.#owed, bytes.length - from);
    const piece = bytes.subarray(from, from + taken);
    this.#owed -= taken;
    if (this.#opcode >= Opcode.close) {
      this.#control.set(piece, this.#controlBytes);
      this.#controlBytes += taken;
    } else if (this.#messageOpcode === Opcode.text) {
      this.#text += this.#decodeText(piece, true);
    } else {
      this.#append(piece);
    }
    return taken;
  }

  #endFrame(): void {
    const opcode = this.#opcode;
    this.#opcode = -1;
    if (opcode === Opcode.ping || opcode === Opcode.pong) {
      const bytes = this.#control.slice(0, this.#controlBytes);
      this.#emit({ kind: opcode === Opcode.ping ? "ping" : "pong", bytes });
    } else if (opcode === Opcode.close) {
      this.#endClose();
    } else if (this.#isFinal) {
      this.#endMessage();
    }
  }

  #endMessage(): void {
    if (this.#messageOpcode === Opcode.text) {
      const text = this.#text + this.#decodeText(NO_BYTES, false); // fails on half a character
      this.#text = "";
      this.#emit({ kind: "text", text });
    } else {
      const isFull = this.#buffered === this.#buffer.length;
      const bytes = isFull ? this.#buffer : this.#buffer.slice(0, this.#buffered);
      this.#buffer = NO_BYTES;
      this.#buffered = 0;
      this.#emit({ kind: "binary", bytes });
    }
    this.#messageOpcode = 0;
    this.#messageBytes = 0;
  }

  #endClose(): void {
    const payload = this.#control.subarray(0, this.#controlBytes);
    if (payload.length === 1) this.#fail(1002, "A close frame holds half a code");
    const code = payload.length === 0 ? NO_STATUS : payload[0] << 8 | payload[1];
    if (payload.length > 0 && !validCloseCode(code)) this.#fail(1002, `Close code ${code} is not allowed`);
    const reason = payload.length > 2 ? this.#decodeReason(payload.subarray(2)) : "";
    this.#isClosed = true;
    this.#text = "";
    this.#buffer = NO_BYTES;
    this.#emit({ kind: "close", code, reason });
  }

  #append(piece: Uint8Array): void {
    const wanted = this.#buffered + piece.length;
    if (wanted > this.#buffer.length) {
      // A frame that came whole fits exactly and is handed out without another copy.
      const isWhole = this.#buffered === 0 && this.#isFinal && this.#owed === 0;
      const grown = Math.min(Math.max(wanted, this.#buffer.length * 2, FIRST_BUFFER_BYTES), this.#messageBytesMax);
      const buffer = new Uint8Array(isWhole ? wanted : grown);
      buffer.set(this.#buffer.subarray(0, this.#buffered));
      this.#buffer = buffer;
    }
    this.#buffer.set(piece, this.#buffered);
    this.#buffered = wanted;
  }

  #decodeText(piece: Uint8Array, stream: boolean): string {
    try {
      return this.#utf8.decode(piece, { stream });
    } catch {
      return this.#fail(1007, "A text message is not UTF-8");
    }
  }

  /** With a decoder of its own: a text message may be under way. */
  #decodeReason(bytes: Uint8Array): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.#fail(1007, "A close reason is not UTF-8");
    }
  }

  #emit(event: FrameEvent): void {
    if (this.#events === null) this.#events = [event];
    else this.#events.push(event);
  }

  #fail(closeCode: FrameErrorCode, message: string): never {
    const failure = new FrameError(closeCode, message, this.#events ?? NO_EVENTS);
    this.#failure = new FrameError(closeCode, message, NO_EVENTS);
    this.#events = null;
    this.#text = "";
    this.#buffer = NO_BYTES;
    throw failure;
  }
}

/** @returns Whether a close frame may carry the code (RFC 6455 §7.4, IANA registry). */
export function validCloseCode(code: number): boolean {
  return (code >= 3000 && code <= 4999) || (code >= 1007 && code <= 1014) || (code >= 1000 && code <= 1003);
}
