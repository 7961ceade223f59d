/**
 * The open listeners, brought in line with a configuration.
 *
 * Listeners are told apart by their address. One that stays keeps its socket. A change happens in two steps, so that a
 * reload is all or nothing: `open` opens what is new and can still be undone, `commit` closes what is gone.
 */

import { type ConnectionCount, PrivateConnections } from "../../base/shared/shared_connections.ts";
import { ProxyError } from "../../base/errors.ts";
import type { ListenerConfig } from "../../config/types.ts";
import type { Certificate, EngineListener } from "../../engines/listener.ts";
import { openListener } from "../../engines/open.ts";
import { changeRights } from "../../engines/socket_rights.ts";
import { listenerIdentity } from "../../plan/listener_identity.ts";
import type { ProxyCore } from "../../proxy/core.ts";
import { probeSocket } from "../../transport/dial.ts";
import type { EventLog } from "../logs/event_log.ts";
import type { ConnectionsFact } from "../../observe/metrics/facts.ts";
import type { BoundListener } from "./data_plane.ts";

/** A listener could not be opened; the message says which and why, for people. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

export interface ListenerChange {
  /** The listeners as they will be. */
  readonly bound: readonly BoundListener[];
  /** Resolves when nobody can connect any more to what is gone. */
  commit(): Promise<void>;
  /** As `commit`. */
  undo(): Promise<unknown>;
}

export interface ListenerSetOptions {
  /** Other threads listen on the same ports. */
  readonly sharesPorts: boolean;
  /** Unix sockets can't be shared: whether this thread has them, and speaks of listeners for all. */
  readonly isFirst: boolean;
  /** The port that was found for a listener on port 0. */
  portAt(identity: string): number | undefined;
  /** Counts the connections of a listener, which `identity` names. */
  countOf(identity: string): ConnectionCount;
}

const ALONE: ListenerSetOptions = {
  sharesPorts: false,
  isFirst: true,
  portAt: () => undefined,
  countOf: () => new PrivateConnections(),
};

export class ListenerSet {
  readonly #core: ProxyCore;
  readonly #log: EventLog;
  readonly #options: ListenerSetOptions;
  /** By `listenerIdentity`. */
  readonly #open: Map<string, EngineListener> = new Map();
  readonly #closing: Set<Promise<void>> = new Set();

  constructor(core: ProxyCore, log: EventLog, options: ListenerSetOptions = ALONE) {
    this.#core = core;
    this.#log = log;
    this.#options = options;
  }

