/**
 * The request head as a backend gets it: made anew in the connection's output buffer, in one pass.
 */

import type { ByteWriter } from "../base/byte_writer.ts";
import { requestLine } from "../http1/encode.ts";
import type { Exchange } from "./exchange.ts";
import { existingForwarded, NOTHING_FORWARDED } from "./client_identity.ts";
import { NO_BODY, UNKNOWN_LENGTH } from "./request.ts";
import type { FieldFilter } from "./field_filter.ts";

/**
 * @param target Origin form, rewritten where the route says so.
 * @param host What `Host` says; "" when neither the client nor the configuration named one.
 */
export function encodeRequestHead(
  out: ByteWriter,
  exchange: Exchange,
  { target, host, filter }: { target: string; host: string; filter: FieldFilter },
): void {
  const request = exchange.request;
  requestLine(out, request.method, target);
  out.field("host", host);
  request.writeFields(out, filter);
  if (exchange.cookieForBackend !== null) out.field("cookie", exchange.cookieForBackend);
  out.ascii("via: 1.1 sluice\r\n");
  writeForwarded(out, exchange);
  out.field("x-request-id", exchange.requestId);
  filter.edits.forEachAdded((name, value) => out.field(name, value));
  if (request.takesTrailers) out.ascii("te: trailers\r\nconnection: te\r\n");
  if (request.upgrade !== "") {
    out.ascii("connection: upgrade\r\n");
    out.field("upgrade", request.upgrade);
  }
  if (request.bodyLength === UNKNOWN_LENGTH) {
    out.ascii("transfer-encoding: chunked\r\n");
  } else if (request.bodyLength !== NO_BODY) {
    out.ascii("content-length: ");
    out.decimal(request.bodyLength);
    out.ascii("\r\n");
  }
  out.ascii("\r\n");
}

function writeForwarded(out: ByteWriter, exchange: Exchange): void {
  const { request, peerIsTrusted } = exchange;
  const peer = { ip: request.peerIp, isTrusted: peerIsTrusted };
  const existing = peerIsTrusted ? existingForwarded(request) : NOTHING_FORWARDED;
  const scheme = request.isSecure ? "https" : "http";
  exchange.plan.forwarded.emit(peer, scheme, request.authority, existing, (name, value) => out.field(name, value));
}
