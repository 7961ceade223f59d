/**
 * One line per exchange, as JSON or in nginx's `combined` format, written as bytes where it goes from: no string and no
 * object a line.
 *
 * Whatever a client sends can end up here, so every text goes through an escape check: a line never holds a control
 * character, an unescaped quote or half a character, and cannot be read as two (access_text.ts). Lengths are bounded by
 * the listener's head limit, which holds for every text below.
 *
 * bench/micro/access_line_bench.ts
 */

import { asciiBytes, type ByteWriter } from "../base/byte_writer.ts";
import { type FieldText, writeHexEscaped, writeJsonText } from "./access_text.ts";
import { PartMemo } from "./part_memo.ts";

/** What a line is made of. The writer keeps nothing of it, so that one object can serve for all lines. */
export interface AccessEntry {
  /** When the request head was complete; ms since the epoch. */
  timeMs: number;
  /** The client's address; "" for a Unix socket. */
  client: string;
  method: string;
  /** Authority as it came; "" when there is none. */
  host: string;
  /** Path and query as they came. */
  target: string;
  /** "HTTP/1.1". */
  protocol: string;
  /** "http" or "https". */
  scheme: string;
  /** 0 when nothing was sent. */
  status: number;
  /** Body bytes from and to the client. */
  bytesIn: number;
  bytesOut: number;
  durationMs: number;
  /** Names; "" when it did not come to that. */
  route: string;
  upstream: string;
  backend: string;
  attempts: number;
  /** Error code, "" for none. */
  error: string;
  /** As they came; empty when absent. Not looked at where `memory` has what was made of them. */
  readonly userAgent: FieldText;
  readonly referer: FieldText;
  /** Belongs to the bytes of the request's fields, and lasts as they do; null where they come only once. */
  memory: FieldPartMemory | null;
}

export interface FieldPartMemory {
  /** What a JSON line says of the fields, up to its end; null: nothing was logged so far. */
  logged: Uint8Array | null;
}

/** Who knows the id of a request; it is one that is sane (request_id.ts). */
export interface RequestIdSource {
  writeRequestId(out: ByteWriter): void;
}

/** Writes one line with its end. */
export type LineFormat = (out: ByteWriter, entry: AccessEntry, id: RequestIdSource) => void;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const JSON_PARTS = {
  client: asciiBytes('Z","client":"'),
  method: asciiBytes('","method":"'),
  scheme: asciiBytes('","scheme":"'),
  host: asciiBytes('","host":"'),
  target: asciiBytes('","target":"'),
  protocol: asciiBytes('","protocol":"'),
  status: asciiBytes('","status":'),
  bytesIn: asciiBytes(',"bytes_in":'),
  bytesOut: asciiBytes(',"bytes_out":'),
  duration: asciiBytes(',"duration_ms":'),
  route: asciiBytes(',"route":"'),
  upstream: asciiBytes('","upstream":"'),
  backend: asciiBytes('","backend":"'),
  attempts: asciiBytes('","attempts":'),
  error: asciiBytes(',"error":"'),
  requestId: asciiBytes('","request_id":"'),
  userAgent: asciiBytes('","user_agent":"'),
  referer: asciiBytes('","referer":"'),
  end: asciiBytes('"}\n'),
};

const COMBINED_PARTS = {
  time: asciiBytes(" - - ["),
  request: asciiBytes('] "'),
  status: asciiBytes('" '),
  quote: asciiBytes(' "'),
  between: asciiBytes('" "'),
  end: asciiBytes('"\n'),
};

/** The second formatted last: requests come many a second, and nearly in order. */
const isoMemo = { second: -1, text: asciiBytes("") };
const combinedMemo = { second: -1, text: asciiBytes("") };

/** Parts of lines that are the same for most, found again by what they were made of. */
const requestParts = new PartMemo();
const statusParts = new PartMemo();
const attemptParts = new PartMemo();

/** One JSON object. Its keys are an interface: add, do not rename. */
export function writeJsonLine(out: ByteWriter, entry: AccessEntry, id: RequestIdSource): void {
  writeIsoTime(out, entry.timeMs);
  out.append(JSON_PARTS.client);
  writeJsonText(out, entry.client);
  writeRequestPart(out, entry);
  writeJsonText(out, entry.target);
  writeStatusPart(out, entry);
  writeCount(out, entry.bytesOut);
  out.append(JSON_PARTS.duration);
  writeMilliseconds(out, entry.durationMs);
  writeAttemptPart(out, entry);
  id.writeRequestId(out);
  writeFieldPart(out, entry);
}

function writeRequestPart(out: ByteWriter, { method, scheme, host }: AccessEntry): void {
  const part = requestParts.at(host, method);
  if (part.isOf(method, scheme, host, "", 0)) return out.append(part.bytes);
  const start = out.length;
  out.append(JSON_PARTS.method);
  writeJsonText(out, method);
  out.append(JSON_PARTS.scheme);
  writeJsonText(out, scheme);
  out.append(JSON_PARTS.host);
  writeJsonText(out, host);
  out.append(JSON_PARTS.target);
  part.learn(out, start, [method, scheme, host, "", 0]);
}

