/**
 * Exchanges and attempts as spans: names and attributes of the stable HTTP semantic conventions of OpenTelemetry, and a
 * few under `sluice.`. No query strings: secrets stand there.
 */

import { ERROR_TRAITS, type ErrorCode } from "../../base/errors.ts";
import type { BackendAddress } from "../../config/types.ts";
import { splitAuthority } from "../../fields/authority.ts";
import type { ExchangeRecord } from "../../proxy/exchange_record.ts";
import type { ExchangeTrace } from "../../proxy/trace.ts";

export type SpanAttributes = Record<string, string | number>;

export interface SpanEvent {
  readonly name: string;
  readonly atMs: number;
  readonly attributes: SpanAttributes;
}

/** One span that has ended. Times are ms since the epoch, with fractions. */
export interface FinishedSpan {
  readonly kind: "server" | "client";
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** "" for the first of a trace. */
  readonly parentId: string;
  readonly flags: number;
  readonly tracestate: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  readonly events: readonly SpanEvent[];
  readonly isError: boolean;
}

/** Anything else is `_OTHER`: a client must not be able to make up values that traces are grouped by. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  "CONNECT",
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "POST",
  "PUT",
  "TRACE",
]);

/** Makes the server span of an exchange that has ended. */
export function serverSpan(exchange: ExchangeRecord, trace: ExchangeTrace): FinishedSpan {
  const { request, route, errorCode, status } = exchange;
  const scheme = request.isSecure ? "https" : "http";
  const attributes: SpanAttributes = {
    ...methodOf(request.method),
    "url.scheme": scheme,
    "url.path": exchange.path,
    "network.protocol.version": versionOf(request.protocol),
    "sluice.request_id": exchange.requestId,
  };
  const authority = splitAuthority(request.authority);
  if (authority !== null) {
    attributes["server.address"] = authority.host;
    attributes["server.port"] = authority.port || (request.isSecure ? 443 : 80);
  }
  if (exchange.clientIp !== "") attributes["client.address"] = exchange.clientIp;
  if (request.peerIp !== "") attributes["network.peer.address"] = request.peerIp;
  const userAgent = request.field("user-agent");
  if (userAgent !== null) attributes["user_agent.original"] = userAgent;
  if (status > 0) attributes["http.response.status_code"] = status;
  if (route !== null) {
    attributes["http.route"] = route.pattern;
    attributes["sluice.route"] = route.name;
  }
  if (exchange.upstream !== null) attributes["sluice.upstream"] = exchange.upstream.name;
  if (exchange.backend !== null) attributes["sluice.backend"] = exchange.backend.name;
  const errorType = errorTypeOf(errorCode, status, 500);
  if (errorType !== "") attributes["error.type"] = errorType;
  const method = spanMethod(request.method);
  return {
    kind: "server",
    name: route === null ? method : `${method} ${route.pattern}`,
    traceId: trace.traceId,
    spanId: trace.spanId,
    parentId: trace.parentId,
    flags: trace.flags,
    tracestate: trace.tracestate,
    startMs: exchange.startedMs + trace.epochOffsetMs,
    endMs: exchange.endedAtMs + trace.epochOffsetMs,
    attributes,
    events: trace.retries.map(({ reason, atMs }) => ({
      name: "sluice.retry",
      atMs: atMs + trace.epochOffsetMs,
      attributes: { "sluice.retry.reason": reason },
    })),
    isError: status >= 500 || (errorCode !== "" && isOurFault(errorCode)),
  };
}

/** Makes the client span of an attempt that has ended. @param code What it failed with; "" when it did not. */
export function clientSpan(exchange: ExchangeRecord, trace: ExchangeTrace, code: ErrorCode | ""): FinishedSpan {
  const { request, upstream, backend, attemptAtMs, sentAtMs, headAtMs } = exchange;
  const { address } = backend!;
  // Once an answer of ours has taken the place of the backend's, `status` is ours.
  const status = headAtMs >= 0 && !exchange.isOwnAnswer ? exchange.status : 0;
  const attributes: SpanAttributes = {
    ...methodOf(request.method),
    ...placeOf(address),
    "sluice.upstream": upstream!.name,
    "sluice.backend": backend!.name,
  };
  if (trace.target !== "") attributes["url.full"] = urlOf(address, trace.target);
  if (status > 0) {
    attributes["http.response.status_code"] = status;
    attributes["network.protocol.version"] = "1.1";
  }
  const resends = trace.retries.length;
  if (resends > 0) {
    attributes["http.request.resend_count"] = resends;
    attributes["sluice.retry.reason"] = trace.retries[resends - 1].reason;
  }
  const errorType = errorTypeOf(code, status, 400);
  if (errorType !== "") attributes["error.type"] = errorType;
  const offset = trace.epochOffsetMs;
  const events: SpanEvent[] = [];
  if (sentAtMs >= 0) events.push({ name: "sluice.connected", atMs: sentAtMs + offset, attributes: {} });
  if (headAtMs >= 0) events.push({ name: "sluice.response_head", atMs: headAtMs + offset, attributes: {} });
  return {
    kind: "client",
    name: spanMethod(request.method),
    traceId: trace.traceId,
    spanId: trace.attemptSpanId,
    parentId: trace.spanId,
    flags: trace.flags,
    tracestate: trace.tracestate,
    startMs: attemptAtMs + offset,
    endMs: exchange.endedAtMs + offset,
    attributes,
    events,
    isError: errorType !== "",
  };
}

function methodOf(method: string): SpanAttributes {
  if (KNOWN_METHODS.has(method)) return { "http.request.method": method };
  return { "http.request.method": "_OTHER", "http.request.method_original": method };
}

function spanMethod(method: string): string {
  return KNOWN_METHODS.has(method) ? method : "HTTP";
}

/** Our code where there is one, else a status that is an error to this side. */
function errorTypeOf(code: ErrorCode | "", status: number, statusMin: number): string {
  return code !== "" ? code : status >= statusMin ? String(status) : "";
}

/** What the client did, or asked for and is not there, is no failure of this service. */
function isOurFault(code: ErrorCode): boolean {
  const { source, status } = ERROR_TRAITS[code];
  return source !== "downstream" && (status === 0 || status >= 500);
}

function placeOf(address: BackendAddress): SpanAttributes {
  if (address.kind === "unix") return { "server.address": address.path, "network.transport": "unix" };
  return { "server.address": address.hostname, "server.port": address.port };
}

/** Without the query. */
function urlOf(address: BackendAddress, target: string): string {
  const queryAt = target.indexOf("?");
  const path = queryAt < 0 ? target : target.slice(0, queryAt);
  if (address.kind === "unix") return `http://localhost${path}`;
  const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  return `${address.tls ? "https" : "http"}://${host}:${address.port}${path}`;
}

/** "1.1", "1.0", "2". */
function versionOf(protocol: string): string {
  return protocol === "HTTP/2.0" ? "2" : protocol.slice("HTTP/".length);
}
