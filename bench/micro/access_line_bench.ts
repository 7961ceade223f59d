/** Whether concatenating the JSON access line pays. Run: `deno bench bench/micro/access_line_bench.ts`. */

import { type AccessEntry, combinedLine, jsonLine } from "../../lib/observe/access_line.ts";

const ENTRIES: AccessEntry[] = Array.from({ length: 64 }, (_, index) => ({
  timeMs: 1_700_000_000_000 + index * 7,
  client: `203.0.113.${index}`,
  method: "GET",
  host: "api.example.com",
  target: `/v1/items/${index}?page=${index & 7}`,
  protocol: "HTTP/1.1",
  scheme: "https",
  status: 200,
  bytesIn: 0,
  bytesOut: 1000 + index,
  durationMs: 1.25 + index / 8,
  route: "api",
  upstream: "api",
  backend: "b2",
  attempts: 1,
  error: "",
  requestId: `k3v9x0q2m7ab-${index}`,
  userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
  referer: "https://www.example.com/",
}));
const TIME = new Date(ENTRIES[0].timeMs).toISOString();
const HOSTILE = ENTRIES.map((entry) => ({ ...entry, userAgent: 'a"b\\c\u00e9' }));

const BEYOND_JSON = /[\x7f-\x9f\u2028\u2029]/;
const BEYOND_JSON_ALL = /[\x7f-\x9f\u2028\u2029]/g;

/** The contender: one literal, the time for nothing, and the same check for what JSON leaves alone. */
function stringified(entry: AccessEntry): string {
  const line = JSON.stringify({
    time: TIME,
    client: entry.client,
    method: entry.method,
    scheme: entry.scheme,
    host: entry.host,
    target: entry.target,
    protocol: entry.protocol,
    status: entry.status,
    bytes_in: entry.bytesIn,
    bytes_out: entry.bytesOut,
    duration_ms: Math.round(entry.durationMs * 1000) / 1000,
    route: entry.route,
    upstream: entry.upstream,
    backend: entry.backend,
    attempts: entry.attempts,
    error: entry.error,
    request_id: entry.requestId,
    user_agent: entry.userAgent,
    referer: entry.referer,
  });
  return BEYOND_JSON.test(line) ? line.replaceAll(BEYOND_JSON_ALL, "?") : line;
}

const encoded = new Uint8Array(64 * 2048);
const encoder = new TextEncoder();

/** A string built by `+` is a rope until somebody reads it, so every contender's line is encoded, as the log does. */
function consume(format: (entry: AccessEntry) => string, entries: readonly AccessEntry[]): void {
  for (let index = 0; index < entries.length; index++) {
    encoder.encodeInto(format(entries[index]), encoded);
  }
}

Deno.bench("jsonLine, 64 lines", { group: "json", baseline: true }, () => consume(jsonLine, ENTRIES));
Deno.bench("JSON.stringify, 64 lines", { group: "json" }, () => consume(stringified, ENTRIES));
Deno.bench("jsonLine, a field to escape", { group: "escape", baseline: true }, () => consume(jsonLine, HOSTILE));
Deno.bench("JSON.stringify, a field to escape", { group: "escape" }, () => consume(stringified, HOSTILE));
Deno.bench("combinedLine, 64 lines", { group: "combined" }, () => consume(combinedLine, ENTRIES));
