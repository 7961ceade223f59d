/**
 * Cookies: reading one, taking ours out, and the sticky cookie.
 *
 * Reading is our own scan, not a parse of the whole header into an object: it runs for each request of a sticky
 * upstream, and whoever removes a cookie must see exactly the pairs that whoever reads it saw. Writing is
 * `@std/http/cookie`'s, which checks the grammar; it runs once per plan and backend or per new client.
 */

import { setCookie as untypedSetCookie } from "@std/http/cookie";

/** The part of `@std/http/cookie` that we use; what is installed comes without types. */
interface StandardCookie {
  name: string;
  value: string;
  maxAge?: number;
  path?: string;
  secure?: boolean;
  httpOnly?: boolean;
  sameSite?: SameSite;
}

const setCookie: (headers: Headers, cookie: StandardCookie) => void = untypedSetCookie;

export type SameSite = "Lax" | "Strict" | "None";

export interface StickyCookie {
  readonly name: string;
  readonly value: string;
  /** 0: until the browser closes. Rounded up to whole seconds. */
  readonly ttlMs: number;
  /** Whether the client came over TLS. */
  readonly secure: boolean;
  /** With "None" it is `Secure` in any case: browsers take no other. */
  readonly sameSite: SameSite;
}

/** Bytes of the keyed hash that go into a cookie: 128 bits cannot be guessed, and 22 characters are cheap to send. */
const STICKY_VALUE_BYTES = 16;

/**
 * Finds a cookie. The first of several with the name counts, as RFC 6265 §5.4 puts the more specific path first.
 *
 * @param cookieHeader All lines of the field, joined by "; ".
 * @param name Case-sensitive.
 * @returns The value as it came, quotes included; null when there is none.
 */
export function readCookie(cookieHeader: string, name: string): string | null {
  for (let start = 0; start < cookieHeader.length;) {
    const end = pairEnd(cookieHeader, start);
    const nameStart = skipBlank(cookieHeader, start, end);
    if (isNamed(cookieHeader, nameStart, end, name)) {
      return cookieHeader.slice(nameStart + name.length + 1, blankStart(cookieHeader, end));
    }
    start = end + 1;
  }
  return null;
}

/**
 * Takes out every cookie called `name` with its separator, and leaves all other bytes as they are.
 *
 * @returns The header without it: the same string when it was not there, null when nothing is left.
 */
export function withoutCookie(cookieHeader: string, name: string): string | null {
  let kept: string[] | null = null;
  let isFirst = true;
  for (let start = 0; start <= cookieHeader.length;) {
    const end = pairEnd(cookieHeader, start);
    if (isNamed(cookieHeader, skipBlank(cookieHeader, start, end), end, name)) {
      kept ??= start === 0 ? [] : [cookieHeader.slice(0, start - 1)];
    } else if (kept !== null) {
      // The first pair loses the blank that parted it from ours.
      const from = kept.length === 0 && !isFirst ? skipBlank(cookieHeader, start, end) : start;
      kept.push(cookieHeader.slice(from, end));
    }
    isFirst = false;
    start = end + 1;
  }
  if (kept === null) return cookieHeader;
  const rest = kept.join(";");
  return /^[;\s]*$/.test(rest) ? null : rest;
}

/**
 * The `Set-Cookie` value that binds a client to a backend.
 *
 * @throws {SyntaxError} When name or value is no cookie's.
 */
export function stickySetCookie(cookie: StickyCookie): string {
  const headers = new Headers();
  const { name, value, ttlMs, sameSite } = cookie;
  const secure = cookie.secure || sameSite === "None";
  const standard: StandardCookie = { name, value, secure, httpOnly: true, sameSite, path: "/" };
  if (ttlMs > 0) standard.maxAge = Math.ceil(ttlMs / 1000);
  setCookie(headers, standard);
  return headers.get("set-cookie") ?? "";
}

/**
 * What stands in the sticky cookie for each backend: a keyed hash, so that a client can neither read an address out
 * of it nor make one up. The same secret and identity give the same value in all workers and after a restart.
 *
 * @param secret Not empty.
 * @returns In the order of `identities`, each 22 characters of base64url.
 */
export async function stickyValues(secret: string, identities: readonly string[]): Promise<string[]> {
  if (secret === "") throw new RangeError("A sticky secret must not be empty");
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  return await Promise.all(identities.map(async (identity) => {
    const digest = await crypto.subtle.sign("HMAC", key, encoder.encode(`sluice sticky\n${identity}`));
    return base64Url(new Uint8Array(digest, 0, STICKY_VALUE_BYTES));
  }));
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function pairEnd(header: string, start: number): number {
  const end = header.indexOf(";", start);
  return end === -1 ? header.length : end;
}

function skipBlank(header: string, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(header.charCodeAt(at))) at++;
  return at;
}

function blankStart(header: string, end: number): number {
  let at = end;
  while (at > 0 && isBlank(header.charCodeAt(at - 1))) at--;
  return at;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function isNamed(header: string, start: number, end: number, name: string): boolean {
  const equals = start + name.length;
  return equals < end && header.charCodeAt(equals) === 0x3d && header.startsWith(name, start);
}
