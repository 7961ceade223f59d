/**
 * Three filters for the tests of what filters may do: one answers, one waits, one wraps bodies. A route uses those that its
 * name names ("wait-shout"), and a request says in a field what they are to do to it.
 *
 * They stand in the list as filters of the program would; here they are put into it from outside (trial_main.ts).
 */

import { END, type ReadPiece, type TakenPiece, WAIT } from "../../../lib/base/body_piece.ts";
import type { ByteWriter } from "../../../lib/base/byte_writer.ts";
import type { EmitField } from "../../../lib/base/emit_field.ts";
import { ProxyError } from "../../../lib/base/errors.ts";
import type { RouteConfig } from "../../../lib/config/types.ts";
import type { Exchange } from "../../../lib/proxy/exchange.ts";
import { Filter, type FilterAnswer, type FilterKind } from "../../../lib/proxy/filters/filter.ts";
import { FILTERS } from "../../../lib/proxy/filters/list.ts";
import type { FieldFilter } from "../../../lib/proxy/message/field_filter.ts";
import { LocalResponse } from "../../../lib/proxy/message/local_response.ts";
import type { ProxyResponse } from "../../../lib/proxy/message/response.ts";
import { WrappedRequest } from "../../../lib/proxy/message/wrapped_request.ts";
import { WrappedResponse } from "../../../lib/proxy/message/wrapped_response.ts";

/** `X-Gate`: closed, throws, refuses, throws back; else the request passes with a field more, its response, too. */
class Gate extends Filter {
  override onRequest(exchange: Exchange): FilterAnswer {
    switch (exchange.request.field("x-gate")) {
      case "closed":
        return answer(exchange, 403, "no entry");
      case "throws":
        throw new TypeError("a bug of a filter");
      case "refuses":
        throw new ProxyError("field_name_refused");
    }
    exchange.request = new StampedRequest(exchange.request);
  }

  override onResponse(exchange: Exchange, response: ProxyResponse): ProxyResponse {
    if (exchange.request.field("x-gate") === "throws back") throw new TypeError("a bug of a filter");
    return new StampedResponse(response);
  }
}

/** `X-Wait`: for ever, rejects, answers; else it goes on in a moment. */
class Wait extends Filter {
  override async onRequest(exchange: Exchange): Promise<FilterAnswer> {
    const what = exchange.request.field("x-wait");
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (what === "for ever") await new Promise(() => {});
    if (what === "rejects") throw new TypeError("a bug of a filter");
    if (what === "answers") return answer(exchange, 402, "Waited");
  }
}

/** Upper-cases bodies. */
class Shout extends Filter {
  override onResponse(_exchange: Exchange, response: ProxyResponse): ProxyResponse {
    return response.status === 101 ? new StampedResponse(response) : new LoudResponse(response);
  }
}

class StampedRequest extends WrappedRequest {
  override writeFields(out: ByteWriter, filter: FieldFilter): void {
    super.writeFields(out, filter);
    out.field("x-stamp", "passed");
  }

  override eachField(emit: EmitField, filter: FieldFilter): void {
    super.eachField(emit, filter);
    emit("x-stamp", "passed");
  }
}

class StampedResponse extends WrappedResponse {
  override writeFields(out: ByteWriter): void {
    super.writeFields(out);
    out.field("x-stamp", "returned");
  }

  override eachField(emit: EmitField): void {
    super.eachField(emit);
    emit("x-stamp", "returned");
  }
}

class LoudResponse extends WrappedResponse {
  override get length(): number {
    return -1;
  }

  override takeBody(): TakenPiece {
    const piece = super.takeBody();
    return piece === END || piece === WAIT ? piece : loud(piece);
  }

  override async readBody(): Promise<ReadPiece> {
    const piece = await super.readBody();
    return piece === END ? piece : loud(piece);
  }

  override own(piece: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    return piece; // made here
  }
}

function loud(piece: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(piece, (byte) => byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte);
}

function answer({ request }: Exchange, status: number, text: string): LocalResponse {
  return new LocalResponse(request.method, { status, fields: [], body: new TextEncoder().encode(text) });
}

function kind(name: string, make: () => Filter): FilterKind {
  return { name, compile: (route: RouteConfig) => route.name.split("-").includes(name) ? make() : null };
}

(FILTERS as FilterKind[]).push(
  kind("gate", () => new Gate()),
  kind("wait", () => new Wait()),
  kind("shout", () => new Shout()),
);
