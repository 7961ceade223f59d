/**
 * Authority and target of a request head as bytes (RFC 9112 §3.2, §3.3).
 */

import { type ErrorCode, ProxyError } from "../../../base/errors.ts";
import { FieldId } from "../../../base/field_names.ts";
import { validAuthority } from "../../../fields/authority.ts";
import type { Head } from "../../../http1/head.ts";
import { TextMemo } from "../../../http1/text_memo.ts";

export interface WireTarget {
  readonly authority: string;
  /** Origin form or "*". */
  readonly target: string;
}

const SLASH = 0x2f;
const isAnything = () => true;

/** Hosts that were found valid. */
const hosts = new TextMemo();
const targets = new TextMemo();

/** How often hosts and targets were among those of requests before, in this thread. */
export function targetLookups(): { readonly hits: number; readonly misses: number } {
  return { hits: hosts.hits + targets.hits, misses: hosts.misses + targets.misses };
}

const ABSOLUTE = /^https?:\/\/([^/?]*)(.*)$/is;

/**
 * @param host What `hostOf()` says.
 * @param head Decoded, so the target has no spaces, controls or "#".
 * @throws {ProxyError} `host_invalid`, `request_invalid`, `request_unsupported` (CONNECT).
 */
export function wireTarget(head: Head, host: string): WireTarget {
  if (head.method === "CONNECT") throw new ProxyError("request_unsupported");
  const target = targets.text(head.bytes, head.targetStart, head.targetEnd, isAnything)!;
  if (head.bytes[head.targetStart] === SLASH) return { authority: host, target };
  if (target === "*" && head.method === "OPTIONS") return { authority: host, target };
  const absolute = ABSOLUTE.exec(target);
  if (absolute === null) throw new ProxyError("request_invalid");
  // The authority of the absolute form goes before Host (RFC 9112 §3.2.2); Host must be there and valid all the same.
  const [, authority, rest] = absolute;
  if (!validAuthority(authority)) throw problem("host_invalid");
  return {
    authority,
    target: rest.startsWith("/") ? rest : rest === "" && head.method === "OPTIONS" ? "*" : `/${rest}`,
  };
}

/** One `Host`, valid; HTTP/1.0 may come without: "" (RFC 9112 §3.2). @throws {ProxyError} `host_invalid`. */
export function hostOf(head: Head): string {
  const index = head.find(FieldId.host);
  if (index < 0) {
    if (head.minorVersion === 0) return "";
    throw problem("host_invalid");
  }
  if (head.find(FieldId.host, index + 1) >= 0) throw problem("host_invalid");
  const host = hosts.text(head.fieldBytes, head.offsets[4 * index + 2], head.offsets[4 * index + 3], validAuthority);
  if (host === null) throw problem("host_invalid");
  return host;
}

function problem(code: ErrorCode): ProxyError {
  return new ProxyError(code);
}
