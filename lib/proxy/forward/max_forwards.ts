/**
 * How many more times a request may be passed on (`Max-Forwards`, RFC 9110 §7.6.2): a way to ask one proxy of a chain, or
 * to find the one where a chain has become a loop. It has a meaning for OPTIONS and TRACE only; for others it is a field as
 * any, and only there `Connection` may name it.
 */

import { ProxyError } from "../../base/errors.ts";
import type { LocalContent } from "../message/local_response.ts";
import type { ProxyRequest } from "../message/request.ts";

/** `maxForwards()` of a request that says nothing of it. */
export const UNLIMITED = -1;
/** The most that a backend is told. */
const SUPPORTED_MAX = 2 ** 31 - 1;
const DIGITS = /^[0-9]+$/;

/**
 * @returns How often; Infinity beyond what a number holds; or `UNLIMITED`.
 * @throws {ProxyError} `request_invalid` for anything but digits; so for two lines, which are read as a list.
 */
export function maxForwards(request: ProxyRequest): number {
  if (request.method !== "OPTIONS" && request.method !== "TRACE") return UNLIMITED;
  const value = request.field("max-forwards");
  if (value === null) return UNLIMITED;
  if (!DIGITS.test(value)) throw new ProxyError("request_invalid");
  return Number(value);
}

/**
 * The answer to a request that may go no further. TRACE is not reflected: what a browser keeps from a page's scripts (a
 * cookie) would come back to them.
 *
 * @throws {ProxyError} `request_unsupported` for TRACE.
 */
export function lastServerResponse(request: ProxyRequest): LocalContent {
  if (request.method === "TRACE") throw new ProxyError("request_unsupported");
  return { status: 200, fields: [], body: new Uint8Array(0) };
}

/** What the next server is told. @param received 1 or more. */
export function countedDown(received: number): number {
  return Math.min(received - 1, SUPPORTED_MAX);
}
