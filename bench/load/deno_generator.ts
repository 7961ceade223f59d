/**
 * The load generator where wrk is missing: `deno_generator.ts ADDRESS SECONDS CONNECTIONS`. Each connection sends its
 * next request when the response is whole. Prints a `LoadResult`; exits with 1 at the first request that fails.
 */

import { writeAll } from "../../tests/support/wire_bytes.ts";
import type { LoadResult } from "./generator.ts";

const READ_BYTES = 16 * 1024;

const [address, seconds, connections] = Deno.args;
const [hostname, port] = address.split(":");
const request = new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
const latenciesMs: number[] = [];
const startedMs = performance.now();
const endMs = startedMs + Number(seconds) * 1000;

await Promise.all(Array.from({ length: Number(connections) }, drive));

const elapsedSeconds = (performance.now() - startedMs) / 1000;
latenciesMs.sort((a, b) => a - b);
const result: LoadResult = {
  requests: latenciesMs.length,
  requestsPerSecond: latenciesMs.length / elapsedSeconds,
  p50Ms: latenciesMs[Math.floor(latenciesMs.length * 0.5)],
  p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)],
};
console.log(JSON.stringify(result));

async function drive(): Promise<void> {
  using connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  const buffer = new Uint8Array(READ_BYTES);
  while (performance.now() < endMs) {
    const sentMs = performance.now();
    await writeAll(connection, request);
    await readResponse(connection, buffer);
    latenciesMs.push(performance.now() - sentMs);
  }
}

async function readResponse(connection: Deno.Conn, buffer: Uint8Array): Promise<void> {
  let text = "";
  do {
    const count = await connection.read(buffer);
    if (count === null) throw new Error(`Connection closed after ${JSON.stringify(text)}`);
    text += String.fromCharCode(...buffer.subarray(0, count));
  } while (!isWhole(text));
}

function isWhole(text: string): boolean {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  if (!/^HTTP\/1\.1 2\d\d /.test(text)) throw new Error(`Not 2xx: ${JSON.stringify(text.slice(0, 100))}`);
  const length = /\r\ncontent-length: *(\d+)/i.exec(text);
  if (length !== null) return text.length >= headEnd + 4 + Number(length[1]);
  return text.endsWith("\r\n0\r\n\r\n"); // chunked: a body of ours never looks like its own end
}
