/**
 * Responses that sluice makes itself: errors, redirects, fixed answers.
 *
 * An error says its code and the request id, and nothing about what is inside. RFC 9209 `Proxy-Status` carries the
 * standard error type for machines.
 */

import { STATUS_TEXT } from "@std/http/status";
import { type Bytes, END, type ReadPiece } from "../../base/body_piece.ts";
import type { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import { ERROR_TRAITS, type ErrorCode } from "../../base/errors.ts";
import { prefersJson } from "../../fields/accept.ts";
import type { FieldEdits } from "../../fields/edits.ts";
import type { ProxyRequest } from "./request.ts";
import type { ProxyResponse } from "./response.ts";

export type ResponseField = readonly [name: string, value: string];

/** A response that is whole in memory. */
export class LocalResponse implements ProxyResponse {
  readonly status: number;
  readonly length: number;
  readonly hasBody: boolean;
  readonly hasDate: boolean = false;
  readonly hasTrailers: boolean = false;
  readonly tunnel: null = null;
  readonly #fields: readonly ResponseField[];
  readonly #body: Bytes;
  #isTaken = false;

  /** @param method Of the request: HEAD is told the length of what GET would get. */
  constructor(method: string, { status, fields, body }: LocalContent) {
    const isBodyless = status === 204 || status === 304;
    this.status = status;
    this.length = isBodyless ? -1 : body.length;
    this.hasBody = !isBodyless && method !== "HEAD";
    this.#fields = fields;
    this.#body = body;
  }

  field(lowerName: string): string | null {
    const values = this.#fields.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value);
    return values.length === 0 ? null : values.join(", ");
  }

  writeFields(out: ByteWriter): void {
    for (const [name, value] of this.#fields) out.field(name, value);
  }

  eachField(emit: EmitField): void {
    for (const [name, value] of this.#fields) emit(name, value);
  }

  takeBody(): Bytes | typeof END {
    if (this.#isTaken || !this.hasBody || this.#body.length === 0) return END;
    this.#isTaken = true;
    return this.#body;
  }

  readBody(): Promise<ReadPiece> {
    return Promise.resolve(this.takeBody());
  }

  own(piece: Bytes): Bytes {
    return piece; // nobody writes to it
  }

  eachTrailer(): void {}
}

/** What a response of ours says. */
export interface LocalContent {
  readonly status: number;
  readonly fields: readonly ResponseField[];
  readonly body: Bytes;
}

/** The content with a route's edits. */
export function edited({ status, fields, body }: LocalContent, edits: FieldEdits): LocalContent {
  return { status, fields: edits.apply(fields), body };
}

/** Seconds that a client is asked to wait when the condition is one that passes. */
const RETRY_AFTER_SECONDS = "1";
/** The methods of a route that names none, any but TRACE: those that are registered as well known. */
const ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const JSON_TYPE = "application/json";
const TEXT_TYPE = "text/plain; charset=utf-8";

const encoder = new TextEncoder();

/** @param code One with a status; an exchange without anybody to answer is closed with 499, which no client sees. */
export function errorResponse(code: ErrorCode, request: ProxyRequest, requestId: string): LocalContent {
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

export function redirectResponse(status: number, location: string): LocalContent {
  return { status, fields: [["location", location]], body: new Uint8Array(0) };
}
