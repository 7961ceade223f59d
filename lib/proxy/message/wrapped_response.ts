/**
 * A response that passes on another one: what a filter extends to change one part of it.
 *
 * Whoever changes the body also says so in `length`, and in `field()`, `writeFields()` and `eachField()` where a field
 * depends on it (`ETag`, `Content-Encoding`). Both `takeBody()` and `readBody()` give pieces of it, `END` and `WAIT` keep
 * their meanings, and no piece is empty. A piece that was made anew is its maker's: `own()` gives it back as it is.
 */

import type { Bytes, ReadPiece, TakenPiece } from "../../base/body_piece.ts";
import type { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import type { ProxyResponse, Tunnel } from "./response.ts";

export abstract class WrappedResponse implements ProxyResponse {
  protected readonly inner: ProxyResponse;

  constructor(inner: ProxyResponse) {
    this.inner = inner;
  }

  get status(): number {
    return this.inner.status;
  }

  get length(): number {
    return this.inner.length;
  }

  get hasBody(): boolean {
    return this.inner.hasBody;
  }

  get hasDate(): boolean {
    return this.inner.hasDate;
  }

  get tunnel(): Tunnel | null {
    return this.inner.tunnel;
  }

  field(lowerName: string): string | null {
    return this.inner.field(lowerName);
  }

  writeFields(out: ByteWriter): void {
    this.inner.writeFields(out);
  }

  eachField(emit: EmitField): void {
    this.inner.eachField(emit);
  }

  takeBody(): TakenPiece {
    return this.inner.takeBody();
  }

  readBody(): Promise<ReadPiece> {
    return this.inner.readBody();
  }

  own(piece: Bytes): Bytes {
    return this.inner.own(piece);
  }

  get hasTrailers(): boolean {
    return this.inner.hasTrailers;
  }

  eachTrailer(emit: EmitField): void {
    this.inner.eachTrailer(emit);
  }
}
