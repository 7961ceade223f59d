/**
 * A backend over raw sockets that does what its script says, and remembers everything that came.
 *
 *     await using backend = await ScriptedBackend.start([closeBeforeHead(), echo()]);
 *
 * The n-th request of the whole backend gets the n-th script; the last one serves all that follow. Whatever happens
 * wakes the waits, so that no test has to sleep. Disposing closes everything and throws what scripts threw.
 */

import { BackendConnection, BackendRequest, ConnectionLost, ScriptedExchange } from "./backend_exchange.ts";
import { echo, response, type Script } from "./backend_scripts.ts";
import { UnexpectedEnd } from "./byte_source.ts";
import { BodyReader, declaredFraming, MessageError, readHead } from "./http_message.ts";
import { lenientFraming, type LenientOptions, readLenientBody, readLenientHead } from "./lenient_parser.ts";
import { DEADLINE_MS, Watch } from "./waiting.ts";
import { quote, toBytes } from "./wire_bytes.ts";

export interface BackendOptions {
  /** What `echo()` and messages call it. */
  readonly name?: string;
  /** Default: a free one. Name it to come back where a backend was. */
  readonly port?: number;
  /** Listen on this path instead of TCP. */
  readonly unixPath?: string;
  /** PEM; speak TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Read requests carelessly; scripts then get the body read already. Default: strictly, 400 and close. */
  readonly lenient?: LenientOptions;
  /** Runs at accept, before a byte is read; may write, wait or close. */
  readonly onConnect?: (connection: BackendConnection) => Promise<void> | void;
}

export class ScriptedBackend {
  readonly name: string;
  /** "127.0.0.1:PORT" or "unix:PATH". */
  readonly address: string;
  /** What a configuration calls it: "http://127.0.0.1:PORT", "https://localhost:PORT", "unix:PATH". */
  readonly url: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Every request, in order of arrival. */
  readonly requests: BackendRequest[];
  /** Every connection ever accepted. */
  readonly connections: BackendConnection[];
  /** Why requests were refused as malformed. In a test of a proxy, anything here is the proxy's fault. */
  readonly violations: string[];
  readonly #listener: Deno.Listener;
  readonly #options: BackendOptions;
  readonly #watch: Watch;
  readonly #tasks: Promise<void>[];
  readonly #failures: unknown[];
  #scripts: readonly Script[];
  #scriptsUsed: number;
  #isListening: boolean;

  private constructor(listener: Deno.Listener, scripts: readonly Script[], options: BackendOptions) {
    const { addr } = listener;
    this.name = options.name ?? "backend";
    this.port = addr.transport === "tcp" ? addr.port : 0;
    this.address = addr.transport === "tcp" ? `127.0.0.1:${addr.port}` : `unix:${options.unixPath}`;
    this.url = addr.transport !== "tcp"
      ? this.address
      : options.tls === undefined
      ? `http://${this.address}`
      : `https://localhost:${addr.port}`;
    this.requests = [];
    this.connections = [];
    this.violations = [];
    this.#listener = listener;
    this.#options = options;
    this.#watch = new Watch();
    this.#tasks = [];
    this.#failures = [];
    this.#scripts = scripts;
    this.#scriptsUsed = 0;
    this.#isListening = true;
    this.#tasks.push(this.#accept());
  }

  /** Listens on 127.0.0.1. */
  static start(script: Script | readonly Script[] = echo(), options: BackendOptions = {}): ScriptedBackend {
    return new ScriptedBackend(listen(options), typeof script === "function" ? [script] : script, options);
  }

  /** Sets what the requests from now on get. */
  use(script: Script | readonly Script[]): void {
    this.#scripts = typeof script === "function" ? [script] : script;
    this.#scriptsUsed = 0;
  }

  /** Connections that neither side has ended. */
  get openConnections(): number {
    return this.connections.filter((connection) => connection.isOpen && !connection.source.isEnded).length;
  }

  /** Resolves when `count` requests have come in all; their bodies may still be on the way. */
  waitForRequests(count: number, deadlineMs = DEADLINE_MS): Promise<void> {
    return this.waitFor(() => this.requests.length >= count, `${count} requests`, deadlineMs);
  }

  waitForConnections(count: number, deadlineMs = DEADLINE_MS): Promise<void> {
    return this.waitFor(() => this.connections.length >= count, `${count} connections`, deadlineMs);
  }

  /** Resolves when no connection is open. */
  waitForConnectionsClosed(deadlineMs = DEADLINE_MS): Promise<void> {
    return this.waitFor(() => this.openConnections === 0, "all connections to close", deadlineMs);
  }

  /** Resolves when `isMet()`, looked at whenever bytes, requests, connections or closes come. */
  waitFor(isMet: () => boolean, wanted: string, deadlineMs = DEADLINE_MS): Promise<void> {
    return this.#watch.until(isMet, () => `${wanted}; ${this.describe()}`, deadlineMs);
  }

  /** "api: 3 requests, 2 connections (1 open)" and what went wrong. */
  describe(): string {
    const counts = `${this.requests.length} requests, ${this.connections.length} connections`;
    const violations = this.violations.length === 0 ? "" : `; violations: ${this.violations.join("; ")}`;
    return `${this.name}: ${counts} (${this.openConnections} open)${violations}`;
  }

