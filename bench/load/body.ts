/** The body of every measured response: 66 bytes, about what a small JSON answer has. */
export const BODY = "sluice load bench: sixty-six bytes of body, the same for everybody";
