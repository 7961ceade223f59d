/**
 * One line per exchange, as JSON or in nginx's `combined` format.
 *
 * Whatever a client sends can end up here, so every text goes through an escape check: a line never holds a control
 * character, an unescaped quote or half a character, and cannot be read as two. Lengths are bounded by the listener's
 * head limit, which holds for every text below.
 */

export interface AccessEntry {
  /** When the request head was complete; ms since the epoch. */
  readonly timeMs: number;
  /** The client's address; "" for a Unix socket. */
  readonly client: string;
  readonly method: string;
  /** Authority as it came; "" when there is none. */
  readonly host: string;
  /** Path and query as they came. */
  readonly target: string;
  /** "HTTP/1.1". */
  readonly protocol: string;
  /** "http" or "https". */
  readonly scheme: string;
  /** 0 when nothing was sent. */
  readonly status: number;
  /** Body bytes from and to the client. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  /** Names; "" when it did not come to that. */
  readonly route: string;
  readonly upstream: string;
  readonly backend: string;
  readonly attempts: number;
  /** Error code, "" for none. */
  readonly error: string;
  readonly requestId: string;
  /** As they came; "" when absent. */
  readonly userAgent: string;
  readonly referer: string;
}

/** What `JSON.stringify` leaves alone, but a terminal or a viewer may take for a control or a line end. */
const BEYOND_JSON = /[\x7f-\x9f\u2028\u2029]/g;
/** What nginx escapes in `combined`; a superset of what JSON does. */
const UNPRINTABLE = /[^\x20-\x7e]|["\\]/;
const UNPRINTABLE_ALL = /[^\x20-\x7e]|["\\]/gu;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const ENCODER = new TextEncoder();

/** The second formatted last: requests come many a second, and nearly in order. */
const isoMemo = { second: -1, text: "" };
const combinedMemo = { second: -1, text: "" };

/**
 * By concatenation, because it pays: 86 µs for 64 lines against 119 µs for `JSON.stringify` with the same guarantees,
 * half a microsecond a line (bench/micro/access_line_bench.ts).
 *
 * @returns One JSON object, without a line end. Its keys are an interface: add, do not rename.
 */
export function jsonLine(entry: AccessEntry): string {
  return '{"time":"' + isoTime(entry.timeMs) +
    '","client":"' + jsonText(entry.client) +
    '","method":"' + jsonText(entry.method) +
    '","scheme":"' + jsonText(entry.scheme) +
    '","host":"' + jsonText(entry.host) +
    '","target":"' + jsonText(entry.target) +
    '","protocol":"' + jsonText(entry.protocol) +
    '","status":' + jsonNumber(entry.status) +
    ',"bytes_in":' + jsonNumber(entry.bytesIn) +
    ',"bytes_out":' + jsonNumber(entry.bytesOut) +
    ',"duration_ms":' + jsonNumber(Math.round(entry.durationMs * 1000) / 1000) +
    ',"route":"' + jsonText(entry.route) +
    '","upstream":"' + jsonText(entry.upstream) +
    '","backend":"' + jsonText(entry.backend) +
    '","attempts":' + jsonNumber(entry.attempts) +
    ',"error":"' + jsonText(entry.error) +
    '","request_id":"' + jsonText(entry.requestId) +
    '","user_agent":"' + jsonText(entry.userAgent) +
    '","referer":"' + jsonText(entry.referer) + '"}';
}

/**
 * nginx's predefined format, without a line end:
 * `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`,
 * escaped as nginx does, times in UTC. There is no remote user.
 */
export function combinedLine(entry: AccessEntry): string {
  return orDash(entry.client) + " - - [" + combinedTime(entry.timeMs) + '] "' + hexEscaped(entry.method) + " " +
    hexEscaped(entry.target) + " " + hexEscaped(entry.protocol) + '" ' + entry.status + " " +
    entry.bytesOut + ' "' + orDash(entry.referer) + '" "' + orDash(entry.userAgent) + '"';
}

/** The inside of a JSON string. */
function jsonText(text: string): string {
  if (!UNPRINTABLE.test(text)) return text;
  return JSON.stringify(text).slice(1, -1).replace(BEYOND_JSON, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
}

/** JSON knows no NaN and no infinity. */
function jsonNumber(value: number): string {
  return Number.isFinite(value) ? String(value) : "null";
}

function orDash(text: string): string {
  return text === "" ? "-" : hexEscaped(text);
}

/** `\xXX` for each byte that nginx escapes. Field text is Latin-1, one byte a character; the rest goes as UTF-8. */
function hexEscaped(text: string): string {
  if (!UNPRINTABLE.test(text)) return text;
  return text.replace(UNPRINTABLE_ALL, (character) => {
    const code = character.charCodeAt(0);
    if (code <= 0xff) return hexByte(code);
    let escaped = "";
    for (const byte of ENCODER.encode(character)) escaped += hexByte(byte);
    return escaped;
  });
}

function hexByte(byte: number): string {
  return "\\x" + byte.toString(16).toUpperCase().padStart(2, "0");
}

/** RFC 3339 with milliseconds, UTC. */
function isoTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== isoMemo.second) {
    isoMemo.text = new Date(second * 1000).toISOString().slice(0, 20);
    isoMemo.second = second;
  }
  const ms = Math.floor(timeMs) - second * 1000;
  return isoMemo.text + (ms < 10 ? "00" : ms < 100 ? "0" : "") + ms + "Z";
}

/** `10/Oct/2000:13:55:36 +0000`. */
function combinedTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== combinedMemo.second) {
    const date = new Date(second * 1000);
    const day = String(date.getUTCDate()).padStart(2, "0");
    const clock = date.toISOString().slice(11, 19);
    combinedMemo.text = `${day}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${clock} +0000`;
    combinedMemo.second = second;
  }
  return combinedMemo.text;
}
