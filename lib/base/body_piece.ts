/**
 * What asking for the next piece of a body gives. Each outcome has a name, so that no layer can take the end of a body
 * for a pause, or a pause for its end.
 */

/** The body came to its end. Asking again gives the same. */
export const END: unique symbol = Symbol("END");

/** Nothing is at hand; the other side has to send more first. */
export const WAIT: unique symbol = Symbol("WAIT");

export type Bytes = Uint8Array<ArrayBuffer>;

/** What a call that waits gives. */
export type ReadPiece = Bytes | typeof END;

/** What a call that does not wait gives. */
export type TakenPiece = Bytes | typeof END | typeof WAIT;
