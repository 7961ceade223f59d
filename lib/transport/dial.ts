/**
 * Opening one connection to a backend. The only place where `Deno.errors.*` of connecting become codes.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { isCertificateFault, tlsReason } from "./tls_reason.ts";

export type DialAddress =
  | { readonly kind: "tcp"; readonly tls: boolean; readonly hostname: string; readonly port: number }
  | { readonly kind: "unix"; readonly tls: false; readonly path: string };

/** PEM texts; "" when absent. */
export interface DialTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** SNI and the name verified; "": the address's host. */
  readonly serverName: string;
}

export interface DialOptions {
  readonly address: DialAddress;
  readonly tls: DialTls;
  readonly timeoutMs: number;
  /** Told of each connection that was opened. @param tlsMs -1 without TLS. */
  readonly onDialled?: (connectMs: number, tlsMs: number) => void;
  /** Told how each handshake went. @param problem Why it was refused, for people; "" when all was well. */
  readonly onTls?: (problem: string) => void;
}

/**
 * `Deno.connectTls` alone takes a client certificate and `Deno.startTls` alone a name to verify; for both at once Deno
 * has this registered symbol as an option of `connectTls`.
 */
const SERVER_NAME = Symbol.for("unstableServerName");

/**
 * Connects, and shakes hands when the address wants TLS.
 *
 * @returns A connection that the caller closes.
 * @throws {ProxyError} `connect_*`, `dns_failed`, `tls_*` or `descriptors_exhausted`; nothing stays open then.
 */
export async function dial(options: DialOptions): Promise<Deno.Conn> {
  const abort = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort.abort();
  }, options.timeoutMs);
  const timing: Timing = { connectedMs: 0 };
  const startedMs = performance.now();
  try {
    const conn = await connect(options, abort.signal, timing);
    if (timing.connectedMs === 0) options.onDialled?.(performance.now() - startedMs, -1);
    else options.onDialled?.(timing.connectedMs - startedMs, performance.now() - timing.connectedMs);
    if (options.address.tls) options.onTls?.("");
    return conn;
  } catch (error) {
    if (timedOut) throw new ProxyError("connect_timeout");
    const failure = connectError(error);
    if (failure.code !== "tls_certificate_invalid" && failure.code !== "tls_failed") throw failure;
    const reason = tlsReason(failure.cause, { serverName: nameOf(options), hasCa: options.tls.ca !== "" });
    options.onTls?.(reason);
    throw new ProxyError(failure.code, reason, failure.cause);
  } finally {
    clearTimeout(timer);
  }
}

/** When TCP was connected and TLS began; 0 without TLS. */
interface Timing {
  connectedMs: number;
}

async function connect({ address, tls }: DialOptions, signal: AbortSignal, timing: Timing): Promise<Deno.Conn> {
  if (address.kind === "unix") return await Deno.connect({ transport: "unix", path: address.path });
  if (!address.tls) return await connectTcp(address.hostname, address.port, signal);
  const serverName = nameOf({ address, tls });
  const conn = tls.cert === ""
    ? await connectTls(address, tls, serverName, signal)
    : await connectMutualTls(address, tls, serverName, signal);
  timing.connectedMs = performance.now();
  return await shakeHands(conn, signal);
}

/** That the certificate has to have. */
function nameOf({ address, tls }: Pick<DialOptions, "address" | "tls">): string {
  return tls.serverName !== "" ? tls.serverName : address.kind === "tcp" ? address.hostname : "";
}

async function connectTcp(hostname: string, port: number, signal: AbortSignal): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port, signal });
  conn.setNoDelay(true);
  return conn;
}

async function connectTls(
  address: { hostname: string; port: number },
  tls: DialTls,
  serverName: string,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const tcp = await connectTcp(address.hostname, address.port, signal);
  try {
    return await Deno.startTls(tcp, { hostname: serverName, caCerts: tls.ca === "" ? [] : [tls.ca] });
  } catch (error) {
    closeQuietly(tcp);
    throw error;
  }
}

/** Shakes no hands yet, but for what `Deno.connectTls` does by itself. It takes no signal: a connection that comes too late is closed when it comes. */
async function connectMutualTls(
  address: { hostname: string; port: number },
  tls: DialTls,
  serverName: string,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const options = {
    hostname: address.hostname,
    port: address.port,
    caCerts: tls.ca === "" ? [] : [tls.ca],
    cert: tls.cert,
    key: tls.key,
    [SERVER_NAME]: serverName,
  };
  const connecting = Deno.connectTls(options);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => {
    connecting.then(closeQuietly, () => {}); // its failure has nobody left to hear it
    aborted.reject(new ProxyError("connect_timeout"));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([connecting, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function shakeHands(conn: Deno.TlsConn, signal: AbortSignal): Promise<Deno.TlsConn> {
  const onAbort = () => closeQuietly(conn);
  if (signal.aborted) onAbort(); // between two steps of connecting: no event will come
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    closeQuietly(conn);
    throw new ProxyError(tlsErrorCode(error), "", error);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function tlsErrorCode(error: unknown): ErrorCode {
  return error instanceof Deno.errors.InvalidData && isCertificateFault(error)
    ? "tls_certificate_invalid"
    : "tls_failed";
}

function connectError(error: unknown): ProxyError {
  return error instanceof ProxyError ? error : new ProxyError(connectErrorCode(error), "", error);
}

function connectErrorCode(error: unknown): ErrorCode {
  if (error instanceof Deno.errors.ConnectionRefused) return "connect_refused";
  if (error instanceof Deno.errors.TimedOut) return "connect_timeout";
  if (error instanceof Deno.errors.InvalidData) return tlsErrorCode(error);
  if (error instanceof Deno.errors.NotFound) return "connect_refused"; // a Unix socket that is not there
  switch ((error as { code?: string } | null)?.code) {
    case "EMFILE":
    case "ENFILE":
      return "descriptors_exhausted";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return "connect_unreachable";
  }
  // A failed look-up is a plain Error without a code; its text is all that tells.
  if (error instanceof Error && error.message.startsWith("failed to lookup address")) return "dns_failed";
  return "connect_failed";
}

/** Whether somebody listens on a Unix socket's file, nobody does, or there is none (or none that we may use). */
export async function probeSocket(path: string): Promise<"alive" | "dead" | "none"> {
  try {
    closeQuietly(await Deno.connect({ transport: "unix", path }));
    return "alive";
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused ? "dead" : "none";
  }
}

/** Closing twice, or closing what the other side has closed, is not an error for us. */
export function closeQuietly(conn: { close(): void }): void {
  try {
    conn.close();
  } catch {
    // BadResource: it is closed already.
  }
}
