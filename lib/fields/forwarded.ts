/**
 * The fields that tell a backend about the client: `X-Forwarded-For`, `-Proto`, `-Host` and RFC 7239 `Forwarded`.
 *
 * They are made anew for each request. What a connection's other side sent counts only when it is a trusted proxy;
 * then its list is appended to, and the scheme and host that it vouches for (the last of a list) are kept. From
 * anybody else the whole family is removed, also in mode `off`: a backend may believe these fields whoever runs it.
 *
 * The family that the mode does not choose never passes, so that a backend cannot be shown two stories; a trusted
 * proxy's chain is carried over when it came in the other spelling only (RFC 7239 §7.4). In mode `off` a trusted
 * proxy's fields pass untouched.
 */

import { normalizeIp } from "../base/ip.ts";
import { validAuthority } from "./authority.ts";
import {
  clientAddress,
  forwardedChain,
  forwardedScheme,
  parseForwarded,
  type TrustedNetworks,
  xForwardedForChain,
} from "./forwarded_chain.ts";

export type ForwardedMode = "x-forwarded" | "rfc7239" | "both" | "off";

export interface ForwardedPeer {
  /** The address of the connection's other side; "" for a Unix socket. */
  readonly ip: string;
  readonly isTrusted: boolean;
}

/** What came in, lines of one name joined by commas; null when absent. */
export interface ExistingForwarded {
  readonly xForwardedFor: string | null;
  readonly xForwardedProto: string | null;
  readonly xForwardedHost: string | null;
  readonly forwarded: string | null;
}

/** Names, lower case, of all incoming fields that `ForwardedFields.removes()` can say yes to. */
export const FORWARDED_NAMES: readonly string[] = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
];

/** Longest list sent on; some thirty IPv6 hops. Beyond it the oldest entries, which we know least about, go. */
export const FORWARDED_LENGTH_MAX = 2048;

const FAMILY = new Set(FORWARDED_NAMES);
/** What a trusted proxy may say and we have nothing to add to. */
const PASSED = new Set(["x-forwarded-port", "x-real-ip"]);
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** One per plan. */
export class ForwardedFields {
  readonly mode: ForwardedMode;
  readonly #writesXForwarded: boolean;
  readonly #writesForwarded: boolean;

  constructor(mode: ForwardedMode) {
    this.mode = mode;
    this.#writesXForwarded = mode === "x-forwarded" || mode === "both";
    this.#writesForwarded = mode === "rfc7239" || mode === "both";
  }

  /**
   * @param lowerName Lower case.
   * @returns Whether an incoming field is not copied.
   */
  removes(lowerName: string, isTrusted: boolean): boolean {
    if (!FAMILY.has(lowerName)) return false;
    return !isTrusted || (this.mode !== "off" && !PASSED.has(lowerName));
  }

  /** The client's address, believing only the fields that this mode is about. */
  client(peerIp: string, existing: ExistingForwarded, trusted: TrustedNetworks): string {
    const xForwardedFor = this.mode === "rfc7239" ? null : existing.xForwardedFor;
    const forwarded = this.mode === "x-forwarded" ? null : existing.forwarded;
    return clientAddress(peerIp, xForwardedFor, forwarded, trusted);
  }

  /**
   * What a trusted proxy says the client itself came by, believing only the fields that this mode is about.
   *
   * @returns "" when it says nothing of it.
   */
  clientScheme(existing: ExistingForwarded, trusted: TrustedNetworks): "http" | "https" | "" {
    let said = this.mode === "rfc7239" ? "" : lastOf(existing.xForwardedProto).toLowerCase();
    if (said === "" && this.mode !== "x-forwarded" && existing.forwarded !== null) {
      said = forwardedScheme(existing.forwarded, trusted);
    }
    return said === "http" || said === "https" ? said : "";
  }

  /**
   * Gives the fields to send to `out`, each name once.
   *
   * @param scheme "http" or "https", of the connection.
   * @param host The request's authority; "" when it has none.
   */
  emit(
    peer: ForwardedPeer,
    scheme: string,
    host: string,
    existing: ExistingForwarded,
    out: (name: string, value: string) => void,
  ): void {
    if (this.#writesXForwarded) emitXForwarded(peer, scheme, host, existing, out);
    if (this.#writesForwarded) out("forwarded", forwardedValue(peer, scheme, host, existing));
  }
}

function emitXForwarded(
  peer: ForwardedPeer,
  scheme: string,
  host: string,
  existing: ExistingForwarded,
  out: (name: string, value: string) => void,
): void {
  const ip = peer.ip === "" ? "unknown" : peer.ip;
  if (!peer.isTrusted) {
    out("x-forwarded-for", ip);
    out("x-forwarded-proto", scheme);
    if (host !== "") out("x-forwarded-host", host);
    return;
  }
  out("x-forwarded-for", appendTo(xForwardedForBefore(existing), ip));
  const saidProto = lastOf(existing.xForwardedProto).toLowerCase();
  out("x-forwarded-proto", saidProto === "http" || saidProto === "https" ? saidProto : scheme);
  const saidHost = lastOf(existing.xForwardedHost);
  const knownHost = validAuthority(saidHost) ? saidHost : host;
  if (knownHost !== "") out("x-forwarded-host", knownHost);
}

function xForwardedForBefore(existing: ExistingForwarded): string {
  if (existing.xForwardedFor !== null) return existing.xForwardedFor.trim();
  return existing.forwarded === null ? "" : forwardedChain(existing.forwarded).join(", ");
}

function forwardedValue(peer: ForwardedPeer, scheme: string, host: string, existing: ExistingForwarded): string {
  let own = `for=${forwardedAddress(peer.ip)}`;
  if (host !== "") own += `;host=${quoted(host)}`;
  own += `;proto=${scheme}`;
  if (!peer.isTrusted) return own;
  if (existing.forwarded !== null) return appendToForwarded(existing.forwarded, own);
  if (existing.xForwardedFor === null) return own;
  const chain = xForwardedForChain(existing.xForwardedFor);
  return appendTo(chain.map((ip) => `for=${forwardedAddress(ip)}`).join(", "), own);
}

/** Appends to a list without quoted commas. */
function appendTo(list: string, own: string): string {
  if (list === "") return own;
  const room = FORWARDED_LENGTH_MAX - own.length - 2;
  if (list.length <= room) return `${list}, ${own}`;
  const comma = list.indexOf(",", list.length - room - 1);
  return comma === -1 ? own : `${list.slice(comma + 1).trim()}, ${own}`;
}

/** A list with broken syntax is not appended to: an open quote would swallow what we add. */
function appendToForwarded(list: string, own: string): string {
  const elements = parseForwarded(list);
  if (elements === null) return own;
  const room = FORWARDED_LENGTH_MAX - own.length - 2;
  for (const { start } of elements) {
    if (list.length - start <= room) return `${list.slice(start).trim()}, ${own}`;
  }
  return own;
}

/** RFC 7239 §6: an IPv6 address stands in brackets and therefore in quotes; no address is `unknown`. */
function forwardedAddress(ip: string): string {
  if (ip.indexOf(":") === -1) return ip === "" ? "unknown" : ip;
  const plain = normalizeIp(ip); // also takes a zone off
  if (plain === "") return "unknown";
  return plain.indexOf(":") === -1 ? plain : `"[${plain}]"`;
}

function quoted(value: string): string {
  return TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

function lastOf(list: string | null): string {
  return list === null ? "" : list.slice(list.lastIndexOf(",") + 1).trim();
}
