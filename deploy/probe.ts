/**
 * The health check of a container without curl: exit status 0 when the admin listener answers 200, else 1 and why.
 *
 *     deno run --allow-net=127.0.0.1:9900 deploy/probe.ts [URL]
 *
 * Bytes over a socket and not `fetch()`, because container engines hand HTTP_PROXY to what they start, `fetch()` obeys
 * it, and this question must not leave the machine.
 */

const DEFAULT_URL = "http://127.0.0.1:9900/healthz";
/** Below the three seconds after which container engines give up by themselves, so that the reason is in their log. */
const TIMEOUT_MS = 2500;
/** A status line of HTTP/1.1 up to its status. */
const STATUS_LENGTH = "HTTP/1.1 200".length;

/**
 * @param url An `http:` one.
 * @param timeoutMs For connecting, and then for the status line.
 * @returns The status.
 */
export async function probe(url: string, timeoutMs: number = TIMEOUT_MS): Promise<number> {
  const { hostname, port, host, pathname } = new URL(url);
  const timeout = AbortSignal.timeout(timeoutMs);
  using connection = await Deno.connect({
    hostname: hostname.replace(/^\[|\]$/g, ""), // of IPv6
    port: Number(port || 80),
    signal: timeout,
  });
  timeout.throwIfAborted(); // between connecting and coming here: no event would follow
  const closing = () => connection[Symbol.dispose]();
  timeout.addEventListener("abort", closing);
  try {
    await connection.write(
      new TextEncoder().encode(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    );
    return statusOf(await readHead(connection));
  } finally {
    timeout.removeEventListener("abort", closing);
  }
}

/** @returns As much as is needed, or what came before the end. */
async function readHead(connection: Deno.Conn): Promise<string> {
  const bytes = new Uint8Array(STATUS_LENGTH);
  let length = 0;
  while (length < bytes.length) {
    const count = await connection.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

function statusOf(head: string): number {
  const match = /^HTTP\/1\.[01] (\d{3})$/.exec(head);
  if (match === null) throw new SyntaxError(`not a response of HTTP/1.1: "${head}"`);
  return Number(match[1]);
}

async function main(url: string): Promise<number> {
  try {
    const status = await probe(url);
    console.log(`${url}: ${status}`);
    return status === 200 ? 0 : 1;
  } catch (error) {
    console.error(`${url}: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args[0] ?? DEFAULT_URL));
