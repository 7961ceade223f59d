/**
 * Clients that hold connections to a backend for as long as they are let, at no cost to themselves. All of them have one
 * address; who asks with another one is not to notice.
 */

import { chunk, type Script, tunnelEcho } from "./backend_scripts.ts";
import { get, parseAddress } from "./raw_client.ts";

export const ATTACKER = "10.6.6.6";
export const HONEST = "10.9.9.9";
const SLOW_PAGE_MS = 5000;
const LARGE_BYTES = 32 * 1024 * 1024;
const encoder = new TextEncoder();

export interface Attack {
  readonly name: string;
  /** What each client sends when it has connected. */
  readonly head: (prefix: string) => string;
  /** Sent again and again behind it; "" for nothing. */
  readonly piece: string;
  /** Closes after so long and comes again; 0: stays. */
  readonly staysMs: number;
}

const field = `X-Forwarded-For: ${ATTACKER}\r\n`;
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

function head(method: string, target: string, more = ""): (prefix: string) => string {
  return (prefix) => `${method} ${prefix}${target} HTTP/1.1\r\nHost: a.test\r\n${field}${more}\r\n`;
}

export const ATTACKS: readonly Attack[] = [
  { name: "drip a small body", head: head("POST", "/x", "Content-Length: 5000\r\n"), piece: "x", staysMs: 0 },
  {
    name: "drip a body without a length",
    head: head("POST", "/x", "Transfer-Encoding: chunked\r\n"),
    piece: "1\r\nx\r\n",
    staysMs: 0,
  },
  { name: "hold idle WebSockets", head: head("GET", "/tunnel", UPGRADE), piece: "", staysMs: 0 },
  { name: "read nothing of a large answer", head: head("GET", "/large"), piece: "", staysMs: 0 },
  { name: "ask for a slow page and close", head: head("GET", "/slow"), piece: "", staysMs: 1000 },
];

/** What the backend does. */
export const victim: Script = async (exchange) => {
  const { target } = exchange.request;
  if (target.endsWith("/tunnel")) return await tunnelEcho("websocket")(exchange);
  await exchange.readBody();
  if (target.endsWith("/slow")) await exchange.wait(SLOW_PAGE_MS);
  if (!target.endsWith("/large")) return await exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  await exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  const piece = chunk("x".repeat(64 * 1024));
  for (let sent = 0; sent < LARGE_BYTES; sent += 64 * 1024) await exchange.write(piece);
  await exchange.write("0\r\n\r\n");
};

/** Runs until `signal`. Never rejects. */
export async function attack(
  { head, piece, staysMs }: Attack,
  { address, prefix, clients, signal }: {
    readonly address: string;
    readonly prefix: string;
    readonly clients: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const bytes = encoder.encode(head(prefix));
  const drop = encoder.encode(piece);
  const { hostname, port } = parseAddress(address);
  const one = async () => {
    while (!signal.aborted) {
      let conn: Deno.Conn | null = null;
      try {
        conn = await Deno.connect({ hostname, port });
        await conn.write(bytes);
        if (staysMs > 0) await sleep(staysMs, signal);
        else if (piece === "") await sleep(60_000, signal);
        else while (!signal.aborted) await conn.write(drop).then(() => sleep(100, signal));
      } catch {
        await sleep(50, signal); // refused or cut off: once more
      } finally {
        try {
          conn?.close();
        } catch {
          // It is closed.
        }
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
}

/** An honest client's requests, one after another. @returns Statuses that were not 200, and how long each took, ms. */
export async function honest(
  { address, prefix, requests, pauseMs }: {
    readonly address: string;
    readonly prefix: string;
    readonly requests: number;
    readonly pauseMs: number;
  },
): Promise<{ readonly failures: string[]; readonly tookMs: number[] }> {
  const failures: string[] = [];
  const tookMs: number[] = [];
  for (let sent = 0; sent < requests; sent++) {
    const startedMs = performance.now();
    const fields = { host: "a.test", "x-forwarded-for": HONEST };
    const { status, text } = await get(address, `${prefix}/quick`, fields, { deadlineMs: 30_000 });
    tookMs.push(performance.now() - startedMs);
    if (status !== 200) failures.push(`${status} ${/^error: (\w+)$/m.exec(text)?.[1] ?? ""}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return { failures, tookMs };
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const slept = Promise.withResolvers<void>();
  const timer = setTimeout(slept.resolve, ms);
  const onAbort = () => slept.resolve();
  signal.addEventListener("abort", onAbort);
  await slept.promise;
  signal.removeEventListener("abort", onAbort);
  clearTimeout(timer);
}
