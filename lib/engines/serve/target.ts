/**
 * Recovers authority and target from what `Deno.serve` makes of a request.
 *
 * `request.url` is a plain join of scheme, authority and target, without any normalisation, so the target's bytes can be
 * cut out of it again. What cannot be recovered: whether an HTTP/1.1 request came without `Host` (Deno puts the
 * listener's own name there, see `fallbackAuthority`), or with the HTTP/2 authority of that very name.
 */

import type { ErrorCode } from "../../base/errors.ts";
import { validAuthority } from "../../fields/authority.ts";

export interface ServeTarget {
  readonly authority: string;
  /** Origin form or "*". */
  readonly target: string;
  /** "" when both are fine. */
  readonly problem: ErrorCode | "";
}

/** Deno takes an absolute form of any scheme; ours are two (RFC 9110 §4.2), and Deno's own for Unix sockets. */
const HTTP_SCHEME = /^(https?|http\+unix):\/\//i;

/** Spaces and controls can't come through Deno's parser, but they must not depend on that; "#" does come through. */
// deno-lint-ignore no-control-regex
const FORBIDDEN_IN_TARGET = /[\x00-\x20#\x7f]/;

// deno-lint-ignore no-control-regex
const NOT_ASCII = /[^\x00-\x7f]/;

/**
 * @param host The `Host` field; null when there is none.
 * @param fallback What Deno puts for a missing `Host`; "" when it can't be told from an HTTP/2 authority.
 */
export function serveTarget(method: string, url: string, host: string | null, fallback: string): ServeTarget {
  if (!HTTP_SCHEME.test(url)) return { authority: "", target: "/", problem: "request_invalid" };
  const start = url.indexOf("://") + 3;
  if (host !== null && host !== "" && url.startsWith(host, start)) {
    const end = start + host.length;
    if (end === url.length || isTargetStart(url.charCodeAt(end))) return checked(method, host, url.slice(end));
  }
  // HTTP/2, absolute form (whose authority goes before Host, RFC 9112 §3.2.2), or no Host at all.
  let end = start;
  while (end < url.length && !isTargetStart(url.charCodeAt(end))) end++;
  const authority = url.slice(start, end);
  if (host === "" || (host === null && authority === fallback)) {
    return { authority, target: "/", problem: "host_invalid" };
  }
  if (host !== null && !validAuthority(host)) return { authority, target: "/", problem: "host_invalid" };
  return checked(method, authority, url.slice(end));
}

/**
 * What Deno takes as the authority of a request that has none.
 *
 * @param isSecure Then "": on TLS the name may as well be the `:authority` of HTTP/2.
 */
export function fallbackAuthority(addr: Deno.Addr, isSecure: boolean): string {
  if (isSecure) return "";
  if (addr.transport === "unix") return percentEncoded((addr as Deno.UnixAddr).path);
  const { hostname, port } = addr as Deno.NetAddr;
  const isLocal = hostname === "0.0.0.0" || hostname === "::" || hostname === "::1" || hostname.startsWith("127.");
  const name = isLocal ? "localhost" : hostname.includes(":") && port !== 80 ? `[${hostname}]` : hostname;
  return port === 80 ? name : `${name}:${port}`;
}

function checked(method: string, authority: string, rest: string): ServeTarget {
  if (!validAuthority(authority)) return { authority, target: "/", problem: "host_invalid" };
  if (method === "CONNECT") return { authority, target: "/", problem: "request_unsupported" };
  let target = NOT_ASCII.test(rest) ? bytesOf(rest) : rest;
  if (target === "") target = "/";
  else if (target.charCodeAt(0) === 0x3f) target = "/" + target;
  else if (method === "OPTIONS" && target === "/*") target = "*"; // Deno puts the slash before the asterisk form
  // A "*" is the asterisk form of OPTIONS, or the authority of an absolute form holds it; HTTP/2 lets it pass anywhere.
  const isForm = target.charCodeAt(0) === 0x2f || target === "*" && method === "OPTIONS";
  const problem = !isForm || FORBIDDEN_IN_TARGET.test(target) ? "request_invalid" : "";
  return { authority, target, problem };
}

/** Deno has read the target as UTF-8 (and refused what is not): back to one character a byte. */
function bytesOf(text: string): string {
  let bytes = "";
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return bytes;
}

/** "/" or "?", or the "*" of the asterisk form. */
function isTargetStart(code: number): boolean {
  return code === 0x2f || code === 0x3f || code === 0x2a;
}

/** Every byte but letters and digits, as Deno does it with a Unix socket's path. */
function percentEncoded(path: string): string {
  let text = "";
  for (const byte of new TextEncoder().encode(path)) {
    const char = String.fromCharCode(byte);
    text += /[0-9A-Za-z]/.test(char) ? char : "%" + byte.toString(16).toUpperCase().padStart(2, "0");
  }
  return text;
}
