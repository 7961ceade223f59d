/** Bounds (RFC 9110 §15.5, RFC 6585 §5): 32 KiB and 100 fields, the defaults. And pipelining (RFC 9112 §9.3.2). */

import { DENO_REFUSES, keptOpen, type RequestCase } from "./case.ts";

const LINES = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: 1\r\n`).join("");

export const LIMITS: readonly RequestCase[] = [
  {
    name: "99 fields beside Host",
    rule: "RFC 6585 §5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\n" + LINES(99) + "\r\n",
    client: "200 open",
    backend: ["GET /plain"],
  },
  {
    name: "one field too many",
    rule: "RFC 6585 §5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\n" + LINES(100) + "\r\n",
    client: "431 closed",
    backend: [],
    observed: keptOpen("431 open"),
  },
  {
    name: "a thousand fields",
    rule: "RFC 6585 §5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\n" + LINES(1000) + "\r\n",
    client: "431 closed",
    backend: [],
    observed: DENO_REFUSES,
  },
  {
    name: "a field of 40 KiB",
    rule: "RFC 6585 §5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: " + "a".repeat(40960) + "\r\n\r\n",
    client: "431 closed",
    backend: [],
    observed: keptOpen("431 open"),
  },
  {
    name: "a name of 40 KiB",
    rule: "RFC 6585 §5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-" + "a".repeat(40960) + ": 1\r\n\r\n",
    client: "431 closed",
    backend: [],
    observed: keptOpen("431 open"),
  },
  {
    name: "a head of a megabyte",
    rule: "RFC 6585 §5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: " + "a".repeat(1 << 20) + "\r\n\r\n",
    client: "431 closed",
    backend: [],
    observed: DENO_REFUSES,
  },
  {
    name: "a target of 40 KiB",
    rule: "RFC 9110 §15.5.15",
    send: "GET /" + "a".repeat(40960) + " HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "414 closed",
    backend: [],
    observed: keptOpen("414 open"),
  },
  {
    name: "a target of a megabyte",
    rule: "RFC 9110 §15.5.15",
    send: "GET /" + "a".repeat(1 << 20) + " HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "414 closed",
    backend: [],
    observed: DENO_REFUSES,
  },
  {
    name: "a target of 20 KiB passes",
    rule: "RFC 9112 §3",
    send: "GET /" + "a".repeat(20480) + " HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 open",
    backend: ["GET /" + "a".repeat(20480)],
  },
  {
    name: "a method of a kilobyte",
    rule: "RFC 9110 §9.1",
    send: "A".repeat(1024) + " /plain HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 open",
    backend: ["A".repeat(1024) + " /plain"],
  },
  {
    name: "more than 32 names in Connection",
    rule: "RFC 9110 §7.6.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nConnection: " +
      Array.from({ length: 33 }, (_, i) => `x-${i}`).join() +
      "\r\n\r\n",
    client: "400 open",
    backend: [],
  },
  {
    name: "pipelined requests are answered in order",
    rule: "RFC 9112 §9.3.2",
    send: "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a.test\r\n\r\n" +
      "POST /3 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\r\n" +
      "PUT /4 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" +
      "GET /5 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 200 200 200 200 open",
    backend: ["GET /1", "HEAD /2", "POST /3 hello", "PUT /4 hello", "GET /5"],
  },
  {
    name: "a bad request behind a good one",
    rule: "RFC 9112 §9.3.2",
    send: "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nX-A : 1\r\nHost: a.test\r\n\r\n" +
      "GET /3 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 400 closed",
    backend: ["GET /1"],
  },
];
