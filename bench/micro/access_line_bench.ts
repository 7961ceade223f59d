/**
 * What a line of the access log costs, written as bytes, against a string by `JSON.stringify` that is encoded.
 *
 *     deno bench bench/micro/access_line_bench.ts
 *
 * 64 lines of 18 hosts and 3 backends. "fields known": the request's fields are those of the request before.
 */

import { ByteWriter } from "../../lib/base/byte_writer.ts";
import {
  type AccessEntry,
  type LineFormat,
  type RequestIdSource,
  writeCombinedLine,
  writeJsonLine,
} from "../../lib/observe/access_line.ts";
import { FieldText } from "../../lib/observe/access_text.ts";

const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";
const REFERER = "https://www.example.com/";
const encoder = new TextEncoder();

function entries(userAgent: string, isKnown: boolean): readonly AccessEntry[] {
  return Array.from({ length: 64 }, (_, index) => ({
    timeMs: 1_700_000_000_000 + index * 7,
    client: `203.0.113.${index}`,
    method: "GET",
    host: `api${index % 18}.example.com`,
    target: `/v1/items/${index}?page=${index & 7}`,
    protocol: "HTTP/1.1",
    scheme: "https",
    status: 200,
    bytesIn: 0,
    bytesOut: 1000 + index,
    durationMs: 1.25 + index / 8,
    route: "api",
    upstream: "api",
    backend: `b${index % 3}`,
    attempts: 1,
    error: "",
    userAgent: fieldOf(userAgent),
    referer: fieldOf(REFERER),
    memory: isKnown ? { logged: null } : null,
  }));
}

function fieldOf(text: string): FieldText {
  const field = new FieldText();
  const bytes = encoder.encode(text);
  field.setBytes(bytes, 0, bytes.length);
  return field;
}

const FRESH = entries(USER_AGENT, false);
const KNOWN = entries(USER_AGENT, true);
const HOSTILE = entries('a"b\\c\u00e9\u20ac', false);
const TIME = new Date(FRESH[0].timeMs).toISOString();
const PREFIX = encoder.encode("k3v9x0q2m7ab-");
const id: RequestIdSource = {
  writeRequestId(out: ByteWriter): void {
    out.append(PREFIX);
    out.base36(1234);
  },
};

const BEYOND_JSON = /[\x7f-\x9f\u2028\u2029]/;
const BEYOND_JSON_ALL = /[\x7f-\x9f\u2028\u2029]/g;

/** The contender: one literal, the time for nothing, strings for the fields, and a check for what JSON leaves alone. */
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
    request_id: `k3v9x0q2m7ab-${(1234).toString(36)}`,
    user_agent: USER_AGENT,
    referer: REFERER,
  });
  return BEYOND_JSON.test(line) ? line.replaceAll(BEYOND_JSON_ALL, "?") : line;
}

const encoded = new Uint8Array(64 * 2048);
const out = new ByteWriter(encoded.length);

function write(format: LineFormat, lines: readonly AccessEntry[]): void {
  out.reset();
  for (let index = 0; index < lines.length; index++) format(out, lines[index], id);
}

Deno.bench("writeJsonLine, 64 lines", { group: "json", baseline: true }, () => write(writeJsonLine, FRESH));
Deno.bench("writeJsonLine, 64 lines, fields known", { group: "json" }, () => write(writeJsonLine, KNOWN));
Deno.bench("JSON.stringify, 64 lines", { group: "json" }, () => {
  for (let index = 0; index < FRESH.length; index++) encoder.encodeInto(stringified(FRESH[index]), encoded);
});
Deno.bench("writeJsonLine, a field to escape", { group: "escape" }, () => write(writeJsonLine, HOSTILE));
Deno.bench("writeCombinedLine, 64 lines", { group: "combined" }, () => write(writeCombinedLine, FRESH));
