/** The ways in which a body can end; `framing.ts` decides which. */

export const BodyKind = { none: 0, length: 1, chunked: 2, until_close: 3 } as const;

export interface Framing {
  /** One of `BodyKind`. */
  readonly kind: number;
  /** Bytes of the body; -1 unless `kind` is `length`. */
  readonly length: number;
  /** Whether the connection may carry another message behind this one. */
  readonly keepAlive: boolean;
}
