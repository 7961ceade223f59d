/** What a script of a scripted backend holds in its hands: one request, and the connection to misbehave on. */

import { createHash } from "node:crypto";
import { ByteSource } from "./byte_source.ts";
import { BodyReader, type Field, fieldTokens, fieldValues, type Framing } from "./http_message.ts";
import { resetConnection } from "./reset.ts";
import { withDeadline } from "./waiting.ts";
import { type Bytes, concat, toBytes, toText, writeAll } from "./wire_bytes.ts";

/** The downstream side is gone; not a failure of a script. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** Bytes of each body and connection that are kept for tests to look at; the rest is counted and hashed only. */
const KEPT_BYTES_MAX = 1024 * 1024;

/** One request as it came. Grows while its body arrives. */
export class BackendRequest {
  /** Number of its connection, from 0. */
  readonly connectionId: number;
  readonly method: string;
  readonly target: string;
  /** "HTTP/1.1". */
  readonly version: string;
  /** The head as it came, blank line included. */
  readonly head: string;
  readonly fields: readonly Field[];
  readonly framing: Framing["kind"];
  bodyLength: number;
  isBodyComplete: boolean;
  trailers: readonly Field[];
  readonly #pieces: Bytes[];
  readonly #hash: ReturnType<typeof createHash>;
  #kept: number;

  constructor(
    connectionId: number,
    head: { startLine: string; fields: readonly Field[]; raw: Bytes },
    framing: Framing,
  ) {
    const [method, target, version] = head.startLine.split(" ");
    this.connectionId = connectionId;
    this.method = method;
    this.target = target;
    this.version = version;
    this.head = toText(head.raw);
    this.fields = head.fields;
    this.framing = framing.kind;
    this.bodyLength = 0;
    this.isBodyComplete = false;
    this.trailers = [];
    this.#pieces = [];
    this.#hash = createHash("sha256");
    this.#kept = 0;
  }

  /** What came of the body so far, at most its first MiB. */
  get body(): Bytes {
    return concat(this.#pieces);
  }

  get text(): string {
    return toText(this.body);
  }

  /** Hexadecimal, of the whole body so far. */
  get sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  field(name: string): string | null {
    const values = fieldValues(this.fields, name);
    return values.length === 0 ? null : values.join(", ");
  }

  fieldLines(name: string): string[] {
    return fieldValues(this.fields, name);
  }

  get wantsClose(): boolean {
    const tokens = fieldTokens(this.fields, "connection");
    return tokens.includes("close") || (this.version === "HTTP/1.0" && !tokens.includes("keep-alive"));
  }

  /** For the backend that reads it. */
  addBody(piece: Bytes): void {
    this.bodyLength += piece.length;
    this.#hash.update(piece);
    if (this.#kept + piece.length > KEPT_BYTES_MAX) return;
    this.#kept += piece.length;
    this.#pieces.push(piece);
  }
}

/** One accepted connection. Reads ahead all the time, so that it learns of a close at once, unless told to pause. */
export class BackendConnection {
  readonly id: number;
  readonly source: ByteSource;
  /** Settles when either side has ended it; a half-close of the far side counts. */
  readonly closed: Promise<void>;
  /** Settles when this side has closed it. */
  readonly shut: Promise<void>;
  readonly #connection: Deno.Conn;
  readonly #received: Bytes[];
  readonly #close: () => void;
  readonly #shut: () => void;
  #kept: number;
  #resume: (() => void) | null;
  #resumed: Promise<void>;
  #isOpen: boolean;

  constructor(id: number, connection: Deno.Conn, onChange: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const shut = Promise.withResolvers<void>();
    this.id = id;
    this.source = new ByteSource(connection, (bytes) => {
      this.#record(bytes);
      onChange();
    });
    this.closed = promise;
    this.shut = shut.promise;
    this.#connection = connection;
    this.#received = [];
    this.#close = () => {
      resolve();
      onChange();
    };
    this.#shut = shut.resolve;
    this.#kept = 0;
    this.#resume = null;
    this.#resumed = Promise.resolve();
    this.#isOpen = true;
    this.#readAhead();
  }

  /** Until this side closed it; the far side may have sent its end already: see `source.isEnded`. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** All bytes that came over it, at most the first MiB. */
  get received(): string {
    return toText(concat(this.#received));
  }

  /** @throws {ConnectionLost} */
  async write(content: string | Uint8Array): Promise<void> {
    const bytes = toBytes(content);
    try {
      await writeAll(this.#connection, bytes);
    } catch (error) {
      throw new ConnectionLost(`Wrote no more of ${bytes.length} bytes`, { cause: error });
    }
  }

  /** Stops reading: the far side's writes block once the buffers between are full. One read may still be under way. */
  pauseReading(): void {
    if (this.#resume !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resumed = promise;
    this.#resume = resolve;
  }

  resumeReading(): void {
    this.#resume?.();
    this.#resume = null;
  }

  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#connection.close();
    this.resumeReading();
    this.#close();
    this.#shut();
  }

  /** Ends it with RST. TCP and TLS only. */
  reset(): void {
    if (!this.#isOpen) return;
    resetConnection(this.#connection);
    this.close();
  }

  async #readAhead(): Promise<void> {
    let isMore = true;
    while (isMore) {
      await this.#resumed;
      isMore = await this.source.fill();
    }
    this.#close();
  }

  #record(bytes: Uint8Array): void {
    if (this.#kept + bytes.length > KEPT_BYTES_MAX) return;
    this.#kept += bytes.length;
    this.#received.push(toBytes(bytes));
  }
}

/** One request and the means to answer it, badly or well. */
export class ScriptedExchange {
  readonly request: BackendRequest;
  readonly connection: BackendConnection;
  /** Name of the backend. */
  readonly backend: string;
  readonly #body: BodyReader;
  readonly #onChange: () => void;

  constructor(
    request: BackendRequest,
    connection: BackendConnection,
    options: { readonly backend: string; readonly body: BodyReader; readonly onChange: () => void },
  ) {
    this.request = request;
    this.connection = connection;
    this.backend = options.backend;
    this.#body = options.body;
    this.#onChange = options.onChange;
    this.#finishIfDone();
  }

  write(content: string | Uint8Array): Promise<void> {
    return this.connection.write(content);
  }

  /** The next piece of the request body, or null after the last. */
  async readBodyPiece(): Promise<Bytes | null> {
    const piece = await this.#body.read();
    if (piece !== null) this.request.addBody(piece);
    this.#finishIfDone();
    return piece;
  }

  /** Reads what is left of the request body. */
  async readBody(): Promise<void> {
    while (await this.readBodyPiece() !== null);
  }

  /**
   * Waits for a promise, or some milliseconds where time is what is tested.
   * @throws {ConnectionLost} When the connection ends first.
   */
  async wait(until: number | PromiseLike<unknown>): Promise<void> {
    const lost = this.connection.closed.then(() => {
      throw new ConnectionLost("Connection ended while the script waited");
    });
    if (typeof until !== "number") {
      await Promise.race([until, lost]);
      return;
    }
    const isElapsed = () => "";
    await withDeadline(lost, until, isElapsed).catch((error) => {
      if (error instanceof ConnectionLost) throw error;
    });
  }

  close(): void {
    this.connection.close();
  }

  reset(): void {
    this.connection.reset();
  }

  #finishIfDone(): void {
    if (!this.#body.isDone || this.request.isBodyComplete) return;
    this.request.isBodyComplete = true;
    this.request.trailers = this.#body.trailers;
    this.#onChange();
  }
}
