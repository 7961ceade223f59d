/**
 * Who the client is, when proxies we trust stand before us.
 *
 * `X-Forwarded-For` and `Forwarded` (RFC 7239) are lists that each proxy appends to, so only the right end is believed:
 * the last entry was written by the connection's other side, the one before it by whom that entry names, and so on
 * while those are trusted. The client is the right-most address that is not. An entry that is no address (`unknown`,
 * an obfuscated name, junk) ends the walk: whatever stands to its left nobody vouches for.
 */

import { normalizeIp } from "../base/ip.ts";

/** The trusted networks; `CidrSet` of lib/base fits. */
export interface TrustedNetworks {
  has(ip: string): boolean;
}

/** One element of a `Forwarded` field: its parameters unquoted, "" when it has none. */
export interface ForwardedElement {
  readonly start: number;
  readonly forValue: string;
  readonly proto: string;
}

/**
 * Finds the client. A caller that believes only one of the two fields passes null for the other: a proxy that writes
 * one and passes on the other would let its client forge it. With both, `X-Forwarded-For` counts.
 *
 * @param peerIp Of the connection; "" for a Unix socket. Returned as it is unless it is trusted.
 * @param xForwardedFor All lines, joined by commas; null when absent.
 * @param forwarded All lines, joined by commas; null when absent.
 */
export function clientAddress(
  peerIp: string,
  xForwardedFor: string | null,
  forwarded: string | null,
  trusted: TrustedNetworks,
): string {
  if (xForwardedFor === null && forwarded === null) return peerIp;
  if (!trusted.has(peerIp)) return peerIp;
  const chain = xForwardedFor !== null ? xForwardedForChain(xForwardedFor) : forwardedChain(forwarded!);
  for (let index = chain.length - 1; index >= 0; index--) {
    if (!trusted.has(chain[index])) return chain[index];
  }
  return chain.length > 0 ? chain[0] : peerIp;
}

/** @returns The addresses behind the last malformed entry, oldest first, in their one spelling. */
export function xForwardedForChain(value: string): string[] {
  const chain: string[] = [];
  let end = value.length;
  while (end >= 0) {
    const comma = end === 0 ? -1 : value.lastIndexOf(",", end - 1);
    const entry = value.slice(comma + 1, end).trim();
    end = comma;
    if (entry === "" && comma !== -1) continue; // an empty list element
    const ip = addressIn(entry);
    if (ip === "") break;
    chain.push(ip);
    if (comma === -1) break;
  }
  return chain.reverse();
}

/** As `xForwardedForChain()`, for `Forwarded`. A field with broken syntax vouches for nothing: quotes may not pair. */
export function forwardedChain(value: string): string[] {
  const elements = parseForwarded(value);
  if (elements === null) return [];
  const chain: string[] = [];
  for (let index = elements.length - 1; index >= 0; index--) {
    const ip = addressIn(elements[index].forValue);
    if (ip === "") break;
    chain.push(ip);
  }
  return chain.reverse();
}

/** What the client that `clientAddress()` finds is said to have come by, in lower case; "" for nothing. */
export function forwardedScheme(value: string, trusted: TrustedNetworks): string {
  const elements = parseForwarded(value);
  if (elements === null || elements.length === 0) return "";
  let index = elements.length - 1;
  while (index > 0 && trusted.has(addressIn(elements[index].forValue))) index--;
  return elements[index].proto.toLowerCase();
}

/**
 * Reads an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
 *
 * @returns Its one spelling, or "" when it is none.
 */
function addressIn(text: string): string {
  const colon = text.lastIndexOf(":");
  if (colon === -1) return normalizeIp(text);
  if (text.charCodeAt(0) === 0x5b) {
    if (text.endsWith("]")) return normalizeIp(text);
    return text.charCodeAt(colon - 1) === 0x5d && isPort(text, colon + 1) ? normalizeIp(text.slice(0, colon)) : "";
  }
  if (text.indexOf(":") !== colon) return normalizeIp(text); // IPv6 without brackets cannot have a port
  return isPort(text, colon + 1) ? normalizeIp(text.slice(0, colon)) : "";
}

/** A pair with its value as token or quoted-string; sticky, so that nothing is skipped (RFC 7239 §4). */
const PAIR = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"((?:[^"\\]|\\.)*)")/y;
const SEPARATOR = /[ \t]*([;,]|$)[ \t]*/y;

/** @returns The elements in order, or null when the syntax is broken anywhere. */
export function parseForwarded(value: string): ForwardedElement[] | null {
  const elements: ForwardedElement[] = [];
  let at = skipOws(value, 0);
  let start = at;
  let forValue: string | null = null;
  let proto: string | null = null;
  let isEmpty = true;
  while (true) {
    PAIR.lastIndex = at;
    const pair = PAIR.exec(value);
    if (pair !== null) {
      const name = pair[1].toLowerCase();
      if (name === "for") {
        if (forValue !== null) return null; // each parameter once per element
        forValue = unquoted(pair);
      } else if (name === "proto") {
        if (proto !== null) return null;
        proto = unquoted(pair);
      }
      isEmpty = false;
      at += pair[0].length;
    }
    SEPARATOR.lastIndex = at;
    const separator = SEPARATOR.exec(value);
    if (separator === null) return null;
    at += separator[0].length;
    if (separator[1] === ";") continue;
    if (!isEmpty) elements.push({ start, forValue: forValue ?? "", proto: proto ?? "" });
    if (separator[1] === "") return elements;
    start = at;
    forValue = null;
    proto = null;
    isEmpty = true;
  }
}

/** @param pair What `PAIR` found. */
function unquoted(pair: RegExpExecArray): string {
  return pair[2] ?? pair[3].replace(/\\(.)/g, "$1");
}

function skipOws(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09) at++;
  return at;
}

/** RFC 7239 §6: a port is digits, or an obfuscated one that begins with "_" and tells us nothing. */
function isPort(text: string, from: number): boolean {
  if (from >= text.length || text.length - from > 5) return false;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}
