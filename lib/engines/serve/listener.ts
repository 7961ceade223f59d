/**
 * The `serve` engine: a listener on `Deno.serve`, for HTTP/1.1, HTTP/2, TLS and WebSocket.
 *
 * Deno takes a certificate only when it begins to listen. A changed one is put in place by listening a second time on the
 * same port (`SO_REUSEPORT`) and then closing the first listener. Closing it ends every connection that is idle at that
 * moment, and a client that was about to send on one would lose its request: so answers over the old listener say
 * `Connection: close` for a while before. What can't be helped from here: connections that the old listener has accepted
 * and that have not sent a request when it closes are closed unanswered; their clients have to connect again.
 * And Deno closes the old listener's WebSockets with 1001 (so too when a listener is removed, and at a shutdown).
 */

import { ProxyError } from "../../base/errors.ts";
import type { ListenerConfig } from "../../config/types.ts";
import type { ProxyCore } from "../../proxy/core.ts";
import { handle, refuse } from "../../proxy/handler.ts";
import {
  addressOf,
  assertPortFree,
  type Certificate,
  type EngineListener,
  type ListenerOptions,
  removeSocketFile,
} from "../listener.ts";
import { type ServeListenerFacts, ServeRequest } from "./request.ts";
import { lastResponse, serveResponse } from "./response.ts";
import { bindSocket } from "../socket_rights.ts";
import { Revival } from "./revival.ts";
import { fallbackAuthority } from "./target.ts";
import { acceptWebSocket } from "./websocket.ts";

/** Both listeners accept for so long. A connection in use has had an answer by then, and is told to end with it. */
const HANDOVER_MS = 2000;

/** Listeners that failed and are kept for the connections that they have. */
const FAILED_MAX = 32;

export class ServeListener implements EngineListener {
  readonly #core: ProxyCore;
  readonly #onBug: (error: unknown) => void;
  readonly #sharesPort: boolean;
  #config: ListenerConfig;
  #certificate: Certificate | null;
  #facts: ServeListenerFacts;
  #server: Deno.HttpServer<Deno.Addr>;
  /** Were replaced, and accept a little longer. */
  readonly #leaving: Set<Deno.HttpServer<Deno.Addr>> = new Set();
  /** Listeners that were replaced and still have connections. */
  readonly #retired: Set<Promise<void>> = new Set();
  /** Accept no more, through no wish of ours, and still have connections. */
  #failed: Deno.HttpServer<Deno.Addr>[] = [];
  readonly #revival: Revival;
  #isDown = false;
  #isClosed = false;

