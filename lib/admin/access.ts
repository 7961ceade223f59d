/**
 * Who may talk to the admin listener.
 *
 * - A token, where one is configured, is always asked for. Without one the listener is on loopback or a Unix socket
 *   (validation sees to that), and whoever can reach it may use it, as far as the rest below allows.
 * - A page of another site, open in the operator's own browser, can reach loopback too. It must not get anywhere:
 *   there are no CORS headers, so it can read nothing. What changes something needs what a form cannot send and a script of
 *   another origin cannot send without asking first: a JSON or TOML content type, an `X-Sluice-Admin` field, or the token.
 *   `Sec-Fetch-Site` and `Origin`, which no page can forge, must not say otherwise.
 * - DNS rebinding makes a foreign page the same origin, with a name of its own choice in `Host`. On loopback only the
 *   names of loopback pass. Elsewhere the token protects: such a page does not have it, as it is not a cookie.
 *   A Unix socket is out of reach for browsers, so any name passes.
 *
 * `/healthz` and `/readyz` are for machines that know no token: they are open, and say no more than yes or no to
 * whoever may not know more. The page and its assets hold nothing secret.
 */

import { isLoopback, type ListenAddress } from "../base/address.ts";

export interface Denial {
  readonly status: 401 | 403;
  readonly message: string;
}

/** What anybody may ask for. */
const OPEN_PATHS = /^\/(?:healthz|readyz|assets\/[a-z0-9._-]+)?$/i;
/** Paths that must answer under any name: load balancers and orchestrators ask by address. */
const PROBE_PATHS: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);
const LOOPBACK_NAMES: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);
const CUSTOM_FIELD = "x-sluice-admin";

export class Access {
  /** SHA-256 of the token: compared in its stead, so that the time it takes says nothing, not even the length. */
  readonly #digest: Uint8Array | null;
  /** Names that `Host` may hold; null: any. */
  readonly #hosts: ReadonlySet<string> | null;

  private constructor(digest: Uint8Array | null, hosts: ReadonlySet<string> | null) {
    this.#digest = digest;
    this.#hosts = hosts;
  }

  static async create({ token, address }: { token: string; address: ListenAddress }): Promise<Access> {
    const hosts = address.kind === "tcp" && isLoopback(address)
      ? new Set([...LOOPBACK_NAMES, address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname])
      : null;
    return new Access(token === "" ? null : await sha256(token), hosts);
  }

  /** @returns Why the request goes no further; null when it may. */
  async judge(request: Request): Promise<Denial | null> {
    const { pathname, host } = new URL(request.url);
    if (PROBE_PATHS.has(pathname)) return null;
    if (!this.#knowsHost(request.headers.get("host") ?? host)) {
      return { status: 403, message: "Host must be localhost, 127.0.0.1 or [::1]" };
    }
    if (OPEN_PATHS.test(pathname) && isRead(request)) return null;
    const site = request.headers.get("sec-fetch-site");
    if (site !== null && site !== "same-origin" && site !== "none") {
      return { status: 403, message: "requests from other sites are refused" };
    }
    const bearer = bearerOf(request);
    if (this.#digest !== null && !(bearer !== "" && isEqual(this.#digest, await sha256(bearer)))) {
      const message = bearer === "" ? 'a token is required: "Authorization: Bearer …"' : "the token is wrong";
      return { status: 401, message };
    }
    return isRead(request) ? null : judgeWrite(request, bearer);
  }

  /** Whether the caller of an open path may learn more than everybody may. */
  async knows(request: Request): Promise<boolean> {
    const { host } = new URL(request.url);
    if (!this.#knowsHost(request.headers.get("host") ?? host)) return false;
    if (this.#digest === null) return true;
    return isEqual(this.#digest, await sha256(bearerOf(request)));
  }

  #knowsHost(host: string): boolean {
    return this.#hosts === null || this.#hosts.has(host.toLowerCase().replace(/:\d*$/, ""));
  }
}

function judgeWrite(request: Request, bearer: string): Denial | null {
  const origin = request.headers.get("origin");
  const host = request.headers.get("host") ?? new URL(request.url).host;
  if (origin !== null && origin.replace(/^https?:\/\//, "").toLowerCase() !== host.toLowerCase()) {
    return { status: 403, message: "requests from other origins are refused" };
  }
  const type = (request.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  const isDeliberate = bearer !== "" || type === "application/json" || type === "application/toml" ||
    request.headers.has(CUSTOM_FIELD);
  if (isDeliberate) return null;
  return {
    status: 403,
    message: `send "content-type: application/json", or "${CUSTOM_FIELD}: 1": no form of another site can`,
  };
}

function isRead({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

function bearerOf(request: Request): string {
  return /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Takes as long for any two digests. */
function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  let difference = 0;
  for (let index = 0; index < one.length; index++) difference |= one[index] ^ other[index];
  return difference === 0;
}