function writeStatusPart(out: ByteWriter, { protocol, status, bytesIn }: AccessEntry): void {
  const part = statusParts.slot(status);
  if (bytesIn === 0 && part.isOf(protocol, "", "", "", status)) return out.append(part.bytes);
  const start = out.length;
  out.append(JSON_PARTS.protocol);
  writeJsonText(out, protocol);
  out.append(JSON_PARTS.status);
  writeCount(out, status);
  out.append(JSON_PARTS.bytesIn);
  writeCount(out, bytesIn);
  out.append(JSON_PARTS.bytesOut);
  if (bytesIn === 0) part.learn(out, start, [protocol, "", "", "", status]);
}

function writeAttemptPart(out: ByteWriter, { route, upstream, backend, attempts, error }: AccessEntry): void {
  const part = attemptParts.at(backend, route);
  if (part.isOf(route, upstream, backend, error, attempts)) return out.append(part.bytes);
  const start = out.length;
  out.append(JSON_PARTS.route);
  writeJsonText(out, route);
  out.append(JSON_PARTS.upstream);
  writeJsonText(out, upstream);
  out.append(JSON_PARTS.backend);
  writeJsonText(out, backend);
  out.append(JSON_PARTS.attempts);
  writeCount(out, attempts);
  out.append(JSON_PARTS.error);
  writeJsonText(out, error);
  out.append(JSON_PARTS.requestId);
  part.learn(out, start, [route, upstream, backend, error, attempts]);
}

function writeFieldPart(out: ByteWriter, { userAgent, referer, memory }: AccessEntry): void {
  if (memory !== null && memory.logged !== null) return out.append(memory.logged);
  const start = out.length;
  out.append(JSON_PARTS.userAgent);
  userAgent.writeJson(out);
  out.append(JSON_PARTS.referer);
  referer.writeJson(out);
  out.append(JSON_PARTS.end);
  if (memory !== null) memory.logged = out.view().slice(start);
}

/**
 * nginx's predefined format:
 * `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`,
 * escaped as nginx does, times in UTC. There is no remote user.
 */
export function writeCombinedLine(out: ByteWriter, entry: AccessEntry): void {
  if (entry.client === "") out.ascii("-");
  else writeHexEscaped(out, entry.client);
  out.append(COMBINED_PARTS.time);
  writeCombinedTime(out, entry.timeMs);
  out.append(COMBINED_PARTS.request);
  writeHexEscaped(out, entry.method);
  out.ascii(" ");
  writeHexEscaped(out, entry.target);
  out.ascii(" ");
  writeHexEscaped(out, entry.protocol);
  out.append(COMBINED_PARTS.status);
  writeCount(out, entry.status);
  out.ascii(" ");
  writeCount(out, entry.bytesOut);
  out.append(COMBINED_PARTS.quote);
  writeOrDash(out, entry.referer);
  out.append(COMBINED_PARTS.between);
  writeOrDash(out, entry.userAgent);
  out.append(COMBINED_PARTS.end);
}

function writeOrDash(out: ByteWriter, text: FieldText): void {
  if (text.isEmpty) out.ascii("-");
  else text.writeHexEscaped(out);
}

/** JSON knows no NaN and no infinity. */
function writeCount(out: ByteWriter, value: number): void {
  if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) out.decimal(value);
  else out.ascii(Number.isFinite(value) ? String(value) : "null");
}

/** To a microsecond, without zeros at the end. */
function writeMilliseconds(out: ByteWriter, ms: number): void {
  const microseconds = Math.round(ms * 1000);
  if (!(microseconds >= 0 && microseconds <= 0x7fff_ffff)) {
    return out.ascii(Number.isFinite(ms) ? String(microseconds / 1000) : "null");
  }
  const whole = (microseconds / 1000) | 0;
  out.decimal(whole);
  const rest = microseconds - whole * 1000;
  if (rest === 0) return;
  out.ascii(rest < 10 ? ".00" : rest < 100 ? ".0" : ".");
  out.decimal(rest % 100 === 0 ? rest / 100 : rest % 10 === 0 ? rest / 10 : rest);
}

/** The line's begin, and RFC 3339 with milliseconds in UTC, up to the "Z". */
function writeIsoTime(out: ByteWriter, timeMs: number): void {
  const second = Math.floor(timeMs / 1000);
  if (second !== isoMemo.second) {
    isoMemo.text = asciiBytes(`{"time":"${new Date(second * 1000).toISOString().slice(0, 20)}`);
    isoMemo.second = second;
  }
  out.append(isoMemo.text);
  const ms = Math.floor(timeMs) - second * 1000;
  if (ms < 100) out.ascii(ms < 10 ? "00" : "0");
  out.decimal(ms);
}

/** `10/Oct/2000:13:55:36 +0000`. */
function writeCombinedTime(out: ByteWriter, timeMs: number): void {
  const second = Math.floor(timeMs / 1000);
  if (second !== combinedMemo.second) {
    const date = new Date(second * 1000);
    const day = String(date.getUTCDate()).padStart(2, "0");
    const clock = date.toISOString().slice(11, 19);
    combinedMemo.text = asciiBytes(`${day}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${clock} +0000`);
    combinedMemo.second = second;
  }
  out.append(combinedMemo.text);
}
