/**
 * What a `hash` upstream hashes: the text that `[hash] key` names in a request.
 *
 * Values are taken raw, without decoding: the same client sends the same bytes each time, and that is all that a
 * consistent choice needs. A key that is there but empty counts as absent, or all requests with an empty one would
 * land on one backend.
 */

import { readCookie } from "./cookies.ts";

export type HashKeySource = "client_ip" | "path" | "header" | "cookie" | "query";

/** What a request must be able to tell. */
export interface HashKeyInput {
  /** "" for a Unix socket. */
  readonly clientIp: string;
  /** Without the query. */
  readonly path: string;
  /** Without "?"; "" when there is none. */
  readonly query: string;
  /** @returns The field's lines joined by commas (`cookie`: by "; "), or null. */
  field(lowerName: string): string | null;
}

/** @returns The text to hash, or null when the request does not have it. */
export type HashKey = (input: HashKeyInput) => string | null;

/** @param name Of the header (lower case), cookie or query parameter; ignored for the rest. */
export function compileHashKey(source: HashKeySource, name: string): HashKey {
  switch (source) {
    case "client_ip":
      return (input) => present(input.clientIp);
    case "path":
      return (input) => input.path;
    case "header":
      return (input) => present(input.field(name));
    case "cookie":
      return (input) => {
        const header = input.field("cookie");
        return header === null ? null : present(readCookie(header, name));
      };
    case "query":
      return (input) => present(queryValue(input.query, name));
  }
}

/**
 * Finds a parameter's first value.
 *
 * @param query Without "?".
 * @param name As it stands in the query: not decoded, case-sensitive.
 * @returns The value as it stands there, "" for a name without "=", null when the parameter is absent.
 */
export function queryValue(query: string, name: string): string | null {
  for (let start = 0; start < query.length;) {
    let end = query.indexOf("&", start);
    if (end === -1) end = query.length;
    if (query.startsWith(name, start)) {
      const at = start + name.length;
      if (at === end) return "";
      if (at < end && query.charCodeAt(at) === 0x3d) return query.slice(at + 1, end);
    }
    start = end + 1;
  }
  return null;
}

function present(text: string | null): string | null {
  return text === "" ? null : text;
}