  /** In the order they were opened. */
  get bound(): BoundListener[] {
    return bindings(this.#open);
  }

  get connections(): ConnectionsFact[] {
    return [...this.#open.values()]
      .filter(({ connections }) => connections >= 0)
      .map(({ config, connections }) => ({ listener: config.name, open: connections }));
  }

  /**
   * @param contents Of the files that the configuration names: they may have been written again since.
   * @throws {ListenError} Nothing has changed then.
   */
  async prepare(all: readonly ListenerConfig[], contents: ReadonlyMap<string, string>): Promise<ListenerChange> {
    const configs = this.#options.isFirst ? all : all.filter(({ address }) => address.kind === "tcp");
    const certificates = configs.map((config) => certificateOf(config, contents));
    const opened = new Map<string, EngineListener>();
    const restores: (() => void)[] = [];
    const undo = () => {
      for (const restore of restores) restore();
      return Promise.all(opened.values().map((listener) => this.#close(listener)));
    };
    const kept: (() => Promise<void>)[] = [];
    try {
      for (const [index, config] of configs.entries()) {
        const certificate = certificates[index];
        const current = this.#open.get(listenerIdentity(config));
        const isSameKind = current?.config.engine === config.engine &&
          (current.certificate === null) === (certificate === null);
        if (current !== undefined && isSameKind) {
          restores.push(changedRights(current, config));
          kept.push(() => this.#update(current, config, certificate));
        } else opened.set(listenerIdentity(config), await this.#openListener(config, certificate, current));
      }
    } catch (error) {
      await undo();
      throw error;
    }
    const wanted = new Set(configs.map(listenerIdentity));
    const staying = [...this.#open].filter(([identity]) => wanted.has(identity));
    return {
      bound: bindings([...staying, ...opened]),
      undo,
      commit: async () => {
        const released: Promise<void>[] = [];
        for (const [identity, listener] of this.#open) {
          if (wanted.has(identity)) continue;
          this.#open.delete(identity);
          this.#say("listener_closing", listener);
          released.push(this.#close(listener));
        }
        for (const [identity, listener] of opened) {
          this.#open.set(identity, listener);
          this.#say("listening", listener);
        }
        for (const update of kept) update();
        await Promise.all(released);
      },
    };
  }

  /** Accepts no more; resolves when all that was in flight is out. */
  async shutdown(): Promise<void> {
    for (const listener of this.#open.values()) this.#close(listener);
    this.#open.clear();
    await Promise.all(this.#closing);
  }

  #say(event: string, { config, address }: EngineListener): void {
    if (this.#options.isFirst) this.#log.info(event, { listener: config.name, address });
  }

  /** Resolves when nobody can connect to it any more; `#closing` holds it until its last response is out. */
  #close(listener: EngineListener): Promise<void> {
    const closing: Promise<void> = listener.shutdown().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    return listener.released();
  }

  async #update(listener: EngineListener, config: ListenerConfig, certificate: Certificate | null): Promise<void> {
    listener.configure(config);
    const current = listener.certificate;
    if (certificate === null || (current?.cert === certificate.cert && current.key === certificate.key)) return;
    try {
      await listener.replaceCertificate(certificate);
      this.#log.info("certificate_replaced", { listener: config.name });
    } catch (error) {
      this.#log.error("certificate_refused", { listener: config.name, message: (error as Error).message });
    }
  }

  async #openListener(
    config: ListenerConfig,
    certificate: Certificate | null,
    current: EngineListener | undefined,
  ): Promise<EngineListener> {
    if (current !== undefined) {
      throw new ListenError(
        `Cannot change engine or TLS at ${config.addressText} while it is open: restart, or use another address`,
      );
    }
    if (config.address.kind === "unix") await removeDeadSocket(config.address.path);
    try {
      return openListener({
        core: this.#core,
        config: withPort(config, this.#options.portAt(listenerIdentity(config))),
        certificate,
        sharesPort: this.#options.sharesPorts,
        count: this.#options.countOf(listenerIdentity(config)),
        onBug: (error) => this.#log.error("internal_error", { message: String(error), stack: (error as Error)?.stack }),
        onFailed: (error) =>
          this.#log.error("listener_failed", { listener: config.name, message: (error as Error)?.message }),
        onRestored: ({ afterMs, failures }) =>
          this.#log.info("listener_restored", { listener: config.name, after_ms: Math.round(afterMs), failures }),
      });
    } catch (error) {
      throw new ListenError(`Cannot listen on ${config.addressText}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

/** Now, while it may still be refused. @returns Takes it back. @throws {ListenError} */
function changedRights({ config: current }: EngineListener, next: ListenerConfig): () => void {
  try {
    return changeRights(current, next);
  } catch (error) {
    throw new ListenError(`Cannot change the rights of ${next.addressText}: ${reasonOf(error)}`, { cause: error });
  }
}

function bindings(open: Iterable<readonly [string, EngineListener]>): BoundListener[] {
  return [...open].map(([identity, { config, address }]) => ({ identity, name: config.name, address }));
}

/** Threads that share a port have to know which one the first of them was given. */
function withPort(config: ListenerConfig, port: number | undefined): ListenerConfig {
  if (config.address.kind !== "tcp" || port === undefined) return config;
  return { ...config, address: { ...config.address, port } };
}

function certificateOf({ tls }: ListenerConfig, contents: ReadonlyMap<string, string>): Certificate | null {
  if (tls === null) return null;
  return { cert: contents.get(tls.certPath) ?? "", key: contents.get(tls.keyPath) ?? "" };
}

/** A socket file that nobody listens on is left over from a process that died. Anything else is not ours to remove. */
export async function removeDeadSocket(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = (await Deno.lstat(path)).isSocket === true;
  } catch {
    return; // nothing there, or listening will say what is wrong
  }
  if (!isSocket) throw new ListenError(`Cannot listen on unix:${path}: a file that is no socket is there`);
  switch (await probeSocket(path)) {
    case "alive":
      throw new ListenError(`Cannot listen on unix:${path}: another process listens there`);
    case "dead":
      return await Deno.remove(path);
    case "none":
      return;
  }
}

/** For people. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "the address is in use";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied (ports below 1024 need a privilege)";
  if (error instanceof Deno.errors.AddrNotAvailable) return "this machine does not have the address";
  return error instanceof ProxyError || error instanceof Error ? error.message : String(error);
}
