/**
 * The request head as a backend gets it: made anew in the connection's output buffer, in one pass.
 */

import { asciiBytes, type ByteWriter } from "../../base/byte_writer.ts";
import { CRLF, requestLine } from "../../http1/encode.ts";
import type { Exchange } from "../exchange.ts";
import { clientBlock } from "./client_block.ts";
import { existingForwarded } from "./client_identity.ts";
import { countedDown, UNLIMITED } from "./max_forwards.ts";
import { NO_BODY, UNKNOWN_LENGTH } from "../message/request.ts";
import type { FieldFilter } from "../message/field_filter.ts";

const REQUEST_ID = asciiBytes("x-request-id: ");

/**
 * @param target Origin form, rewritten where the route says so.
 * @param host What `Host` says; "" when neither the client nor the configuration named one.
 * @param forwards What `maxForwards()` says; not 0.
 */
export function encodeRequestHead(
  out: ByteWriter,
  exchange: Exchange,
  { target, host, filter, forwards }: { target: string; host: string; filter: FieldFilter; forwards: number },
): void {
  const request = exchange.request;
  requestLine(out, request.method, target);
  out.field("host", host);
  request.writeFields(out, filter);
  if (exchange.cookieForBackend !== null) out.field("cookie", exchange.cookieForBackend);
  if (exchange.peerIsTrusted) writeForwarded(out, exchange);
  else out.append(clientBlock(exchange));
  out.append(REQUEST_ID);
  exchange.writeRequestId(out);
  out.append(CRLF);
  const trace = exchange.trace;
  if (trace !== null) {
    trace.target = target;
    trace.writeFields(out, filter.edits);
  }
  if (forwards !== UNLIMITED && !filter.edits.removes("max-forwards")) {
    out.field("max-forwards", String(countedDown(forwards)));
  }
  if (!filter.edits.isEmpty) filter.edits.forEachAdded((name, value) => out.field(name, value));
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
  out.append(CRLF);
}

/** From a trusted proxy: what it says of its client goes on, with ours behind it. */
function writeForwarded(out: ByteWriter, exchange: Exchange): void {
  const { request } = exchange;
  const peer = { ip: request.peerIp, isTrusted: true };
  const existing = existingForwarded(request);
  out.ascii("via: 1.1 sluice\r\n");
  const scheme = request.isSecure ? "https" : "http";
  exchange.plan.forwarded.emit(peer, scheme, request.authority, existing, (name, value) => out.field(name, value));
}
