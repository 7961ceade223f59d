/**
 * A client that speaks bytes: sends exactly what a test wrote, and reads responses strictly, so that a proxy that
 * answers sloppily fails the test that looked at something else.
 */

import { ByteSource } from "./byte_source.ts";
import {
  BodyReader,
  declaredFraming,
  type Field,
  fieldTokens,
  fieldValues,
  type Framing,
  MessageError,
  type MessageHead,
  readHead,
} from "./http_message.ts";
import { resetConnection } from "./reset.ts";
import { DEADLINE_MS, withDeadline } from "./waiting.ts";
import { type Bytes, concat, quote, toBytes, toText, writeAll } from "./wire_bytes.ts";

export interface ClientOptions {
  /** For every wait of this client, ms. */
  readonly deadlineMs?: number;
  /** Speak TLS, believing `caCerts` (PEM). `hostname` is what is verified; default: the address. */
  readonly tls?: {
    readonly caCerts: string[];
    readonly hostname?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly alpnProtocols?: string[];
  };
}

export interface ReadOptions {
  /** The method of the request that is being answered: a response to HEAD has no body. */
  readonly method?: string;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/;

/** One response, read to its end. */
export class RawResponse {
  readonly version: "1.0" | "1.1";
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly Field[];
  /** Content, without its framing. */
  readonly body: Bytes;
  readonly trailers: readonly Field[];
  /** Head and body as they came. */
  readonly raw: Bytes;
  readonly framing: Framing["kind"];
  /** The 1xx responses that came before it. */
  readonly informational: readonly RawResponse[];

  constructor(head: ResponseHead, body: Bytes, reader: BodyReader, informational: readonly RawResponse[] = []) {
    this.version = head.version;
    this.status = head.status;
    this.reason = head.reason;
    this.fields = head.fields;
    this.body = body;
    this.trailers = reader.trailers;
    this.raw = concat([head.raw, ...reader.rawPieces]);
    this.framing = head.framing.kind;
    this.informational = informational;
  }

  /** Values of a field joined as RFC 9110 §5.3 allows, or null when there is none. */
  field(name: string): string | null {
    const values = fieldValues(this.fields, name);
    return values.length === 0 ? null : values.join(", ");
  }

  /** Each line of a field by itself (Set-Cookie). */
  fieldLines(name: string): string[] {
    return fieldValues(this.fields, name);
  }

  /** The body as ISO 8859-1; `new TextDecoder()` it where UTF-8 is meant. */
  get text(): string {
    return toText(this.body);
  }

  /** Whether the connection may carry another request. */
  get keepAlive(): boolean {
    const tokens = fieldTokens(this.fields, "connection");
    if (this.framing === "until_close" || tokens.includes("close")) return false;
    return this.version === "1.1" || tokens.includes("keep-alive");
  }
}

export interface ResponseHead extends MessageHead {
  readonly version: "1.0" | "1.1";
  readonly status: number;
  readonly reason: string;
  readonly framing: Framing;
}

export class RawClient {
  /** What arrived and was not read yet, for tests that go below messages. */
  readonly source: ByteSource;
  readonly #connection: Deno.Conn;
  readonly #deadlineMs: number;
  #isOpen: boolean;

  private constructor(connection: Deno.Conn, deadlineMs: number) {
    this.source = new ByteSource(connection);
    this.#connection = connection;
    this.#deadlineMs = deadlineMs;
    this.#isOpen = true;
  }

  /** @param address "127.0.0.1:8080", "[::1]:8080" or "unix:/path". */
  static async connect(address: string, options: ClientOptions = {}): Promise<RawClient> {
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    const connection = await withDeadline(dial(address, options), deadlineMs, () => `connecting to ${address}`);
    return new RawClient(connection, deadlineMs);
  }

  /** "127.0.0.1:40312", as the proxy sees this client; "" over a Unix socket. */
  get localAddress(): string {
    const address = this.#connection.localAddr;
    return address.transport === "tcp" ? `${address.hostname}:${address.port}` : "";
  }

  async send(content: string | Uint8Array): Promise<void> {
    const bytes = toBytes(content);
    await this.#bounded(writeAll(this.#connection, bytes), () => `sending ${quote(bytes)}`);
  }

  /** The final response, with the 1xx before it in `informational`. 101 is final: read on from `source`. */
  readResponse(options: ReadOptions = {}): Promise<RawResponse> {
    return this.#bounded(this.#readResponse(options), () => `reading a response`);
  }

  /** The next head, 1xx too; go on with `bodyOf`. */
  readResponseHead(options: ReadOptions = {}): Promise<ResponseHead> {
    return this.#bounded(this.#readResponseHead(options), () => `reading a response head`);
  }

  /** The body that follows `head`, for tests that read it in pieces. Its reads have no deadline of their own. */
  bodyOf(head: ResponseHead): BodyReader {
    return new BodyReader(this.source, head.framing, true);
  }

