/**
 * Redirect templates: a Location from what the route's path captured.
 *
 * Either an absolute http or https URL or a path on the same host. Captures go into path and query only, never into
 * scheme or authority, and the path always begins with exactly one "/" (see rewrite.ts), so that no request can choose
 * the host it is sent to. "https://a.test*" and "//a.test/*" are refused for the same reason.
 */

import { checkText, compileRewrite, refusal, type Rewrite } from "./rewrite.ts";
import type { Captures } from "./types.ts";

/** Scheme and authority; the rest is path, query, fragment. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

export class Redirect {
  /** "https://www.example.com", or "" for the same host. */
  readonly #origin: string;
  readonly #rewrite: Rewrite;
  /** With its "#"; "" when there is none. */
  readonly #fragment: string;

  /** Made by `compileRedirect()`. */
  constructor(origin: string, rewrite: Rewrite, fragment: string) {
    this.#origin = origin;
    this.#rewrite = rewrite;
    this.#fragment = fragment;
  }

  /** As `Rewrite.apply()`. @returns The value for a Location field. */
  apply(captures: Captures, query: string): string {
    return this.#origin + this.#rewrite.apply(captures, query) + this.#fragment;
  }
}

/**
 * @param path The route's path.
 * @throws {SyntaxError} For anything but an http(s) URL or a path, or when it uses what the path does not capture.
 */
export function compileRedirect(to: string, path: string): Redirect {
  checkText(to);
  const origin = ORIGIN.exec(to)?.[0] ?? "";
  if (origin !== "") checkOrigin(to, origin);
  else if (!to.startsWith("/")) throw refusal(to, `must begin with "https://", "http://" or "/"`);
  const hash = to.indexOf("#");
  const fragment = hash === -1 ? "" : to.slice(hash);
  if (/[*:]/.test(fragment)) throw refusal(to, `must not use "*" or ":name" in its fragment`);
  const rest = to.slice(origin.length, hash === -1 ? to.length : hash);
  return new Redirect(origin, compileRewrite(rest.startsWith("/") ? rest : "/" + rest, path), fragment);
}

function checkOrigin(to: string, origin: string): void {
  const authority = origin.slice(origin.indexOf("//") + 2);
  if (authority.includes("*") || /:[^0-9]/.test(authority.replace(/^\[[0-9A-Fa-f:.]+\]/, ""))) {
    throw refusal(to, `must not use "*" or ":name" in its host: a request could choose where it is sent`);
  }
  if (authority.includes("@")) throw refusal(to, "must not have a user name");
  if (authority === "" || !URL.canParse(origin)) throw refusal(to, "must have a valid host");
}
