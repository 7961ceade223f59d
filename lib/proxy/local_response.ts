/**
 * Responses that sluice makes itself: errors, redirects, fixed answers.
 *
 * An error says its code and the request id, and nothing about what is inside. RFC 9209 `Proxy-Status` carries the
 * standard error type for machines.
 */

import { STATUS_TEXT } from "@std/http/status";
import { ERROR_TRAITS, type ErrorCode } from "../base/errors.ts";
import { prefersJson } from "../fields/accept.ts";
import type { ProxyRequest } from "./request.ts";

export type ResponseField = readonly [name: string, value: string];

export interface LocalResponse {
  readonly status: number;
  readonly fields: readonly ResponseField[];
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Seconds that a client is asked to wait when the condition is one that passes. */
const RETRY_AFTER_SECONDS = "1";
/** Of a route that does not name its methods: any but TRACE. Those that are registered as well known. */
const ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const JSON_TYPE = "application/json";
const TEXT_TYPE = "text/plain; charset=utf-8";

const encoder = new TextEncoder();

/** @param code One with a status; an exchange without anybody to answer is closed with 499, which no client sees. */
export function errorResponse(code: ErrorCode, request: ProxyRequest, requestId: string): LocalResponse {
  const traits = ERROR_TRAITS[code];
  const status = traits.status === 0 ? 499 : traits.status;
  const title = (STATUS_TEXT as Record<number, string>)[status] ?? "Error";
  const accept = request.field("accept");
  const isJson = accept !== null && prefersJson(accept);
  const body = isJson
    ? JSON.stringify({ status, error: code, title, request_id: requestId }) + "\n"
    : `${status} ${title}\nerror: ${code}\nrequest: ${requestId}\n`;
  const fields: ResponseField[] = [
    ["content-type", isJson ? JSON_TYPE : TEXT_TYPE],
    ["cache-control", "no-store"],
    ["x-request-id", requestId],
  ];
  if (traits.proxyStatus !== "") fields.push(["proxy-status", `sluice; error=${traits.proxyStatus}`]);
  if (status === 405) fields.push(["allow", ALLOWED_METHODS]);
  if (traits.retryAfter) fields.push(["retry-after", RETRY_AFTER_SECONDS]);
  return { status, fields, body: encoder.encode(body) };
}

export function redirectResponse(status: number, location: string): LocalResponse {
  return { status, fields: [["location", location]], body: new Uint8Array(0) };
}
