/**
 * A request that passes on another one: what a filter extends to change one part of it for what follows.
 *
 * That is its fields and its body. Where it goes was decided by the route, and line and target are what the log tells of
 * the client's request; the engine keeps the request as it came.
 */

import type { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import type { FieldEdits } from "../../fields/edits.ts";
import type { ConnectionOptions } from "../../fields/hop_by_hop.ts";
import type { Head } from "../../http1/head.ts";
import type { FieldFilter } from "./field_filter.ts";
import type { ProxyRequest } from "./request.ts";

export abstract class WrappedRequest implements ProxyRequest {
  protected readonly inner: ProxyRequest;
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly isSecure: boolean;
  readonly protocol: string;
  readonly peerIp: string;
  readonly bodyLength: number;
  readonly upgrade: string;
  readonly takesTrailers: boolean;
  readonly bodyTimeoutMs: number;
  readonly bodyRateMin: number;
  readonly connectionOptions: ConnectionOptions;
  /** Null: what is asked for goes through `field()`, which may say something else than the bytes that came. */
  readonly head: null = null;

  constructor(inner: ProxyRequest) {
    this.inner = inner;
    this.method = inner.method;
    this.target = inner.target;
    this.authority = inner.authority;
    this.isSecure = inner.isSecure;
    this.protocol = inner.protocol;
    this.peerIp = inner.peerIp;
    this.bodyLength = inner.bodyLength;
    this.upgrade = inner.upgrade;
    this.takesTrailers = inner.takesTrailers;
    this.bodyTimeoutMs = inner.bodyTimeoutMs;
    this.bodyRateMin = inner.bodyRateMin;
    this.connectionOptions = inner.connectionOptions;
  }

  hasUnderscores(): boolean {
    return this.inner.hasUnderscores();
  }

  field(lowerName: string): string | null {
    return this.inner.field(lowerName);
  }

  writeFields(out: ByteWriter, filter: FieldFilter): void {
    this.inner.writeFields(out, filter);
  }

  /** Who changes one of the two ways to take the fields changes both. */
  eachField(emit: EmitField, filter: FieldFilter): void {
    this.inner.eachField(emit, filter);
  }

  takeReceived(): Uint8Array | null {
    return this.inner.takeReceived();
  }

  get isBodyTaken(): boolean {
    return this.inner.isBodyTaken;
  }

  askForBody(): boolean {
    return this.inner.askForBody();
  }

  readBody(): Promise<Uint8Array | null> {
    return this.inner.readBody();
  }

  reuse(piece: Uint8Array): void {
    this.inner.reuse(piece);
  }

  bodyTrailers(): Head | null {
    return this.inner.bodyTrailers();
  }

  passInformational(head: Head, edits: FieldEdits): void {
    this.inner.passInformational(head, edits);
  }

  cancelBody(): void {
    this.inner.cancelBody();
  }

  watchClient(onGone: () => void): void {
    this.inner.watchClient(onGone);
  }
}
