/**
 * Where each number of the metrics lives.
 *
 * A *block* is one `Float64Array` of `BLOCK_LENGTH`. Each thread that serves has its own and is the only one to write it,
 * with plain stores; the thread that is scraped adds the blocks up. A reader may see a number a moment late, never half:
 * an aligned 64-bit store is one store on the processors that Deno runs on. Doubles count exactly up to 2^53.
 *
 *     global │ routes: row 0, 1, 2 … │ upstreams: row 0, 1 … │ backends: row 0, 1 …
 *
 * A row is a run of numbers for one set of labels; which labels is the directory's affair (`rows.ts`). Row 0 of
 * each kind is for what no row was left for. Pages that nobody touched cost no memory: blocks are sized for the largest
 * configuration and a small one uses some 100 KiB of its block.
 */

import { BACKEND_ROWS_MAX } from "../../base/backend_table.ts";
import { ERROR_TRAITS, type ErrorCode } from "../../base/errors.ts";
import { CELLS, HISTOGRAM_WIDTH } from "./histogram.ts";

export type RowKind = "route" | "upstream" | "backend";

export const ROW_KINDS: readonly RowKind[] = ["route", "upstream", "backend"];

/** Rows of each kind, those for the rest included. */
export const ROWS_MAX: Readonly<Record<RowKind, number>> = { route: 2048, upstream: 1024, backend: BACKEND_ROWS_MAX };

/** For labels that came when all rows were taken. */
export const OTHER_ROW = 0;
/** The row of routes for exchanges that no route was found for. */
export const NO_ROUTE_ROW = 1;

/** Index: the first digit of a status. 0: no response was begun. */
export const STATUS_CLASSES: readonly string[] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

export const CODES: readonly ErrorCode[] = Object.keys(ERROR_TRAITS) as ErrorCode[];
export const CODE_INDEX: Readonly<Record<ErrorCode, number>> = indexOf(CODES);

/**
 * By code: 1 when an exchange that it broke off has failed. Not so when the client left, or a tunnel had been silent for
 * as long as the configuration allows.
 */
export const IS_FAILURE: Uint8Array = Uint8Array.from(
  CODES,
  (code) => ERROR_TRAITS[code].source !== "downstream" && code !== "tunnel_timeout" ? 1 : 0,
);

/** How an attempt ended. */
export const RESULTS: readonly string[] = ["ok", "bad_status", ...CODES];
export const RESULT_OK = 0;
export const RESULT_BAD_STATUS = 1;
export const RESULT_OF_CODE = 2;

/** Why another attempt followed. */
export const RETRY_REASONS: readonly string[] = [
  ...CODES,
  ...["status_429", "status_500", "status_502", "status_503", "status_504", "status_other"],
];
export const RETRY_OF_STATUS: Uint8Array = Uint8Array.from({ length: 600 }, (_, status) => {
  const index = RETRY_REASONS.indexOf(`status_${status}`);
  return index < 0 ? RETRY_REASONS.length - 1 : index;
});

/** Offsets within the first part. What is *published* is written some times a second, the rest as it happens. */
export const GLOBAL = {
  /** Published: exchanges under way, plans that are not freed, lines and spans lost since the start. */
  exchanges: 0,
  plansAlive: 1,
  accessLogDropped: 2,
  spansDropped: 3,
  /** Published: look-ups answered by a cache, and not. */
  cacheHits: 4,
  cacheMisses: 5,
  /** By code: answered with an error of ours; broken off without an answer of ours. */
  rejected: 6,
  aborted: 6 + CODES.length,
  /** Cells of the durations of all exchanges. */
  latency: 6 + 2 * CODES.length,
  width: 6 + 2 * CODES.length + CELLS,
} as const;

export const ROUTE = {
  /** By status class. */
  requests: 0,
  failures: STATUS_CLASSES.length,
  bytesIn: STATUS_CLASSES.length + 1,
  bytesOut: STATUS_CLASSES.length + 2,
  duration: STATUS_CLASSES.length + 3,
  width: STATUS_CLASSES.length + 3 + HISTOGRAM_WIDTH,
} as const;

export const UPSTREAM = {
  /** By reason. */
  retries: 0,
  width: RETRY_REASONS.length,
} as const;

export const BACKEND = {
  /** By result. */
  attempts: 0,
  /** By status class. */
  responses: RESULTS.length,
  inFlight: RESULTS.length + 6,
  /** Published: connections in use and kept, exchanges in line. */
  poolActive: RESULTS.length + 7,
  poolIdle: RESULTS.length + 8,
  poolWaiting: RESULTS.length + 9,
  /** Since the start: connections opened; exchanges that found an idle one. */
  poolOpened: RESULTS.length + 10,
  poolReused: RESULTS.length + 11,
  /** Since the start: of requests that shared connections. */
  pipelined: RESULTS.length + 12,
  pipelineLost: RESULTS.length + 13,
  pipelineFallbacks: RESULTS.length + 14,
  /** Published: connections that carry another protocol. */
  poolTunnels: RESULTS.length + 15,
  attempt: RESULTS.length + 16,
  firstByte: RESULTS.length + 16 + HISTOGRAM_WIDTH,
  queue: RESULTS.length + 16 + 2 * HISTOGRAM_WIDTH,
  connect: RESULTS.length + 16 + 3 * HISTOGRAM_WIDTH,
  tls: RESULTS.length + 16 + 4 * HISTOGRAM_WIDTH,
  width: RESULTS.length + 16 + 5 * HISTOGRAM_WIDTH,
} as const;

export const ROW_WIDTH: Readonly<Record<RowKind, number>> = {
  route: ROUTE.width,
  upstream: UPSTREAM.width,
  backend: BACKEND.width,
};

const ROUTES_AT = GLOBAL.width;
const UPSTREAMS_AT = ROUTES_AT + ROWS_MAX.route * ROUTE.width;
const BACKENDS_AT = UPSTREAMS_AT + ROWS_MAX.upstream * UPSTREAM.width;

export const BLOCK_LENGTH = BACKENDS_AT + ROWS_MAX.backend * BACKEND.width;
export const BLOCK_BYTES = BLOCK_LENGTH * Float64Array.BYTES_PER_ELEMENT;

export function routeAt(row: number): number {
  return ROUTES_AT + row * ROUTE.width;
}

export function upstreamAt(row: number): number {
  return UPSTREAMS_AT + row * UPSTREAM.width;
}

export function backendAt(row: number): number {
  return BACKENDS_AT + row * BACKEND.width;
}

export function rowAt(kind: RowKind, row: number): number {
  if (kind === "route") return routeAt(row);
  return kind === "upstream" ? upstreamAt(row) : backendAt(row);
}

/** @param status 0, or 100 to 599. */
export function statusClassOf(status: number): number {
  const index = (status / 100) | 0;
  return index < STATUS_CLASSES.length ? index : 0;
}

function indexOf(codes: readonly ErrorCode[]): Record<ErrorCode, number> {
  return Object.fromEntries(codes.map((code, index) => [code, index])) as Record<ErrorCode, number>;
}
