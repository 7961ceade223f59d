/** What the fuzz test of the proxy sends: valid messages that carry their ids everywhere, and ways to spoil them. */

import type { SeededRandom } from "../support/random.ts";
import { type Bytes, toBytes, toText } from "../support/wire_bytes.ts";

export interface FuzzRequest {
  readonly id: string;
  readonly method: string;
  readonly wire: string;
}

const METHODS = ["GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PURGE"];
/** These have no body behind Deno.serve. */
const BODILESS = new Set(["GET", "HEAD"]);
const EXTRA_LINES = [
  "",
  "X-A: 1\r\n",
  "Accept: application/json, text/plain;q=0.5\r\n",
  "Connection: keep-alive, x-a\r\nX-A: 2\r\n",
  "Cookie: a=1; b=2\r\nCookie: c=3\r\n",
  "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n",
  "TE: trailers\r\n",
];
/** What bytes are worth putting in. */
const SPOILERS = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  "\r\n\r\n",
  "0\r\n\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Connection: close\r\n",
  "Connection: content-length, host\r\n",
  "Host: other.test\r\n",
  "Expect: 100-continue\r\n",
  "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "\x7f",
  "\xff",
];

/** FNV-1a. A spoiled id does not pass for somebody else's. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash.toString(36).padStart(7, "0");
}

/** @param run One connection of a client; the ids of all its requests belong together. */
export function idOf(run: number, index: number): string {
  const name = `q${run}-${index}`;
  return `${name}-${checksum(name)}z`;
}

/** Runs whose ids stand in `text`, unspoiled. */
export function runsIn(text: string): Set<number> {
  const runs = new Set<number>();
  for (const [, name, run, sum] of text.matchAll(/(q(\d+)-\d+)-([0-9a-z]{7})z/g)) {
    if (checksum(name) === sum) runs.add(Number(run));
  }
  return runs;
}

export function makeRequest(random: SeededRandom, id: string, site: string): FuzzRequest {
  const method = random.pick(METHODS);
  const head = `${method} /${id}?${"x".repeat(random.integer(0, 40))} HTTP/1.1\r\nHost: ${site}\r\n` +
    `X-Id: ${id}\r\n${random.pick(EXTRA_LINES)}`;
  if (BODILESS.has(method) || random.next() < 0.2) return { id, method, wire: `${head}\r\n` };
  const body = id.repeat(random.integer(0, random.next() < 0.1 ? 4000 : 10));
  const wire = random.next() < 0.5
    ? `${head}Content-Length: ${body.length}\r\n\r\n${body}`
    : `${head}Transfer-Encoding: chunked\r\n\r\n${chunkedBody(random, body)}`;
  return { id, method, wire };
}

export function makeResponse(random: SeededRandom, id: string, method: string): { wire: string; ends: boolean } {
  const body = id.repeat(random.integer(1, random.next() < 0.1 ? 4000 : 10));
  const head = `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n`;
  if (method === "HEAD") return { wire: `${head}Content-Length: ${body.length}\r\n\r\n`, ends: false };
  const kind = random.integer(0, 9);
  if (kind === 0) return { wire: `${head}Connection: close\r\n\r\n${body}`, ends: true };
  if (kind < 5) return { wire: `${head}Content-Length: ${body.length}\r\n\r\n${body}`, ends: false };
  return { wire: `${head}Transfer-Encoding: chunked\r\n\r\n${chunkedBody(random, body)}`, ends: false };
}

/** One to five changes. */
export function spoil(random: SeededRandom, wire: string): string {
  let text = wire;
  for (let changes = random.integer(1, 5); changes > 0; changes--) {
    const at = random.integer(0, text.length);
    const length = random.integer(1, 1 + Math.min(60, text.length - at));
    switch (random.integer(0, 6)) {
      case 0:
        text = text.slice(0, at) + String.fromCharCode(random.integer(0, 255)) + text.slice(at + 1);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + length);
        break;
      case 2:
        text = text.slice(0, at) + text.slice(at, at + length) + text.slice(at);
        break;
      case 3:
        text = text.slice(0, at);
        break;
      case 4:
        text = text.slice(0, at) + random.pick(SPOILERS).repeat(random.next() < 0.05 ? 2000 : 1) + text.slice(at);
        break;
      default: { // behind a line end, where it does most
        const lines = [...text.matchAll(/\r\n/g)].map(({ index }) => index + 2);
        const place = lines.length === 0 ? 0 : random.pick(lines);
        text = text.slice(0, place) + random.pick(SPOILERS) + text.slice(place);
      }
    }
  }
  return text;
}

export function piecesOf(random: SeededRandom, wire: string): Bytes[] {
  return random.split(toBytes(wire), random.pick([1, 1, 2, 5, 20]));
}

function chunkedBody(random: SeededRandom, body: string): string {
  const chunks = random.split(toBytes(body), random.integer(1, 5)).map(toText);
  const extension = random.next() < 0.2 ? ';a="b"' : "";
  return chunks.map((chunk) => `${chunk.length.toString(16)}${extension}\r\n${chunk}\r\n`).join("") + "0\r\n\r\n";
}
