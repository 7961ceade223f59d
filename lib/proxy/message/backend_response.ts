/**
 * A backend's response, read from the stream that the exchange holds: its fields less what concerns that connection alone
 * and what the route takes away, the route's own fields, the cookie that binds a client to its backend.
 */

import { type Bytes, type ReadPiece, type TakenPiece, WAIT } from "../../base/body_piece.ts";
import type { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import { ProxyError } from "../../base/errors.ts";
import { FieldId, fieldIdOfName } from "../../base/field_names.ts";
import type { FieldEdits } from "../../fields/edits.ts";
import { BodyKind } from "../../http1/body_kind.ts";
import { Derivation } from "../../http1/field_memory.ts";
import type { Head } from "../../http1/head.ts";
import type { BackendStream } from "../../transport/backend_stream.ts";
import { existingForwarded } from "../forward/client_identity.ts";
import { connectionOptions } from "./connection_options.ts";
import { copyFields } from "./copy_fields.ts";
import type { Exchange } from "../exchange.ts";
import { FieldFilter, RESPONSE_DROPS } from "./field_filter.ts";
import type { ProxyResponse, Tunnel } from "./response.ts";

export class BackendResponse implements ProxyResponse {
  readonly status: number;
  readonly length: number;
  readonly hasBody: boolean;
  readonly #exchange: Exchange;
  readonly #stream: BackendStream;
  readonly #edits: FieldEdits;
  readonly #filter: FieldFilter;

  /** @param stream Has the head of a final response; the exchange holds it. */
  constructor(exchange: Exchange, stream: BackendStream, edits: FieldEdits) {
    const { head, framing } = stream;
    this.status = head.status;
    this.length = framing.kind === BodyKind.length ? framing.length : lengthWithoutBody(head, framing.kind);
    this.hasBody = framing.kind !== BodyKind.none;
    this.#exchange = exchange;
    this.#stream = stream;
    this.#edits = edits;
    this.#filter = responseFilter(head, edits);
  }

  get hasDate(): boolean {
    return this.#stream.head.has(FieldId.date);
  }

  get tunnel(): Tunnel | null {
    return this.status === 101 ? this.#stream : null;
  }

  field(lowerName: string): string | null {
    const { head } = this.#stream;
    const id = fieldIdOfName(lowerName);
    if (id !== FieldId.unknown) return head.get(id);
    let text: string | null = null;
    for (let index = 0; index < head.count; index++) {
      if (head.lowerName(index) !== lowerName) continue;
      text = text === null ? head.value(index) : `${text}, ${head.value(index)}`;
    }
    return text;
  }

  writeFields(out: ByteWriter): void {
    copyFields(out, this.#stream.head, this.#filter);
    this.#eachOwnField((name, value) => out.field(name, value));
  }

  eachField(emit: EmitField): void {
    const { head } = this.#stream;
    const filter = this.#filter;
    const needsNames = filter.needsNames;
    for (let index = 0; index < head.count; index++) {
      if (filter.dropsId[head.ids[index]] !== 0) continue;
      const name = head.lowerName(index);
      if (needsNames && filter.dropsByName(name)) continue;
      emit(name, head.value(index));
    }
    this.#eachOwnField(emit);
  }

  takeBody(): TakenPiece {
    return this.#held().takeBody();
  }

  async readBody(): Promise<ReadPiece> {
    const exchange = this.#exchange;
    const stream = this.#held();
    exchange.clientGave();
    try {
      let piece = stream.takeBody();
      if (piece === WAIT) {
        exchange.due.expectDownload(exchange.idleMs, "response_idle_timeout");
        exchange.awaitsBackend = true;
        piece = await stream.readBody();
        exchange.awaitsBackend = false;
        exchange.due.expectDownload(0, "response_idle_timeout");
      }
      exchange.clientOwes();
      return piece;
    } catch (error) {
      throw exchange.cancelled ?? (error instanceof ProxyError ? error : new ProxyError("internal_error"));
    }
  }

  own(piece: Bytes): Bytes {
    return this.#stream.own(piece);
  }

  get hasTrailers(): boolean {
    const { trailers } = this.#stream;
    return trailers !== null && trailers.count > 0;
  }

  eachTrailer(emit: EmitField): void {
    const { trailers } = this.#stream;
    if (trailers === null) return;
    for (let index = 0; index < trailers.count; index++) {
      if (this.#filter.dropsTrailer(trailers.ids[index], trailers.lowerName(index))) continue;
      emit(trailers.name(index), trailers.value(index));
    }
  }

  #eachOwnField(emit: EmitField): void {
    this.#edits.forEachAdded(emit);
    const { affinity } = this.#exchange.members!;
    const { index } = this.#exchange.backend!;
    if (affinity.bindsAnew(index, this.#exchange.affinity)) {
      emit("set-cookie", affinity.setCookie(index, isClientSecure(this.#exchange)));
    }
  }

  /** @throws {ProxyError} when the exchange is over: a cancelled one must not look like one that came to its end. */
  #held(): BackendStream {
    const { connection, cancelled, errorCode } = this.#exchange;
    if (connection === this.#stream) return connection;
    throw cancelled ?? new ProxyError(errorCode || "internal_error");
  }
}

/** Whether the client itself came over TLS: what a trusted proxy says of it, else what its connection is. */
function isClientSecure({ request, plan, peerIsTrusted }: Exchange): boolean {
  if (!peerIsTrusted) return request.isSecure;
  const scheme = plan.forwarded.clientScheme(existingForwarded(request), plan.trusted);
  return scheme === "" ? request.isSecure : scheme === "https";
}

const FILTER = new Derivation<FieldFilter>();

/** Everything but what concerns the backend's connection alone. */
export function responseFilter(head: Head, edits: FieldEdits): FieldFilter {
  const kept = FILTER.of(head.block);
  if (kept !== null && kept.edits === edits) return kept;
  const filter = new FieldFilter(RESPONSE_DROPS, edits);
  filter.nominated = connectionOptions(head).nominated;
  FILTER.note(head.block, filter);
  return filter;
}

/** For HEAD and 304 the backend's `Content-Length` is passed on as it sent it. */
function lengthWithoutBody(head: Head, kind: number): number {
  if (kind !== BodyKind.none || head.status < 200 || head.status === 204) return -1;
  const text = head.get(FieldId.content_length);
  return text === null || !/^\d{1,15}$/.test(text) ? -1 : Number(text);
}
