/**
 * A backend that speaks no protocol: streams that collect what they are given, name by name and piece by piece, and answer
 * from a list.
 */

import { type Bytes, END, type ReadPiece, type TakenPiece } from "../../../lib/base/body_piece.ts";
import { ByteWriter } from "../../../lib/base/byte_writer.ts";
import { ProxyError, toProxyError } from "../../../lib/base/errors.ts";
import { BodyKind, type Framing } from "../../../lib/http1/body_kind.ts";
import { decodeResponseHead } from "../../../lib/http1/decode_response.ts";
import { Head } from "../../../lib/http1/head.ts";
import type { BackendStream } from "../../../lib/transport/backend_stream.ts";
import type { OutgoingBody, OutgoingRequest } from "../../../lib/transport/outgoing_request.ts";
import type { StreamSource } from "../../../lib/transport/stream_source.ts";
import { assertEquals } from "../../support/assert.ts";
import { toBytes, toText } from "../../support/wire_bytes.ts";
import { RESPONSE_BOUNDS } from "../transport/transport_fakes.ts";

/** What the backend does once it has the request: the lines of a head, or how the stream breaks. */
export type Answer = string | ProxyError;

/** One attempt as the backend saw it. */
export interface Received {
  readonly line: string;
  readonly fields: readonly string[];
  readonly upgrade: string;
  readonly takesTrailers: boolean;
  readonly bodyLength: number;
  readonly pieces: string[];
  readonly trailers: string[];
  /** "sent", "refused", "failed"; "" for a request without a body, or one that is not at its end. */
  outcome: string;
}

export class FakeBackend implements StreamSource {
  readonly received: Received[] = [];
  readonly streams: FakeStream[] = [];
  released = 0;
  switchedCount = 0;
  readonly #answers: Answer[];
  /** It answers without the body. */
  readonly #isEarly: boolean;

  constructor(answers: Answer[], isEarly = false) {
    this.#answers = answers;
    this.#isEarly = isEarly;
  }

  acquire(): FakeStream {
    const stream = new FakeStream(this.received, this.#answers.shift()!, this.#isEarly);
    this.streams.push(stream);
    return stream;
  }

  release(): void {
    this.released++;
  }

  switched(): void {
    this.switchedCount++;
  }
}

class FakeStream implements BackendStream {
  readonly head: Head = new Head();
  readonly framing: Framing = { kind: BodyKind.none, length: -1, keepAlive: true };
  readonly isStale = false;
  readonly trailers = null;
  isClosed = false;
  readonly #received: Received[];
  readonly #answer: Answer;
  readonly #isEarly: boolean;
  readonly #answered: PromiseWithResolvers<number> = Promise.withResolvers();
  #isAnswered = false;
  #error: ProxyError | null = null;

  constructor(received: Received[], answer: Answer, isEarly: boolean) {
    this.#received = received;
    this.#answer = answer;
    this.#isEarly = isEarly;
  }

  send(request: OutgoingRequest): boolean {
    const { method, scheme, authority, path, upgrade, takesTrailers, bodyLength, body } = request;
    const line = `${method} ${scheme}://${authority}${path}`;
    const fields = fieldsOf(request);
    const received = { line, fields, upgrade, takesTrailers, bodyLength, pieces: [], trailers: [], outcome: "" };
    this.#received.push(received);
    if (body === null || this.#isEarly) this.#settle();
    if (body !== null) this.#take(body, received);
    return body === null;
  }

  takeHead(): boolean {
    if (this.#error !== null) throw this.#error;
    return this.#isAnswered;
  }

  reading(): Promise<number> {
    return this.#answered.promise;
  }

  took(): void {}

  failure(error: unknown): ProxyError {
    return toProxyError(error);
  }

  takeBody(): TakenPiece {
    return END;
  }

  readBody(): Promise<ReadPiece> {
    return Promise.resolve(END);
  }

  own(piece: Bytes): Bytes {
    return piece;
  }

  abort(error: ProxyError): void {
    this.#error ??= error;
    this.#answered.resolve(0);
  }

  close(): void {
    this.isClosed = true;
  }

  readRaw(): Promise<null> {
    return Promise.resolve(null);
  }

  write(): Promise<void> {
    return Promise.resolve();
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  async #take(body: OutgoingBody, received: Received): Promise<void> {
    try {
      for (;;) {
        const piece = await body.read();
        if (body.isAbandoned) return;
        if (piece === null) break;
        received.pieces.push(toText(piece));
      }
      body.eachTrailer((name, value) => received.trailers.push(`${name}: ${value}`));
      received.outcome = "sent";
      body.onSent();
      this.#settle();
    } catch (error) {
      received.outcome = "failed";
      body.onFailed(error);
    }
  }

  #settle(): void {
    if (typeof this.#answer === "string") {
      const bytes = toBytes(`HTTP/1.1 ${this.#answer}\r\n\r\n`);
      decodeResponseHead(this.head, bytes, 0, bytes.length, RESPONSE_BOUNDS.head);
    } else {
      this.#error ??= this.#answer;
    }
    this.#isAnswered = true;
    this.#answered.resolve(0);
  }
}

/** Both ways to take the fields give the same. */
function fieldsOf(request: OutgoingRequest): readonly string[] {
  const fields: string[] = [];
  request.eachField((name, value) => fields.push(`${name}: ${value}`));
  const out = new ByteWriter();
  request.writeFields(out);
  assertEquals(toText(out.view()), fields.map((field) => `${field}\r\n`).join(""));
  return fields;
}
