/** Field lines (RFC 9112 §5, RFC 9110 §5.5, §5.6.2, §7.6.1). */

import { type Observed, type RequestCase, SMUGGLED } from "./case.ts";

const DENO_REFUSES_UPGRADES: Observed = {
  serve: {
    client: "400 closed",
    backend: [],
    why: "Deno.serve takes no Upgrade in a message with a length or a coding",
  },
};

export const FIELDS: readonly RequestCase[] = [
  {
    name: "a line that ends with LF alone",
    rule: "RFC 9112 §2.2",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\nX-A: 1\r\n\r\n",
    client: "400 closed",
    backend: [],
    observed: {
      serve: {
        client: "200 open",
        backend: ["GET /plain"],
        why: "Deno.serve takes LF; the request is made anew with CRLF",
      },
    },
  },
  {
    name: "an empty line of LF alone hides a request in a value",
    rule: "RFC 9112 §2.2",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: 1\n\nGET /second HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "400 closed",
    backend: [],
    observed: {
      serve: {
        client: "200 200 open",
        backend: ["GET /plain", "GET /second"],
        why: "Deno.serve ends a head at LF LF: do not put a proxy before it that lets a bare LF pass",
      },
    },
  },
  {
    name: "a CR inside a value",
    rule: "RFC 9110 §5.5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: 1\rX-B: 2\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a line that ends with CR CR LF",
    rule: "RFC 9112 §2.2",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a folded line",
    rule: "RFC 9112 §5.2",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\n 2\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a folded Transfer-Encoding",
    rule: "RFC 9112 §5.2",
    send:
      "POST /carrier HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" +
      SMUGGLED,
    client: "400 closed",
    backend: [],
  },
  {
    name: "a folded first line",
    rule: "RFC 9112 §2.2",
    send: "GET /plain HTTP/1.1\r\n X-A: 1\r\nHost: a.test\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a space before the colon",
    rule: "RFC 9112 §5.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A : 1\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a tab before the colon",
    rule: "RFC 9112 §5.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A\t: 1\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "an empty name",
    rule: "RFC 9110 §5.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\n: 1\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a name that is no token",
    rule: "RFC 9110 §5.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX(A): 1\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a name with a byte above 127",
    rule: "RFC 9110 §5.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX\xe9: 1\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a line without a colon",
    rule: "RFC 9112 §5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a NUL in a value",
    rule: "RFC 9110 §5.5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: 1\x002\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a control character in a value",
    rule: "RFC 9110 §5.5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: 1\x0b2\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "DEL in a value",
    rule: "RFC 9110 §5.5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A: 1\x7f2\r\n\r\n",
    client: "400 closed",
    backend: [],
  },
  {
    name: "a tab and bytes above 127 in a value pass",
    rule: "RFC 9110 §5.5",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nX-A:\t1\t\xff 2 \t\r\n\r\n",
    client: "200 open",
    backend: ["GET /plain"],
  },
  {
    name: "Connection that names Content-Length does not remove it",
    rule: "RFC 9110 §7.6.1",
    send: "POST /carrier HTTP/1.1\r\nHost: a.test\r\nConnection: content-length\r\nContent-Length: 40\r\n\r\n" +
      SMUGGLED,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
  },
  {
    name: "Connection that names Transfer-Encoding does not remove it",
    rule: "RFC 9110 §7.6.1",
    send:
      "POST /carrier HTTP/1.1\r\nHost: a.test\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "28\r\n" + SMUGGLED + "\r\n0\r\n\r\n",
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
  },
  {
    name: "Connection that names Host does not remove it",
    rule: "RFC 9110 §7.6.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nConnection: host\r\n\r\n",
    client: "200 open",
    backend: ["GET /plain"],
  },
  {
    name: "Connection that is no list of tokens",
    rule: "RFC 9110 §7.6.1",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nConnection: x-a; x-b\r\n\r\n",
    client: "400 open",
    backend: [],
  },
  {
    name: "Connection: close ends with its response",
    rule: "RFC 9112 §9.6",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" + SMUGGLED,
    client: "200 closed",
    backend: ["GET /plain"],
  },
  {
    name: "an offer of h2c with a body is a request of HTTP/1.1",
    rule: "RFC 9110 §7.8",
    send: "POST /plain HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
      "HTTP2-Settings: AAMAAABk\r\nContent-Length: 5\r\n\r\nhello",
    client: "200 open",
    backend: ["POST /plain hello"],
    observed: DENO_REFUSES_UPGRADES,
  },
  {
    name: "an offer of another protocol with a length of 0 is a request like any other",
    rule: "RFC 9110 §7.8",
    send:
      "POST /plain HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n",
    client: "200 open",
    backend: ["POST /plain"],
    observed: DENO_REFUSES_UPGRADES,
  },
  {
    name: "an upgrade to h2c is not offered to the backend: requests would pass unseen behind it",
    rule: "RFC 9110 §7.8",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
      "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nGET /second HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 200 open",
    backend: ["GET /plain", "GET /second"],
  },
  {
    name: "an upgrade that the backend does not agree to opens no tunnel",
    rule: "RFC 9110 §7.8",
    send: "GET /plain HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" +
      "GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 200 open",
    backend: ["GET /plain", "GET /second"],
  },
  {
    name: "an upgrade with a body is none",
    rule: "RFC 9110 §7.8",
    send: "POST /carrier HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: 40\r\n\r\n" +
      SMUGGLED,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
    observed: { serve: { client: "400 closed", backend: [], why: "Deno.serve refuses an upgrade with a body" } },
  },
  {
    name: "Expect: 100-continue with the body behind it at once",
    rule: "RFC 9110 §10.1.1",
    send: "POST /carrier HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    client: "200 open",
    backend: ["POST /carrier " + SMUGGLED],
  },
];
