/**
 * The `wire` engine: HTTP/1.1 over `Deno.listen` and `Deno.listenTls`, by bytes.
 *
 * It accepts by itself, which is what makes limits on connections possible, and an accept that fails (no descriptors
 * left) a pause instead of an end.
 */

import type { ListenerConfig } from "../../config/types.ts";
import type { ProxyCore } from "../../proxy/core.ts";
import { closeQuietly } from "../../transport/dial.ts";
import {
  addressOf,
  assertPortFree,
  type Certificate,
  type EngineListener,
  type ListenerOptions,
  peerIpOf,
  removeSocketFile,
} from "../listener.ts";
import { bindSocket } from "../socket_rights.ts";
import { WireConnection } from "./http1/connection.ts";
import type { WireListenerFacts } from "./listener_facts.ts";

/** Pause after a failed accept: the condition passes when somebody else closes something. */
const ACCEPT_RETRY_MS = 50;
/** Around a target in any request, `A  HTTP/1.1`, `Host:` and three line ends: one that leaves no room for them is 414. */
const LEAST_HEAD_BYTES = 22;
/** Descriptors that run out come and go for a while; it is one event in the log. */
const CALM_MS = 2000;
/** Both listeners accept for so long, so that the old one has nothing waiting when it closes. */
const HANDOVER_MS = 250;

export class WireListener implements EngineListener {
  readonly #core: ProxyCore;
  readonly #options: ListenerOptions;
  readonly #connections: Map<WireConnection, Promise<void>> = new Map();
  #config: ListenerConfig;
  #certificate: Certificate | null;
  #facts: WireListenerFacts;
  #listener: Deno.Listener;
  /** Were replaced, and accept a little longer. */
  readonly #leaving: Set<Deno.Listener> = new Set();
  /** Loops that accept. Deno holds a socket that was closed until the call that waits on it has ended. */
  readonly #accepting: Set<Promise<void>> = new Set();
  #isClosed = false;
  /** Failures in the present spell; 0 when there is none. */
  #failures = 0;
  #failingSinceMs = -1;
  #failedAtMs = -1;

  /** Listens at once. @throws {Deno.errors.AddrInUse} and what else `Deno.listen` throws. */
  constructor(options: ListenerOptions) {
    const { core, config, certificate } = options;
    this.#core = core;
    this.#options = options;
    this.#config = config;
    this.#certificate = certificate;
    this.#facts = this.#factsOf(config);
    if (certificate !== null && !options.sharesPort) assertPortFree(config);
    this.#listener = this.#listen(config.address, certificate);
    this.#beginAccepting(this.#listener);
  }

  get config(): ListenerConfig {
    return this.#config;
  }

  get certificate(): Certificate | null {
    return this.#certificate;
  }

  get address(): string {
    return addressOf(this.#listener.addr, this.#config);
  }

  get connections(): number {
    return this.#connections.size;
  }

  configure(config: ListenerConfig): void {
    this.#config = config;
    this.#facts = this.#factsOf(config);
  }

  async replaceCertificate(certificate: Certificate): Promise<void> {
    const old = this.#listener;
    const { hostname, port } = old.addr as Deno.NetAddr;
    this.#listener = this.#listen({ kind: "tcp", hostname, port }, certificate);
    this.#certificate = certificate;
    this.#beginAccepting(this.#listener);
    this.#leaving.add(old);
    await new Promise((resolve) => setTimeout(resolve, HANDOVER_MS));
    if (this.#leaving.delete(old)) closeQuietly(old);
  }

  async shutdown(): Promise<void> {
    this.#isClosed = true;
    closeQuietly(this.#listener);
    for (const old of this.#leaving) closeQuietly(old);
    this.#leaving.clear();
    removeSocketFile(this.#config);
    for (const connection of this.#connections.keys()) connection.drain();
    await Promise.all(this.#connections.values());
  }

  async released(): Promise<void> {
    await Promise.all(this.#accepting);
  }

  #factsOf(config: ListenerConfig): WireListenerFacts {
    const { limits } = config;
    const { headBytesMax } = limits;
    return {
      isSecure: config.tls !== null,
      limits,
      bounds: { bytesMax: headBytesMax, fieldsMax: limits.fieldsMax, targetBytesMax: headBytesMax - LEAST_HEAD_BYTES },
      onBug: this.#options.onBug,
    };
  }

  #listen(address: ListenerConfig["address"], certificate: Certificate | null): Deno.Listener {
    if (address.kind === "unix") {
      const { path } = address;
      return bindSocket(this.#config, () => Deno.listen({ transport: "unix", path }) as Deno.Listener, closeQuietly);
    }
    const { hostname, port } = address;
    if (certificate === null) return Deno.listen({ hostname, port, reusePort: this.#options.sharesPort });
    const { cert, key } = certificate;
    return Deno.listenTls({ hostname, port, cert, key, alpnProtocols: ["http/1.1"], reusePort: true } as never);
  }

  #beginAccepting(listener: Deno.Listener): void {
    const accepting: Promise<void> = this.#accept(listener).finally(() => this.#accepting.delete(accepting));
    this.#accepting.add(accepting);
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    for (;;) {
      let conn: Deno.Conn;
      try {
        conn = await listener.accept();
      } catch (error) {
        if (isOfClient(error)) continue; // without a pause: else a few clients that reset could keep all others out
        if (this.#isClosed || listener !== this.#listener) return;
        if (error instanceof Deno.errors.BadResource) return;
        this.#onAcceptFailed(error); // out of descriptors
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
        continue;
      }
      if (this.#failures > 0) this.#onAccepted();
      this.#take(conn);
    }
  }

  #onAcceptFailed(error: unknown): void {
    this.#failedAtMs = this.#core.clock.nowMs();
    if (this.#failures++ > 0) return;
    this.#failingSinceMs = this.#failedAtMs;
    this.#options.onFailed(error);
  }

  #onAccepted(): void {
    const nowMs = this.#core.clock.nowMs();
    if (nowMs - this.#failedAtMs < CALM_MS) return;
    this.#options.onRestored({ afterMs: this.#failedAtMs - this.#failingSinceMs, failures: this.#failures });
    this.#failures = 0;
  }

  #take(conn: Deno.Conn): void {
    const { count } = this.#options;
    const peerIp = peerIpOf(conn.remoteAddr);
    if (this.#isClosed || !count.enter(peerIp, this.#facts.limits)) return closeQuietly(conn);
    sendAtOnce(conn);
    const connection = new WireConnection(this.#core, conn, this.#facts, peerIp);
    this.#connections.set(
      connection,
      connection.run().finally(() => {
        this.#connections.delete(connection);
        count.leave(peerIp);
      }),
    );
  }
}

/** It was gone before it was accepted. */
function isOfClient(error: unknown): boolean {
  const { ConnectionAborted, ConnectionReset, NotConnected } = Deno.errors;
  return error instanceof NotConnected || error instanceof ConnectionReset || error instanceof ConnectionAborted;
}

/** Deno has no such call for TLS. */
function sendAtOnce(conn: Deno.Conn): void {
  if (!("setNoDelay" in conn)) return;
  try {
    (conn as Deno.TcpConn).setNoDelay(true);
  } catch {
    // A client that has reset already (macOS says EINVAL): the first read will tell.
  }
}