  /** @returns All bytes until the far side closed. @throws {UnexpectedEnd} when it was a reset, not a close. */
  readUntilClose(): Promise<Bytes> {
    const body = new BodyReader(this.source, { kind: "until_close" });
    return this.#bounded(body.readAll(), () => `reading until close`);
  }

  /** Resolves when the far side has closed or reset the connection. @throws {MessageError} when bytes come instead. */
  async waitForClose(): Promise<void> {
    if (this.source.length === 0) await this.#bounded(this.source.fill(), () => `waiting for the close`);
    if (this.source.length > 0) {
      throw new MessageError(`Expected the connection to close, got ${quote(this.source.peek())}`);
    }
  }

  /** Whether the far side closes within `withinMs`. Only to show that it does *not* is time passed in vain. */
  async isClosed(withinMs = 100): Promise<boolean> {
    if (this.source.isEnded) return true;
    try {
      await withDeadline(this.source.fill(), withinMs, () => "");
    } catch {
      return false;
    }
    return this.source.isEnded;
  }

  /** Half-close: tells the far side that nothing more will be sent. */
  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#connection.close();
  }

  /** Breaks the connection with RST. TCP only. */
  reset(): void {
    if (!this.#isOpen) return;
    resetConnection(this.#connection);
    this.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #readResponse(options: ReadOptions): Promise<RawResponse> {
    const informational: RawResponse[] = [];
    for (;;) {
      const head = await this.#readResponseHead(options);
      const reader = this.bodyOf(head);
      const body = await reader.readAll();
      if (head.status >= 200 || head.status === 101) return new RawResponse(head, body, reader, informational);
      informational.push(new RawResponse(head, body, reader));
    }
  }

  async #readResponseHead({ method = "GET" }: ReadOptions): Promise<ResponseHead> {
    const head = await readHead(this.source);
    if (head === null) throw new MessageError("Expected a response, but the connection was closed");
    const match = STATUS_LINE.exec(head.startLine);
    if (match === null) throw new MessageError(`Malformed status line ${JSON.stringify(head.startLine)}`);
    const [, minor, status, reason] = match;
    const framing = responseFraming(method, Number(status), head.fields);
    return { ...head, version: minor === "1" ? "1.1" : "1.0", status: Number(status), reason, framing };
  }

  #bounded<T>(work: Promise<T>, doing: () => string): Promise<T> {
    return withDeadline(work, this.#deadlineMs, () => `${doing()}; unread so far: ${quote(this.source.peek())}`);
  }
}

/** RFC 9112 §6.3. What must have no body may still say how long it would be; that it says so properly is checked. */
function responseFraming(method: string, status: number, fields: readonly Field[]): Framing {
  const declared = declaredFraming(fields);
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) {
    if (declared !== null && (status < 200 || status === 204)) {
      throw new MessageError(`A ${status} must not have Content-Length or Transfer-Encoding`);
    }
    return { kind: "none" };
  }
  return declared ?? { kind: "until_close" };
}

/** "127.0.0.1:80" and "[::1]:80" in their parts. */
export function parseAddress(address: string): { hostname: string; port: number } {
  const match = /^\[?([^\]]+?)\]?:(\d+)$/.exec(address);
  if (match === null) throw new TypeError(`Cannot read the address "${address}"`);
  return { hostname: match[1], port: Number(match[2]) };
}

async function dial(address: string, { tls }: ClientOptions): Promise<Deno.Conn> {
  if (address.startsWith("unix:")) return await Deno.connect({ transport: "unix", path: address.slice(5) });
  const { hostname, port } = parseAddress(address);
  if (tls === undefined) {
    const connection = await Deno.connect({ hostname, port });
    connection.setNoDelay(true);
    return connection;
  }
  const { hostname: name, caCerts, alpnProtocols, cert, key } = tls;
  if (cert !== undefined && key !== undefined) {
    return await Deno.connectTls({ hostname: name ?? hostname, port, caCerts, cert, key });
  }
  const connection = await Deno.connect({ hostname, port });
  return await Deno.startTls(connection, {
    hostname: name ?? hostname,
    caCerts,
    ...(alpnProtocols === undefined ? {} : { alpnProtocols }),
  });
}

/** One request on a connection of its own. `fields` replace the defaults, which are `Host` alone. */
export async function get(
  address: string,
  path: string,
  fields: Readonly<Record<string, string>> = {},
  options: ClientOptions = {},
): Promise<RawResponse> {
  return await request(address, "GET", path, fields, options);
}

/** Like `get`, with any method. No body. */
export async function request(
  address: string,
  method: string,
  path: string,
  fields: Readonly<Record<string, string>> = {},
  options: ClientOptions = {},
): Promise<RawResponse> {
  using client = await RawClient.connect(address, options);
  const names = Object.keys(fields).map((name) => name.toLowerCase());
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  if (!names.includes("host")) lines.unshift(`Host: ${address.startsWith("unix:") ? "localhost" : address}\r\n`);
  await client.send(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  return await client.readResponse({ method });
}
