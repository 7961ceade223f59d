/**
 * Fields that speak to the next hop only and therefore end here, both ways (RFC 9110 §7.6.1).
 *
 * `Trailer`, `Transfer-Encoding` and `Content-Length` describe framing, which the codec makes anew; `Transfer-Encoding`
 * is listed all the same, because it is never copied.
 *
 * `Proxy-Authorization` and `Proxy-Authenticate` end here although RFC 9110 §11.7 lets a chain of proxies share them:
 * towards clients a reverse proxy is the origin, so credentials for "the proxy" are not for a backend to see, and a
 * backend's challenge is not one that a client could answer.
 */

import { trimOws } from "../base/ows.ts";

/** Names, lower case, that are never copied to the other side. */
export const HOP_BY_HOP_NAMES: readonly string[] = [
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
];

const HOP_BY_HOP = new Set(HOP_BY_HOP_NAMES);

/**
 * What a `Connection` field may name without effect. Two reasons, no others: `Host` and the framing were validated
 * and decided on before, so the far side must see the same; the rest we make ourselves, and a client that could have
 * it removed could hide where it comes from. Everything else only takes back what its sender sent.
 */
export const PROTECTED_NAMES: readonly string[] = [
  "content-length",
  "expect",
  "forwarded",
  "host",
  "trailer",
  "traceparent",
  "tracestate",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
  "x-request-id",
];

const PROTECTED = new Set(PROTECTED_NAMES);

/** Distinct fields one `Connection` may name; real ones name one or two, and each is looked up for every field. */
export const NOMINATED_MAX = 32;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What a `Connection` field says. Shared between requests: read only. */
export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  /** Lower-case names of further fields to remove: no duplicate, none protected, none hop-by-hop in any case. */
  readonly nominated: readonly string[];
  /** Not a list of tokens, or too many. `close` is then set; a request with it deserves a refusal. */
  readonly isMalformed: boolean;
}

/** For a message without the field. */
export const NO_CONNECTION_OPTIONS: ConnectionOptions = options(false, false, false);
const KEEP_ALIVE = options(false, true, false);
const CLOSE = options(true, false, false);
const UPGRADE = options(false, false, true);

/**
 * Reads a `Connection` field (RFC 9110 §7.6.1). The common values cost a comparison and no object.
 *
 * @param value All lines of the field, joined by commas; "" counts as absent.
 */
export function parseConnection(value: string): ConnectionOptions {
  switch (value) {
    case "":
      return NO_CONNECTION_OPTIONS;
    case "keep-alive":
    case "Keep-Alive":
      return KEEP_ALIVE;
    case "close":
    case "Close":
      return CLOSE;
    case "upgrade":
    case "Upgrade":
      return UPGRADE;
    default:
      return parseConnectionList(value);
  }
}

/**
 * @param value All lines of a `TE` field, joined by commas.
 * @returns Whether the sender takes trailers: the only thing in TE that may pass on.
 */
export function teTrailers(value: string): boolean {
  if (value === "trailers") return true;
  for (const part of value.split(",")) {
    if (trimOws(part).toLowerCase() === "trailers") return true;
  }
  return false;
}

function options(close: boolean, keepAlive: boolean, upgrade: boolean): ConnectionOptions {
  return { close, keepAlive, upgrade, nominated: [], isMalformed: false };
}

function parseConnectionList(value: string): ConnectionOptions {
  let close = false;
  let keepAlive = false;
  let upgrade = false;
  let isMalformed = false;
  const nominated: string[] = [];
  for (const part of value.toLowerCase().split(",")) {
    const token = trimOws(part);
    if (token === "") continue; // RFC 9110 §5.6.1: empty list elements are allowed for
    if (token === "close") close = true;
    else if (token === "keep-alive") keepAlive = true;
    else if (token === "upgrade") upgrade = true;
    else if (!TOKEN.test(token)) isMalformed = true;
    else if (HOP_BY_HOP.has(token) || PROTECTED.has(token) || nominated.includes(token)) continue;
    else if (nominated.length === NOMINATED_MAX) isMalformed = true;
    else nominated.push(token);
    if (isMalformed) break;
  }
  return { close: close || isMalformed, keepAlive, upgrade, nominated, isMalformed };
}
