/**
 * Where sluice listens and where backends are: parsing of what people write. Host names are lower case and IPv6
 * addresses bare (without brackets) in what comes out, as `Deno.listen` and `Deno.connect` take them.
 */

import { normalizeIp } from "./ip.ts";

export { type Cidr, CidrSet, parseCidr } from "./cidr.ts";
export { normalizeIp } from "./ip.ts";

export type ListenAddress =
  | { readonly kind: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export type BackendAddress =
  | { readonly kind: "tcp"; readonly tls: boolean; readonly hostname: string; readonly port: number }
  | { readonly kind: "unix"; readonly tls: false; readonly path: string };

/** `sun_path` holds 108 bytes with its final zero (Linux; 104 on macOS and the BSDs). */
const UNIX_PATH_BYTES_MAX = 107;

/** RFC 1035 §2.3.4, without the final dot. */
const NAME_LENGTH_MAX = 253;

/** A label as resolvers take it: letters, digits, inner hyphens, and the underscore that container names use. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * `"0.0.0.0:8080"`, `"[::]:8080"`, `"localhost:8080"` or `"unix:/run/sluice.sock"`. Port 0 lets the system choose.
 *
 * @throws {SyntaxError} The message starts at the fault, without the text's position.
 */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith("unix:")) return { kind: "unix", path: unixPath(text) };
  if (/^:\d+$/.test(text)) throw new SyntaxError(`must name a host; did you mean "0.0.0.0${text}"?`);
  if (/^\d+$/.test(text)) throw new SyntaxError(`must name a host; did you mean "0.0.0.0:${text}"?`);
  const { hostname, port } = splitAuthority(text);
  if (port === "") throw new SyntaxError(`must name a port, as in "${hostText(hostname)}:8080", got "${text}"`);
  return { kind: "tcp", hostname, port: portOf(port, 0) };
}

/**
 * `"http://host:port"`, `"https://host"` or `"unix:/run/app.sock"`: an origin and nothing more.
 *
 * @throws {SyntaxError} The message starts at the fault, without the text's position.
 */
export function parseBackendUrl(text: string): BackendAddress {
  if (text.startsWith("unix:")) return { kind: "unix", tls: false, path: unixPath(text) };
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/s.exec(text);
  if (match === null) {
    throw new SyntaxError(
      `must be a URL such as "http://10.0.0.1:8080" or "unix:/run/app.sock", got ${JSON.stringify(text)}`,
    );
  }
  const [, scheme, authority, rest] = match;
  const tls = scheme.toLowerCase() === "https";
  if (!tls && scheme.toLowerCase() !== "http") {
    throw new SyntaxError(`must start with "http://", "https://" or "unix:", got "${scheme}:"`);
  }
  // The message does not repeat the text: it may hold a password.
  if (authority.includes("@")) throw new SyntaxError(`must not hold a user or password`);
  if (rest.includes("#")) throw new SyntaxError(`must not have a fragment, got ${JSON.stringify(text)}`);
  if (rest.includes("?")) throw new SyntaxError(`must not have a query, got ${JSON.stringify(text)}`);
  if (rest !== "") {
    throw new SyntaxError(`must not have a path, got ${JSON.stringify(text)}; a route's "rewrite" changes paths`);
  }
  const { hostname, port } = splitAuthority(authority);
  return { kind: "tcp", tls, hostname, port: port === "" ? (tls ? 443 : 80) : portOf(port, 1) };
}

/** `host:port` as it is written, with brackets around IPv6; `unix:/path` for a socket. */
export function formatAddress(address: ListenAddress | BackendAddress): string {
  return address.kind === "unix" ? `unix:${address.path}` : `${hostText(address.hostname)}:${address.port}`;
}

/** Whether only this machine can reach it: a Unix socket, `localhost`, 127.0.0.0/8 or ::1. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === "unix") return true;
  return address.hostname === "localhost" || address.hostname === "::1" || /^127\.[\d.]+$/.test(address.hostname);
}

/** @returns The name in lower case or the address in its one spelling (IPv6 bare); "" when it is neither. */
export function normalizeHostname(text: string): string {
  if (text.startsWith("[")) return text.includes(":") && text.endsWith("]") ? ipv6Of(text.slice(1, -1)) : "";
  const name = text.toLowerCase();
  if (/^[\d.]+$/.test(name)) return normalizeIp(name);
  if (name.length > NAME_LENGTH_MAX || !name.split(".").every((label) => LABEL.test(label))) return "";
  return name;
}

/** A link-local address is nothing without its zone, which stays as it was written. */
function ipv6Of(text: string): string {
  const zone = text.indexOf("%");
  if (zone === -1) return normalizeIp(text);
  const ip = normalizeIp(text.slice(0, zone));
  return ip === "" || !/^%[A-Za-z0-9._-]{1,15}$/.test(text.slice(zone)) ? "" : ip + text.slice(zone);
}

function splitAuthority(text: string): { hostname: string; port: string } {
  if (!text.startsWith("[") && text.split(":").length > 2) {
    throw new SyntaxError(`must hold an IPv6 address in brackets, as in "[::1]:8080", got ${JSON.stringify(text)}`);
  }
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text);
  if (match === null) throw new SyntaxError(`must be host:port, got ${JSON.stringify(text)}`);
  if (match[1] === "") throw new SyntaxError(`must name a host, got ${JSON.stringify(text)}`);
  const hostname = normalizeHostname(match[1]);
  if (hostname === "") throw new SyntaxError(`must name a valid host, got ${JSON.stringify(match[1])}`);
  if (match[2] === "") throw new SyntaxError(`must name a port after ":", got ${JSON.stringify(text)}`);
  return { hostname, port: match[2] ?? "" };
}

function portOf(digits: string, least: number): number {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : -1;
  if (port < least || port > 65535) {
    throw new SyntaxError(`must have a port from ${least} to 65535, got ${JSON.stringify(digits)}`);
  }
  return port;
}

function unixPath(text: string): string {
  const path = text.slice("unix:".length);
  if (path === "" || path.endsWith("/")) {
    throw new SyntaxError(`must name a socket file, as in "unix:/run/app.sock", got ${JSON.stringify(text)}`);
  }
  if (path.startsWith("//")) throw new SyntaxError(`must be "unix:" and a path, got "${text}"; drop the "//"`);
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(path)) {
    throw new SyntaxError(`must not hold control characters, got ${JSON.stringify(text)}`);
  }
  if (new TextEncoder().encode(path).length > UNIX_PATH_BYTES_MAX) {
    throw new SyntaxError(`must have a socket path of at most ${UNIX_PATH_BYTES_MAX} bytes, got "${text}"`);
  }
  return path;
}

function hostText(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
