/** The opening handshake as a client makes it towards a backend (RFC 6455 §4.1, §4.2.2). Pure but for the digest. */

import { ProxyError } from "../base/errors.ts";
import { trimOws } from "../base/ows.ts";

/** RFC 6455 §1.3. */
const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Subprotocols in one offer: pages offer one to three. More are no offer, so that none costs much to look at. */
export const PROTOCOLS_MAX = 64;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What a backend answered; lines of one name joined by commas, null when absent. */
export interface HandshakeResponse {
  readonly status: number;
  readonly connection: string | null;
  readonly upgrade: string | null;
  readonly accept: string | null;
  readonly protocol: string | null;
  readonly extensions: string | null;
}

export interface HandshakeOffer {
  /** `acceptOf()` the key that was sent. */
  readonly accept: string;
  /** Subprotocols that were sent, in order. */
  readonly protocols: readonly string[];
}

/** @returns The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`. */
export async function acceptOf(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key.trim() + KEY_SUFFIX));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/** @returns Whether a client's `Sec-WebSocket-Key` is the base64 of 16 bytes, in its one spelling. */
export function validKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key);
}

/**
 * Reads a `Sec-WebSocket-Protocol` request field.
 *
 * @returns The offered names in order, or null when one is no token or comes twice (§4.1, point 10), or there are too many.
 */
export function parseProtocols(value: string): string[] | null {
  const protocols: string[] = [];
  for (const part of value.split(",")) {
    const name = trimOws(part);
    if (name === "") continue;
    if (protocols.length === PROTOCOLS_MAX || !TOKEN.test(name) || protocols.includes(name)) return null;
    protocols.push(name);
  }
  return protocols;
}

/**
 * Checks a backend's answer (RFC 6455 §4.1, "if the response lacks").
 *
 * @returns The subprotocol agreed on, "" for none.
 * @throws {ProxyError} `upgrade_failed`, with what is wrong. No extension was offered, so any in the answer is.
 */
export function validateHandshake(response: HandshakeResponse, offer: HandshakeOffer): string {
  const { status, connection, upgrade, accept, protocol, extensions } = response;
  if (status !== 101) throw refusal(`Status is ${status}, not 101`);
  if (upgrade === null || upgrade.trim().toLowerCase() !== "websocket") throw refusal('"Upgrade" is not "websocket"');
  if (connection === null || !listHas(connection, "upgrade")) throw refusal('"Connection" does not name "Upgrade"');
  if (accept === null || accept.trim() !== offer.accept) {
    throw refusal('"Sec-WebSocket-Accept" does not answer the key');
  }
  if (extensions !== null) throw refusal('"Sec-WebSocket-Extensions" names what was not offered');
  if (protocol === null) return "";
  if (!offer.protocols.includes(protocol.trim())) {
    throw refusal('"Sec-WebSocket-Protocol" names what was not offered');
  }
  return protocol.trim();
}

function refusal(detail: string): ProxyError {
  return new ProxyError("upgrade_failed", detail);
}

function listHas(list: string, lowerToken: string): boolean {
  return list.split(",").some((part) => part.trim().toLowerCase() === lowerToken);
}