  /** Refuses new connections from now on; the open ones go on. */
  stopListening(): void {
    if (!this.#isListening) return;
    this.#isListening = false;
    this.#listener.close();
  }

  closeConnections(): void {
    for (const connection of this.connections) connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopListening();
    this.closeConnections();
    await this.#tasks[0]; // no connection can be added after this
    this.closeConnections();
    await Promise.all(this.#tasks);
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, `Scripts of ${this.name} failed`);
  }

  async #accept(): Promise<void> {
    for (;;) {
      let socket: Deno.Conn;
      try {
        socket = await this.#listener.accept();
      } catch (error) {
        if (!this.#isListening) return;
        this.violations.push(`accept failed: ${error}`); // a TLS handshake that went wrong
        continue;
      }
      const connection = new BackendConnection(this.connections.length, socket, () => this.#watch.notify());
      this.connections.push(connection);
      this.#watch.notify();
      this.#tasks.push(this.#converse(connection));
    }
  }

  async #converse(connection: BackendConnection): Promise<void> {
    try {
      await this.#run(() => this.#options.onConnect?.(connection), connection);
      while (connection.isOpen && await this.#serveOne(connection));
    } catch (error) {
      if (error instanceof MessageError || error instanceof RangeError) {
        this.violations.push(`connection ${connection.id}: ${error.message}`);
        await connection.write(response(400, error.message, { framing: "close" })).catch(() => {});
      } else if (!(error instanceof ConnectionLost) && !(error instanceof UnexpectedEnd)) {
        this.#failures.push(error);
      }
    }
    connection.close();
    this.#watch.notify();
  }

  /** Runs a script to its end or, when it waits for what never comes, to the end of the connection. */
  async #run(script: () => Promise<void> | void, connection: BackendConnection): Promise<void> {
    const run = (async () => await script())();
    await Promise.race([run, connection.shut]);
  }

  /** @returns Whether another request may follow. */
  async #serveOne(connection: BackendConnection): Promise<boolean> {
    const exchange = this.#options.lenient === undefined
      ? await this.#readStrictly(connection)
      : await this.#readCarelessly(connection, this.#options.lenient);
    if (exchange === null) return false;
    const script = this.#scripts[Math.min(this.#scriptsUsed, this.#scripts.length - 1)];
    this.#scriptsUsed += 1;
    await this.#run(() => script(exchange), connection);
    if (!connection.isOpen) return false;
    await exchange.readBody();
    return !exchange.request.wantsClose;
  }

  async #readStrictly(connection: BackendConnection): Promise<ScriptedExchange | null> {
    const head = await readHead(connection.source);
    if (head === null) return null;
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\xff]+ HTTP\/1\.[01]$/.test(head.startLine)) {
      throw new MessageError(`Malformed request line ${quote(toBytes(head.startLine))}`);
    }
    const framing = declaredFraming(head.fields) ?? { kind: "none" };
    const request = new BackendRequest(connection.id, head, framing);
    this.requests.push(request);
    return this.#exchange(request, connection, new BodyReader(connection.source, framing));
  }

  async #readCarelessly(connection: BackendConnection, options: LenientOptions): Promise<ScriptedExchange | null> {
    const head = await readLenientHead(connection.source);
    if (head === null) return null;
    const framing = lenientFraming(head.fields, options);
    const request = new BackendRequest(connection.id, head, framing);
    this.requests.push(request);
    for await (const piece of readLenientBody(connection.source, framing)) request.addBody(piece);
    return this.#exchange(request, connection, new BodyReader(connection.source, { kind: "none" }));
  }

  #exchange(request: BackendRequest, connection: BackendConnection, body: BodyReader): ScriptedExchange {
    this.#watch.notify();
    return new ScriptedExchange(request, connection, {
      backend: this.name,
      body,
      onChange: () => this.#watch.notify(),
    });
  }
}

function listen({ port = 0, unixPath, tls }: BackendOptions): Deno.Listener {
  if (unixPath !== undefined) return Deno.listen({ transport: "unix", path: unixPath });
  if (tls !== undefined) return Deno.listenTls({ hostname: "127.0.0.1", port, cert: tls.cert, key: tls.key });
  return Deno.listen({ hostname: "127.0.0.1", port });
}

/** A port of 127.0.0.1 that refuses connections. */
export interface RefusedPort extends Disposable {
  readonly port: number;
  readonly url: string;
}

/** Below what Linux hands out by itself, so that no connection or listener of another test gets such a port. */
const OWN_PORTS = { from: 12_000, to: 32_000 } as const;

/** Dispose it to say that it may be used: to start a backend there. */
export function refusedPort(): Promise<RefusedPort> {
  const port = freePort();
  return Promise.resolve({ port, url: `http://127.0.0.1:${port}`, [Symbol.dispose]() {} });
}

/** A port of 127.0.0.1 that nobody listens on, for those who need to know it beforehand. */
export function freePort(): number {
  for (;;) {
    const port = OWN_PORTS.from + Math.floor(Math.random() * (OWN_PORTS.to - OWN_PORTS.from));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
