/**
 * Content-Length alone (RFC 9112 §6.2, §6.3, RFC 9110 §8.6). The hidden request is the body to who reads the length one
 * way, and the next request to who reads it another way.
 */

import { BROKEN_OFF, type RequestCase, SMUGGLED } from "./case.ts";

const HEAD = "POST /carrier HTTP/1.1\r\nHost: a.test\r\n";

export const CONTENT_LENGTH: readonly RequestCase[] = [
  {
    name: "a good one: what looks like a request is a body",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 40\r\n\r\n" + SMUGGLED,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
  },
  {
    name: "leading zeros",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 0040\r\n\r\n" + SMUGGLED,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
  },
  {
    name: "two that differ",
    rule: "RFC 9112 §6.3",
    send: HEAD + "Content-Length: 40\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "two that differ, the small one first",
    rule: "RFC 9112 §6.3",
    send: HEAD + "Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "two that are equal",
    rule: "RFC 9112 §6.3",
    send: HEAD + "Content-Length: 40\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
    observed: BROKEN_OFF,
  },
  {
    name: "two that are equal, without Host",
    rule: "RFC 9112 §6.3",
    send: "POST /carrier HTTP/1.1\r\nContent-Length: 40\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
    observed: BROKEN_OFF,
  },
  {
    name: "two that are equal, of GET",
    rule: "RFC 9112 §6.3",
    send: "GET /carrier HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
    observed: BROKEN_OFF,
  },
  {
    name: "more leading zeros than digits that count",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 00000000000000040\r\n\r\n" + SMUGGLED,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
    observed: BROKEN_OFF,
  },
  {
    name: "a list of equal ones",
    rule: "RFC 9112 §6.3",
    send: HEAD + "Content-Length: 40, 40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "a list of different ones",
    rule: "RFC 9112 §6.3",
    send: HEAD + "Content-Length: 0, 40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "a plus sign",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: +40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "a minus sign",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: -40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "hexadecimal",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 0x28\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "a fraction",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 40.0\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "digits with a space between",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 4 0\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "letters behind the digits",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 40abc\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "an empty one",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length:\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "a vertical tab behind the digits",
    rule: "RFC 9110 §5.5",
    send: HEAD + "Content-Length: 40\x0b\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "more than 2^53",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 9007199254740993\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
    observed: BROKEN_OFF,
  },
  {
    name: "more than 2^64, which wraps around to 40",
    rule: "RFC 9110 §8.6",
    send: HEAD + "Content-Length: 18446744073709551656\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "a space before the colon",
    rule: "RFC 9112 §5.1",
    send: HEAD + "Content-Length : 40\r\n\r\n" + SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "an underscore instead of the hyphen is another field",
    rule: "RFC 9110 §5.1",
    send: HEAD + "Content_Length: 40\r\n\r\n" + "GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 200 open",
    backend: ["POST /carrier", "GET /second"],
  },
  {
    name: "a body of GET",
    rule: "RFC 9110 §9.3.1",
    send: "GET /carrier HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
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
  {
    name: "a body of HEAD",
    rule: "RFC 9110 §9.3.2",
    send: "HEAD /carrier HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    client: "200 open",
    backend: ["HEAD /carrier " + SMUGGLED],
    observed: {
      serve: {
        client: "501 open",
        backend: [],
        why: "Deno.serve hides the body; without it the request would be another",
      },
    },
  },
];
