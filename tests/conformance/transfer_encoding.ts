/**
 * Transfer-Encoding, alone and with Content-Length (RFC 9112 §6.1, §6.3). The body ends at once for who reads chunks, and
 * holds the hidden request for who reads a length; or the other way around.
 */

import { BROKEN_OFF, type Observed, type RequestCase, SMUGGLED } from "./case.ts";

const HEAD = "POST /carrier HTTP/1.1\r\nHost: a.test\r\n";
/** Nothing for who reads chunks; 45 bytes for who reads a length. */
const ENDS_AT_ONCE = "0\r\n\r\n" + SMUGGLED;
/** 40 bytes of data for who reads chunks. */
const ONE_CHUNK = "28\r\n" + SMUGGLED + "\r\n0\r\n\r\n";

/** Values that one recipient takes for "chunked" and another does not. */
const OBFUSCATED: ReadonlyArray<readonly [name: string, line: string]> = [
  ["xchunked", "Transfer-Encoding: xchunked\r\n"],
  ["chunkedx", "Transfer-Encoding: chunkedx\r\n"],
  ["identity", "Transfer-Encoding: identity\r\n"],
  ["cow", "Transfer-Encoding: cow\r\n"],
  ["an empty value", "Transfer-Encoding:\r\n"],
  ["a vertical tab behind it", "Transfer-Encoding: chunked\x0b\r\n"],
  ["a form feed before it", "Transfer-Encoding: \x0cchunked\r\n"],
  ["a NUL behind it", "Transfer-Encoding: chunked\x00\r\n"],
  ["a no-break space behind it", "Transfer-Encoding: chunked\xa0\r\n"],
  ["quotes", 'Transfer-Encoding: "chunked"\r\n'],
  ["a parameter", "Transfer-Encoding: chunked;q=1\r\n"],
  ["a comma before it", "Transfer-Encoding: ,chunked\r\n"],
  ["a comma behind it", "Transfer-Encoding: chunked,\r\n"],
  ["chunked twice in a list", "Transfer-Encoding: chunked, chunked\r\n"],
  ["chunked, identity", "Transfer-Encoding: chunked, identity\r\n"],
  ["identity, chunked", "Transfer-Encoding: identity, chunked\r\n"],
  ["gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"],
  ["two lines of chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"],
  ["chunked, then identity in a second line", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"],
  ["identity, then chunked in a second line", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"],
  ["a space before the colon", "Transfer-Encoding : chunked\r\n"],
  ["a space before the name", " Transfer-Encoding: chunked\r\n"],
  ["a bare CR before the name", "X-A: 1\rTransfer-Encoding: chunked\r\n"],
  ["a bare LF before the name", "X-A: 1\nTransfer-Encoding: chunked\r\n"],
  ["a bare CR behind the colon", "Transfer-Encoding:\rchunked\r\n"],
  ["folded", "Transfer-Encoding: \r\n chunked\r\n"],
];

const ALONE: Readonly<Record<string, Observed>> = {
  "gzip, chunked": BROKEN_OFF,
  "a bare LF before the name": {
    serve: {
      client: "200 open",
      backend: ["POST /carrier " + SMUGGLED],
      why: "Deno.serve takes LF for a line end; the request is made anew with one Transfer-Encoding",
    },
  },
};

export const TRANSFER_ENCODING: readonly RequestCase[] = [
  {
    name: "chunked: what looks like a request is a body",
    rule: "RFC 9112 §7.1",
    send: HEAD + "Transfer-Encoding: chunked\r\n\r\n" + ONE_CHUNK,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
  },
  {
    name: "chunked in other letters, with blanks around it",
    rule: "RFC 9112 §7",
    send: HEAD + "tRANSFER-eNCODING: \t ChunKED \t \r\n\r\n" + ONE_CHUNK,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
  },
  {
    name: "behind Content-Length",
    rule: "RFC 9112 §6.1",
    send: HEAD + "Content-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n" + ENDS_AT_ONCE,
    client: "400 closed",
    backend: [],
  },
  {
    name: "before Content-Length",
    rule: "RFC 9112 §6.1",
    send: HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 45\r\n\r\n" + ENDS_AT_ONCE,
    client: "400 closed",
    backend: [],
  },
  {
    name: "before a Content-Length that ends inside a chunk",
    rule: "RFC 9112 §6.1",
    send: HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + ONE_CHUNK,
    client: "400 closed",
    backend: [],
  },
  {
    name: "behind a Content-Length that ends inside a chunk",
    rule: "RFC 9112 §6.1",
    send: HEAD + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + ONE_CHUNK,
    client: "400 closed",
    backend: [],
  },
  {
    name: "with Content-Length: 0",
    rule: "RFC 9112 §6.1",
    send: HEAD + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + ENDS_AT_ONCE,
    client: "400 closed",
    backend: [],
  },
  {
    name: "in HTTP/1.0",
    rule: "RFC 9112 §6.1",
    send: "POST /carrier HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" +
      ENDS_AT_ONCE,
    client: "400 closed",
    backend: [],
  },
  {
    name: "an underscore instead of the hyphen is another field",
    rule: "RFC 9110 §5.1",
    send: HEAD + "Transfer_Encoding: chunked\r\nContent-Length: 45\r\n\r\n" + ENDS_AT_ONCE,
    client: "200 open",
    backend: ["POST /carrier " + ENDS_AT_ONCE],
  },
  {
    name: "chunked on GET",
    rule: "RFC 9110 §9.3.1",
    send: "GET /carrier HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + ONE_CHUNK,
    client: "200 open",
    backend: ["GET /carrier " + SMUGGLED],
    observed: {
      serve: {
        client: "501 open",
        backend: [],
        why: "Deno.serve hides the body; without it the request would be another",
      },
    },
  },
  ...OBFUSCATED.map(([name, line]): RequestCase => ({
    name: `${name}, with Content-Length behind it`,
    rule: "RFC 9112 §6.1, §6.3",
    send: HEAD + line + "Content-Length: 45\r\n\r\n" + ENDS_AT_ONCE,
    client: "400 closed",
    backend: [],
  })),
  ...OBFUSCATED.map(([name, line]): RequestCase => ({
    name: `${name}, with Content-Length before it`,
    rule: "RFC 9112 §6.1, §6.3",
    send: HEAD + "Content-Length: 45\r\n" + line + "\r\n" + ENDS_AT_ONCE,
    client: "400 closed",
    backend: [],
  })),
  ...OBFUSCATED.map(([name, line]): RequestCase => ({
    name: `${name}, alone`,
    rule: "RFC 9112 §6.1, §6.3",
    send: HEAD + line + "\r\n" + ONE_CHUNK,
    client: "400 closed",
    backend: [],
    observed: ALONE[name],
  })),
];
