/**
 * The request as a backend gets it, the same for each attempt but for the backend's own name and the body's reader: the
 * client's fields less what concerns its connection and what the route takes away, what the proxy says of the client, the
 * route's own fields.
 */

import { asciiBytes, type ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import type { OutgoingBody, OutgoingRequest } from "../../transport/outgoing_request.ts";
import type { Exchange } from "../exchange.ts";
import type { FieldFilter } from "../message/field_filter.ts";
import { clientBlock } from "./client_block.ts";
import { existingForwarded, NOTHING_FORWARDED } from "./client_identity.ts";
import { countedDown, UNLIMITED } from "./max_forwards.ts";

const REQUEST_ID = asciiBytes("x-request-id: ");
const FIELD_END = asciiBytes("\r\n");

export class BackendRequest implements OutgoingRequest {
  readonly path: string;
  /** Which of the client's fields stay behind. */
  filter: FieldFilter;
  /** The attempt's own. */
  body: OutgoingBody | null = null;
  readonly #exchange: Exchange;
  readonly #forwards: number;

  /**
   * @param path Rewritten where the route says so.
   * @param forwards What `maxForwards()` says; not 0.
   */
  constructor(
    exchange: Exchange,
    { path, filter, forwards }: { path: string; filter: FieldFilter; forwards: number },
  ) {
    this.path = path;
    this.filter = filter;
    this.#exchange = exchange;
    this.#forwards = forwards;
  }

  get method(): string {
    return this.#exchange.request.method;
  }

  get scheme(): "http" | "https" {
    return this.#exchange.request.isSecure ? "https" : "http";
  }

  get authority(): string {
    const { backend, request } = this.#exchange;
    return backend!.host || request.authority || backend!.ownHost;
  }

  get upgrade(): string {
    return this.#exchange.request.upgrade;
  }

  get takesTrailers(): boolean {
    return this.#exchange.request.takesTrailers;
  }

  get bodyLength(): number {
    return this.#exchange.request.bodyLength;
  }

  writeFields(out: ByteWriter): void {
    const exchange = this.#exchange;
    exchange.request.writeFields(out, this.filter);
    if (exchange.cookieForBackend !== null) out.field("cookie", exchange.cookieForBackend);
    if (exchange.peerIsTrusted) this.#eachClientField((name, value) => out.field(name, value));
    else out.append(clientBlock(exchange));
    out.append(REQUEST_ID);
    exchange.writeRequestId(out);
    out.append(FIELD_END);
    if (exchange.trace === null && this.#forwards === UNLIMITED && this.filter.edits.isEmpty) return;
    this.#eachOwnField((name, value) => out.field(name, value));
  }

  eachField(emit: EmitField): void {
    const exchange = this.#exchange;
    exchange.request.eachField(emit, this.filter);
    if (exchange.cookieForBackend !== null) emit("cookie", exchange.cookieForBackend);
    this.#eachClientField(emit);
    emit("x-request-id", exchange.requestId);
    this.#eachOwnField(emit);
  }

  /** Who the client is. What a trusted proxy says of its client goes on, with ours behind it. */
  #eachClientField(emit: EmitField): void {
    const { request, plan, peerIsTrusted } = this.#exchange;
    emit("via", "1.1 sluice");
    const peer = { ip: request.peerIp, isTrusted: peerIsTrusted };
    const existing = peerIsTrusted ? existingForwarded(request) : NOTHING_FORWARDED;
    plan.forwarded.emit(peer, request.isSecure ? "https" : "http", request.authority, existing, emit);
  }

  #eachOwnField(emit: EmitField): void {
    const { edits } = this.filter;
    this.#exchange.trace?.eachField(emit, edits);
    if (this.#forwards !== UNLIMITED && !edits.removes("max-forwards")) {
      emit("max-forwards", String(countedDown(this.#forwards)));
    }
    edits.forEachAdded(emit);
  }
}
