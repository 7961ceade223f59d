/**
 * The response as an engine reads it: its fields, then its body piece by piece.
 *
 * Reading the body is what ends the exchange: when the last piece is out, the connection is back in its pool before the
 * engine has written that piece.
 */

import { ProxyError } from "../base/errors.ts";
import { FieldId } from "../base/field_names.ts";
import type { FieldEdits } from "../fields/edits.ts";
import { BodyKind } from "../http1/framing.ts";
import type { Head } from "../http1/head.ts";
import type { BackendStream } from "../transport/backend_stream.ts";
import { existingForwarded } from "./client_identity.ts";
import { connectionOptions } from "./connection_options.ts";
import type { Exchange } from "./exchange.ts";
import { FieldFilter, RESPONSE_DROPS } from "./field_filter.ts";

/**
 * Calls `emit` for every field of the backend's response that goes on to the client, in order, lines of one name apart.
 * To be called before the first piece of the body is read.
 *
 * The framing is not among them: see `contentLengthOf`.
 */
export function eachResponseField(exchange: Exchange, emit: (name: string, value: string) => void): void {
  const head = exchange.connection!.head;
  const edits = exchange.route!.responseEdits;
  const filter = responseFilter(head, edits);
  const needsNames = filter.needsNames;
  for (let index = 0; index < head.count; index++) {
    if (filter.dropsId[head.ids[index]] !== 0) continue;
    const name = head.lowerName(index);
    if (needsNames && filter.dropsByName(name)) continue;
    emit(name, head.value(index));
  }
  ownFields(exchange, emit);
}

/** Everything but what concerns the backend's connection alone. */
export function responseFilter(head: Head, edits: FieldEdits): FieldFilter {
  const kept = head.block?.conclusions as FieldFilter | null | undefined;
  if (kept && kept.edits === edits) return kept;
  const filter = new FieldFilter(RESPONSE_DROPS, edits);
  filter.nominated = connectionOptions(head).nominated;
  if (head.block !== null) head.block.conclusions = filter;
  return filter;
}

/** What is added to a backend's response: the route's fields, and the cookie that binds the client to its backend. */
export function ownFields(exchange: Exchange, emit: (name: string, value: string) => void): void {
  exchange.route!.responseEdits.forEachAdded(emit);
  const { affinity } = exchange.upstream!;
  const { position } = exchange.backend!;
  if (affinity.bindsAnew(position, exchange.affinity)) {
    emit("set-cookie", affinity.setCookie(position, isClientSecure(exchange)));
  }
}

/** Whether the client itself came over TLS: what a trusted proxy says of it, else what its connection is. */
function isClientSecure({ request, plan, peerIsTrusted }: Exchange): boolean {
  if (!peerIsTrusted) return request.isSecure;
  const scheme = plan.forwarded.clientScheme(existingForwarded(request), plan.trusted);
  return scheme === "" ? request.isSecure : scheme === "https";
}

/**
 * Bytes that `Content-Length` may promise the client; -1 for none. For HEAD and 304 it describes a body that does not
 * come, and is passed on as the backend sent it.
 */
export function contentLengthOf(exchange: Exchange): number {
  const { framing, status } = exchange;
  if (framing.kind === BodyKind.length) return framing.length;
  if (framing.kind !== BodyKind.none || status < 200 || status === 204) return -1;
  const text = exchange.connection!.head.get(FieldId.content_length);
  return text === null || !/^\d{1,15}$/.test(text) ? -1 : Number(text);
}

/** What is at hand: a piece, null at the end, undefined when the backend has to send more. */
export function takeBody(exchange: Exchange): Uint8Array<ArrayBuffer> | null | undefined {
  const connection = heldBy(exchange);
  const piece = connection.takeBody();
  if (piece === null) exchange.finish("");
  else if (piece !== undefined) exchange.bytesOut += piece.length;
  return piece;
}

/**
 * The next piece; null at the end. Valid until the next call.
 *
 * @throws {ProxyError} when the body broke off; the client must then see its connection end, never a clean end.
 */
export async function nextBody(exchange: Exchange): Promise<Uint8Array<ArrayBuffer> | null> {
  const connection = heldBy(exchange);
  exchange.clientGave();
  try {
    let piece = connection.takeBody();
    if (piece === undefined) {
      exchange.expectDownload(exchange.idleMs, "response_idle_timeout");
      piece = await connection.readBody();
      exchange.expectDownload(0, "response_idle_timeout");
    }
    if (piece === null) exchange.finish("");
    else exchange.bytesOut += piece.length;
    exchange.clientOwes();
    return piece;
  } catch (error) {
    throw broken(exchange, error);
  }
}

/** As `nextBody`, but the piece is the caller's own. */
export async function readBody(exchange: Exchange): Promise<Uint8Array<ArrayBuffer> | null> {
  const connection = heldBy(exchange);
  const piece = await nextBody(exchange);
  return piece === null ? null : connection.own(piece);
}

/** @throws {ProxyError} when the exchange is over: a cancelled one must not look like one that came to its end. */
function heldBy(exchange: Exchange): BackendStream {
  if (exchange.connection !== null) return exchange.connection;
  throw exchange.cancelled ?? new ProxyError(exchange.errorCode || "internal_error");
}

/** The response can't be completed. */
function broken(exchange: Exchange, error: unknown): ProxyError {
  const failure = exchange.cancelled ?? (error instanceof ProxyError ? error : new ProxyError("internal_error"));
  exchange.finish(failure.code);
  return failure;
}
