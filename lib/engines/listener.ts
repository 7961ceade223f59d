/** What the runtime needs of a listener, whichever engine it has. */

import type { ConnectionCount } from "../base/shared/shared_connections.ts";
import { normalizeIp } from "../base/ip.ts";
import type { ListenerConfig } from "../config/types.ts";
import type { ProxyCore } from "../proxy/core.ts";

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface ListenerOptions {
  readonly core: ProxyCore;
  readonly config: ListenerConfig;
  readonly certificate: Certificate | null;
  /** Other threads of ours listen on the same port (`SO_REUSEPORT`). */
  readonly sharesPort: boolean;
  /** Counts its connections, those of other threads included. */
  readonly count: ConnectionCount;
  /** Told of what must never happen. */
  readonly onBug: (error: unknown) => void;
  /** It could not accept, and tries to listen again. Told once for the same reason. */
  readonly onFailed: (error: unknown) => void;
  /** It listens again, and has for a while. */
  readonly onRestored: (facts: { readonly afterMs: number; readonly failures: number }) => void;
}

export interface EngineListener {
  readonly config: ListenerConfig;
  readonly certificate: Certificate | null;
  /** "127.0.0.1:8080", "[::1]:8080" or "unix:/path": with the port that was found free where 0 was asked for. */
  readonly address: string;
  /** Open ones of this thread, those that other engines would call idle included; -1: not known. */
  readonly connections: number;
  /** Takes over what may change on an open socket: limits, name. */
  configure(config: ListenerConfig): void;
  /** New connections get the new certificate, open ones stay. @throws when it can't be used; the old one stays then. */
  replaceCertificate(certificate: Certificate): Promise<void>;
  /** Accepts no more; resolves when the last response is out. */
  shutdown(): Promise<void>;
  /** After `shutdown`: resolves when its socket is gone, which is later than Deno's `close`: who connects is refused. */
  released(): Promise<void>;
}

/** With `SO_REUSEPORT` a second sluice would silently share the port; listening once without it finds that out. */
export function assertPortFree({ address }: ListenerConfig): void {
  if (address.kind === "tcp" && address.port !== 0) {
    Deno.listen({ hostname: address.hostname, port: address.port }).close();
  }
}

/** `EngineListener.address` of a socket. */
export function addressOf(addr: Deno.Addr, config: ListenerConfig): string {
  if (addr.transport !== "tcp") return config.addressText;
  return addr.hostname.includes(":") ? `[${addr.hostname}]:${addr.port}` : `${addr.hostname}:${addr.port}`;
}

/** To be called while the socket is still ours: once it is closed, another process may have put its own there. */
export function removeSocketFile({ address }: ListenerConfig): void {
  if (address.kind !== "unix") return;
  try {
    Deno.removeSync(address.path);
  } catch {
    // Somebody else has removed it: there is nothing left to do.
  }
}

/** The kernel writes addresses in one form only; what needs a look is an IPv4 address on an IPv6 socket. */
export function peerIpOf(addr: Deno.Addr): string {
  if (addr.transport !== "tcp") return "";
  return addr.hostname.includes(":") ? normalizeIp(addr.hostname) : addr.hostname;
}
