/**
 * The body that Deno hides: `request.body` is null for GET and HEAD, whatever came.
 *
 * In HTTP/1.1 the head says that there is one. In HTTP/2 DATA frames may follow a head that says nothing, and a proxy that
 * knows only `request.body` would pass on another request than it got, and answer 200. Behind `Request` Deno keeps the
 * request that it has, which gives its body to every method but these; so it is asked under another name. That is no
 * public API: where it is not as expected, nothing is found, as without this.
 */

/** `hiddenBody()` when DATA frames, or only an end, are still to come: `request.body` is there now, and tells. */
export const STILL_TO_COME = -1;

/** What is used of Deno's own request. */
interface InnerRequest {
  readonly method: string;
  readonly body: { readonly streamOrStatic: ReadableStream<Uint8Array> | { readonly body?: unknown } } | null;
}

const INNER: symbol | undefined = Object.getOwnPropertySymbols(new Request("http://localhost/"))
  .find(({ description }) => description === "request");

const ANY_OTHER_METHOD: PropertyDescriptor = { value: "POST", configurable: true };

/** @returns Bytes of the body that is complete already; 0 also when it can't be told. Or `STILL_TO_COME`. */
export function hiddenBody(request: Request): number {
  const inner = INNER === undefined
    ? undefined
    : (request as unknown as Record<symbol, InnerRequest | undefined>)[INNER];
  if (inner === undefined) return 0;
  // The property hides the getter of the same name from the one for the body.
  Object.defineProperty(inner, "method", ANY_OTHER_METHOD);
  const body = inner.body?.streamOrStatic;
  delete (inner as { method?: string }).method;
  if (body instanceof ReadableStream) return STILL_TO_COME;
  return body?.body instanceof Uint8Array ? body.body.length : 0;
}
