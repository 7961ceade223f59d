/**
 * Field names that something in the proxy asks about, as small integers.
 *
 * A decoder meets some fifteen names per head, and most of them interest nobody. Comparing each with every known name,
 * or making strings of them, would cost more than the rest of the parse. So: one look-up by length, first and last byte
 * gives the only candidate (a short chain where two names share a bucket), one case-folded comparison confirms it.
 * An id is a number of this process only; it is never stored nor sent.
 */

export const FieldId = {
  unknown: 0,
  connection: 1,
  content_length: 2,
  transfer_encoding: 3,
  host: 4,
  te: 5,
  trailer: 6,
  upgrade: 7,
  keep_alive: 8,
  proxy_connection: 9,
  via: 10,
  forwarded: 11,
  x_forwarded_for: 12,
  x_forwarded_proto: 13,
  x_forwarded_host: 14,
  expect: 15,
  cookie: 16,
  set_cookie: 17,
  content_type: 18,
  date: 19,
  server: 20,
  x_request_id: 21,
  accept: 22,
  retry_after: 23,
  idempotency_key: 24,
  traceparent: 25,
  tracestate: 26,
  proxy_authenticate: 27,
  proxy_authorization: 28,
  alt_svc: 29,
  location: 30,
  user_agent: 31,
  referer: 32,
  authorization: 33,
  accept_encoding: 34,
  accept_language: 35,
  content_encoding: 36,
  cache_control: 37,
  origin: 38,
  vary: 39,
  etag: 40,
  last_modified: 41,
  age: 42,
  expires: 43,
  range: 44,
  x_forwarded_port: 45,
  x_real_ip: 46,
  proxy_status: 47,
  http2_settings: 48,
  max_forwards: 49,
  sec_websocket_key: 50,
  sec_websocket_accept: 51,
  sec_websocket_version: 52,
  sec_websocket_protocol: 53,
  sec_websocket_extensions: 54,
  /** Any `X-Forwarded-…` that has no id of its own. */
  x_forwarded_other: 55,
  /** A field that we make anew or drop, but for another separator where its name has "-". */
  lookalike: 56,
  /** CGI makes of it the variable `HTTP_PROXY`, which programs take for the proxy of their own requests (httpoxy). */
  proxy: 57,
  /** Any other with a "_" in its name. */
  underscored: 58,
} as const;

/** Ids of more than one name. */
const KINDS: readonly string[] = ["x_forwarded_other", "lookalike", "underscored"];

/** One of the values of `FieldId`; 0 for a name that is not in it. */
export type FieldId = number;

/** Lower-case names by id; "" for `unknown` and for ids of more than one name. */
export const FIELD_NAMES: readonly string[] = Object.keys(FieldId).map((key, id) =>
  id === 0 || KINDS.includes(key) ? "" : key.replaceAll("_", "-")
);

const BUCKETS = 256;
const FOLD = foldTable();
const IDS_BY_NAME = new Map<string, number>(
  FIELD_NAMES.map((name, id): [string, number] => [name, id]).filter(([name]) => name !== ""),
);
const FAMILY = "x-forwarded-";
/**
 * What a name may hold besides letters, digits and "-". CGI and its descendants (WSGI, Rack, FastCGI) read "_" and "-" as one,
 * PHP also ".", and some servers before them whatever is no letter and no digit.
 */
const SEPARATOR = /[^a-z0-9-]/;
const SEPARATORS = /[^a-z0-9]/g;
/** Whose lookalikes are told apart. */
const IMITATED =
  /^(?:content-length|transfer-encoding|http2-settings|keep-alive|proxy-(?:authenticate|authorization|connection)|x-real-ip|x-request-id|x-forwarded-.*)$/;
/** Where each name begins in `LETTERS`; one entry more than names. */
const NAME_STARTS = new Uint16Array(FIELD_NAMES.length + 1);
const LETTERS = new Uint8Array(FIELD_NAMES.reduce((sum, name) => sum + name.length, 0));
const FIRST_IN_BUCKET = new Uint8Array(BUCKETS);
const NEXT_IN_BUCKET = new Uint8Array(FIELD_NAMES.length);
fillTables();