  /**
   * Listens at once.
   *
   * @throws {Deno.errors.AddrInUse} and what else `Deno.serve` throws.
   */
  constructor(options: ListenerOptions) {
    this.#core = options.core;
    this.#config = options.config;
    this.#certificate = options.certificate;
    this.#onBug = options.onBug;
    this.#facts = { isSecure: options.certificate !== null, fallback: "", limits: options.config.limits };
    this.#revival = new Revival({
      nowMs: () => options.core.clock.nowMs(),
      reopen: () => this.#reopen(),
      shed: () => this.#retireFailed(0),
      onFailed: options.onFailed,
      onRestored: options.onRestored,
    });
    this.#sharesPort = options.sharesPort;
    if (options.certificate !== null && !options.sharesPort) assertPortFree(options.config);
    this.#server = this.#listen(options.config.address);
    this.#updateFacts();
  }

  get config(): ListenerConfig {
    return this.#config;
  }

  get certificate(): Certificate | null {
    return this.#certificate;
  }

  /** "127.0.0.1:8080", "[::1]:8080" or "unix:/path": with the port that was found free where 0 was asked for. */
  get address(): string {
    return addressOf(this.#server.addr, this.#config);
  }

  /** Deno tells of requests, not of connections. */
  get connections(): number {
    return -1;
  }

  /** Takes over what may change on an open socket: limits, name. */
  configure(config: ListenerConfig): void {
    this.#config = config;
    this.#updateFacts();
  }

  /** New connections get the new certificate, open ones stay. */
  async replaceCertificate(certificate: Certificate): Promise<void> {
    const old = this.#server;
    const { hostname, port } = old.addr as Deno.NetAddr;
    const before = this.#certificate;
    this.#certificate = certificate;
    try {
      this.#server = this.#listen({ kind: "tcp", hostname, port }, this.#isDown);
    } catch (error) {
      this.#certificate = before;
      throw error;
    }
    this.#leaving.add(old);
    await new Promise((resolve) => setTimeout(resolve, HANDOVER_MS));
    if (this.#leaving.delete(old)) this.#retire(old);
  }

  /** Accepts no more; resolves when the last response is out. */
  async shutdown(): Promise<void> {
    this.#isClosed = true;
    this.#revival.close();
    removeSocketFile(this.#config);
    this.#retireFailed(0);
    this.#retire(this.#server);
    for (const server of this.#leaving) this.#retire(server);
    this.#leaving.clear();
    await Promise.all(this.#retired);
  }

  /** What accepts in Deno ends between two passes of its event loop, and a timer may still be due in the first. */
  async released(): Promise<void> {
    for (let pass = 0; pass < 2; pass++) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  #retire(server: Deno.HttpServer<Deno.Addr>): void {
    const closing: Promise<void> = server.shutdown().catch(this.#onBug).then(() => {
      this.#retired.delete(closing);
    });
    this.#retired.add(closing);
  }

  /** It goes on serving the connections that it has. */
  #onFailed(server: Deno.HttpServer<Deno.Addr>, error: unknown): void {
    if (this.#isClosed || server !== this.#server) return;
    this.#isDown = true;
    this.#failed.push(server);
    this.#retireFailed(FAILED_MAX);
    this.#revival.begin(error);
  }

  #reopen(): void {
    if (!this.#isDown) return; // a new certificate has opened it meanwhile
    const { addr } = this.#server;
    removeSocketFile(this.#config);
    const isTcp = addr.transport === "tcp";
    const target = isTcp ? { kind: "tcp" as const, hostname: addr.hostname, port: addr.port } : this.#config.address;
    this.#server = this.#listen(target, true);
  }

  /** Ends idle connections of all but the newest `kept` listeners that have failed. */
  #retireFailed(kept: number): void {
    const leaving = this.#failed.splice(0, Math.max(0, this.#failed.length - kept));
    for (const server of leaving) this.#retire(server);
  }

  #updateFacts(): void {
    const isSecure = this.#certificate !== null;
    this.#facts = { isSecure, fallback: fallbackAuthority(this.#server.addr, isSecure), limits: this.#config.limits };
  }

  /** @param isRevival Whether it takes the place of one that failed: its first request ends the spell. */
  #listen(address: ListenerConfig["address"], isRevival = false): Deno.HttpServer<Deno.Addr> {
    const { cert, key } = this.#certificate ?? { cert: "", key: "" };
    const target = address.kind === "unix"
      ? { path: address.path }
      : cert === ""
      ? { hostname: address.hostname, port: address.port, reusePort: this.#sharesPort }
      : { hostname: address.hostname, port: address.port, cert, key, reusePort: true };
    const handler = (request: Request, info: Deno.ServeHandlerInfo): Promise<Response> =>
      this.#leaving.has(server) ? this.#handleLast(request, info) : this.#handle(request, info);
    const revived = (request: Request, info: Deno.ServeHandlerInfo): Promise<Response> => {
      if (server === this.#server) this.#revival.served();
      return handler(request, info);
    };
    const bind = () => serveOn(target, isRevival ? revived : handler, this.#onBug);
    const server = bindSocket(this.#config, bind, (bound) => void bound.shutdown());
    server.finished.catch((error) => this.#onFailed(server, error));
    this.#isDown = false;
    return server;
  }

  /** The last on its connection (HTTP/2 has other means, and drops the field). */
  async #handleLast(request: Request, info: Deno.ServeHandlerInfo): Promise<Response> {
    const response = await this.#handle(request, info);
    if (response.status !== 101) response.headers.set("connection", "close");
    return response;
  }

  async #handle(request: Request, info: Deno.ServeHandlerInfo): Promise<Response> {
    const incoming = new ServeRequest(request, info, this.#facts);
    let problem = incoming.problem;
    if (problem === "" && incoming.isBodyUncertain) problem = await incoming.settleBody();
    const exchange = problem === "" ? await handle(this.#core, incoming) : refuse(this.#core, incoming, problem);
    if (problem !== "" && !incoming.hasClearFraming) return lastResponse(exchange);
    exchange.throwIfTakenBack(); // meanwhile, by a client that is gone
    if (exchange.isOwnAnswer) await incoming.letSmallBodyCome();
    try {
      const { tunnel } = exchange.response;
      if (tunnel !== null) return await acceptWebSocket(exchange, tunnel, request);
      return serveResponse(exchange);
    } catch (error) {
      exchange.finish("internal_error");
      throw error;
    }
  }
}

type ListenTarget =
  | { readonly path: string }
  | { readonly hostname: string; readonly port: number }
  | { hostname: string; port: number; cert: string; key: string; reusePort: boolean };

/** The one place where sluice calls `Deno.serve`. */
function serveOn(
  target: ListenTarget,
  handler: Deno.ServeHandler,
  onBug: (error: unknown) => void,
): Deno.HttpServer<Deno.Addr> {
  return Deno.serve(
    {
      ...target,
      handler,
      onListen: () => {},
      onError: (error) => {
        // A response body that broke off comes here as well; it is on record already.
        if (!(error instanceof ProxyError)) onBug(error);
        return new Response("500 Internal Server Error\n", { status: 500 });
      },
    } as Deno.ServeTcpOptions & { handler: Deno.ServeHandler },
  ) as Deno.HttpServer<Deno.Addr>;
}
