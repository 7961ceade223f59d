/**
 * The request's body on its way to one attempt: what the client owes and what the backend owes meanwhile, and how the
 * exchange goes on when it is out.
 */

import { ProxyError } from "../../base/errors.ts";
import type { EmitField } from "../../base/emit_field.ts";
import type { BackendStream } from "../../transport/backend_stream.ts";
import type { OutgoingBody } from "../../transport/outgoing_request.ts";
import type { Exchange } from "../exchange.ts";
import { type BodyPace, expectPiece } from "../message/body_pace.ts";
import type { FieldFilter } from "../message/field_filter.ts";
import type { RequestBody } from "../message/request_body.ts";

interface Bounds {
  /** The filter of the request's fields. */
  readonly filter: FieldFilter;
  /** The pace of the client; null without a rate. */
  readonly pace: BodyPace | null;
  /** Silence of the backend's window; then until the response head. */
  readonly backendMs: number;
  readonly responseMs: number;
}

export class AttemptBody implements OutgoingBody {
  readonly #exchange: Exchange;
  readonly #stream: BackendStream | null;
  readonly #body: RequestBody;
  readonly #bounds: Bounds;
  /** Of the piece that was asked for last. */
  #index = -1;

  /** @param exchange Has the attempt's stream. */
  constructor(exchange: Exchange, body: RequestBody, bounds: Bounds) {
    this.#exchange = exchange;
    this.#stream = exchange.connection;
    this.#body = body;
    this.#bounds = bounds;
  }

  get isAbandoned(): boolean {
    return this.#exchange.connection !== this.#stream;
  }

  takeWhole(bytesMax: number): Uint8Array | null {
    return this.#body.takeWhole(bytesMax);
  }

  async read(): Promise<Uint8Array | null> {
    const exchange = this.#exchange;
    const body = this.#body;
    const { pace, backendMs } = this.#bounds;
    const seen = body.bytes;
    expectPiece(exchange, pace);
    exchange.clientOwes();
    const piece = await body.piece(++this.#index);
    pace?.end(body.bytes - seen, exchange.core.deadlines.recentMs);
    if (this.isAbandoned) return piece;
    exchange.clientGave();
    exchange.due.expectUpload(backendMs, "response_timeout");
    return piece;
  }

  get hasCome(): boolean {
    return this.#body.has(this.#index);
  }

  get hasTrailers(): boolean {
    const trailers = this.#exchange.request.bodyTrailers();
    return trailers !== null && trailers.count > 0;
  }

  /**
   * Left out are fields that frame or route a message, and what is left out of its head: what `Connection` names (RFC 9110
   * §7.6.1), and what the route removes or sets.
   */
  eachTrailer(emit: EmitField): void {
    const trailers = this.#exchange.request.bodyTrailers();
    if (trailers === null) return;
    for (let index = 0; index < trailers.count; index++) {
      if (this.#bounds.filter.dropsTrailer(trailers.ids[index], trailers.lowerName(index))) continue;
      emit(trailers.name(index), trailers.value(index));
    }
  }

  onSent(): void {
    this.#exchange.isUploadDone = true;
    this.#body.sent();
    this.#backendOwesResponse();
  }

  /** Nobody owes anything but the response. */
  onRefused(): void {
    this.#backendOwesResponse();
  }

  onFailed(error: unknown): void {
    this.#exchange.cancel(error instanceof ProxyError ? error : new ProxyError("request_body_broken", "", error));
  }

  #backendOwesResponse(): void {
    this.#exchange.due.expectUpload(0, "response_timeout");
    this.#exchange.uploadEnded(this.#bounds.responseMs);
  }
}