/**
 * @param isSeparated Whether it holds anything besides letters, digits and "-".
 * @returns The id or the kind of the name at `bytes[start, end)`, letters in either case; 0 when it has none.
 */
export function fieldIdOfBytes(bytes: Uint8Array, start: number, end: number, isSeparated: boolean): FieldId {
  const length = end - start;
  if (length <= 0) return 0;
  if (isSeparated) return kindOf(lowerText(bytes, start, end));
  let id = FIRST_IN_BUCKET[bucketOf(length, FOLD[bytes[start]], FOLD[bytes[end - 1]])];
  while (id !== 0) {
    const from = NAME_STARTS[id];
    if (NAME_STARTS[id + 1] - from === length) {
      let i = 0;
      while (i < length && FOLD[bytes[start + i]] === LETTERS[from + i]) i++;
      if (i === length) return id;
    }
    id = NEXT_IN_BUCKET[id];
  }
  return isOfFamily(bytes, start, length) ? FieldId.x_forwarded_other : 0;
}

/** @returns As `fieldIdOfBytes`, ids of more than one name included. */
export function fieldKindOfName(lowerName: string): FieldId {
  return IDS_BY_NAME.get(lowerName) ?? kindOf(lowerName);
}

/** Whether a kind is one of names with "_", or with a separator like it. */
export function isUnderscored(kind: FieldId): boolean {
  return kind === FieldId.underscored || kind === FieldId.lookalike;
}

/** @returns The id of a lower-case name; 0 when it has none of its own. */
export function fieldIdOfName(lowerName: string): FieldId {
  return IDS_BY_NAME.get(lowerName) ?? 0;
}

/** "X-Forwarded-…" */
function isOfFamily(bytes: Uint8Array, start: number, length: number): boolean {
  if (length < FAMILY.length || FOLD[bytes[start]] !== 0x78 || FOLD[bytes[start + 2]] !== 0x66) return false;
  for (let i = 1; i < FAMILY.length; i++) if (FOLD[bytes[start + i]] !== FAMILY.charCodeAt(i)) return false;
  return true;
}

/** @returns What a reader that takes all separators for one makes of a lower-case name. */
export function foldedName(lowerName: string): string {
  return lowerName.replace(SEPARATORS, "-");
}

/** @returns Whether `foldedName()` may be another name's, too, but for the hyphens in it. */
export function isSeparatedName(lowerName: string): boolean {
  return SEPARATOR.test(lowerName);
}

function lowerText(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(FOLD[bytes[at]]);
  return text;
}

function kindOf(lowerName: string): FieldId {
  if (!SEPARATOR.test(lowerName)) return lowerName.startsWith(FAMILY) ? FieldId.x_forwarded_other : 0;
  if (IMITATED.test(foldedName(lowerName))) return FieldId.lookalike;
  return lowerName.includes("_") ? FieldId.underscored : 0;
}

function bucketOf(length: number, first: number, last: number): number {
  return (length * 37 + first * 5 + last * 11) & (BUCKETS - 1);
}

/** A to Z become a to z; every other byte stays itself, so that "-" is never matched by a control character. */
function foldTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) table[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
  return table;
}

function fillTables(): void {
  let at = 0;
  for (let id = 0; id < FIELD_NAMES.length; id++) {
    const name = FIELD_NAMES[id];
    NAME_STARTS[id] = at;
    if (name === "") continue;
    for (let i = 0; i < name.length; i++) LETTERS[at++] = name.charCodeAt(i);
    NAME_STARTS[id + 1] = at;
    const bucket = bucketOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
    NEXT_IN_BUCKET[id] = FIRST_IN_BUCKET[bucket];
    FIRST_IN_BUCKET[bucket] = id;
  }
}
