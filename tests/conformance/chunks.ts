/**
 * Chunk sizes, extensions, data and trailers (RFC 9112 §7.1). A body may be on its way to the backend before a bad chunk
 * is found: then the backend never gets its end.
 */

import { type Outcome, type RequestCase, SMUGGLED } from "./case.ts";

const HEAD = "POST /carrier HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

const SECOND = "GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n";

interface Row {
  readonly name: string;
  readonly body: string;
}

/** Sizes and line ends that one recipient reads in another way than the next. */
const REFUSED: readonly Row[] = [
  { name: "a size with 0x", body: "0x28\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size with a plus sign", body: "+28\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size with a minus sign", body: "-1\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "an empty size", body: "\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size that is no number", body: "z\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size with an underscore", body: "2_8\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a space before a size", body: " 28\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a space inside a size", body: "2 8\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a space behind a size", body: "28 \r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a tab behind a size", body: "28\t\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size beyond 2^64, which wraps around to 40", body: "10000000000000028\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size of many zeros", body: "0".repeat(300) + "28\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size line that ends with LF alone", body: "28\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a size line that ends with CR alone", body: "28\r" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "an extension with LF", body: "28;a\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "an extension with a quoted line end", body: '28;a="\r\n' + SMUGGLED + '"\r\n0\r\n\r\n' },
  { name: "an extension with a quoted LF", body: '28;a="\n"\r\n' + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "an extension with CR alone", body: "28;a\rb\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "an extension with a NUL", body: "28;a\x00b\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "an extension of 64 KiB", body: "28;a=" + "b".repeat(65536) + "\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "data without a line end", body: "28\r\n" + SMUGGLED + "0\r\n\r\n" + SMUGGLED },
  { name: "data that ends with LF alone", body: "28\r\n" + SMUGGLED + "\n0\r\n\r\n" },
  { name: "data that ends with CR alone", body: "28\r\n" + SMUGGLED + "\r0\r\n\r\n" },
  { name: "data longer than its size", body: "5\r\n" + SMUGGLED + "\r\n0\r\n\r\n" },
  { name: "a last chunk whose line ends with LF alone", body: "5\r\nhello\r\n0\n\r\n" + SMUGGLED },
  { name: "a last chunk with 0x", body: "5\r\nhello\r\n0x0\r\n\r\n" + SMUGGLED },
  { name: "a body that ends with LF alone", body: "5\r\nhello\r\n0\r\n\n" + SMUGGLED },
  { name: "a trailer with a space before the colon", body: "5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n" + SMUGGLED },
  { name: "a folded trailer", body: "5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n" + SMUGGLED },
  { name: "a trailer that ends with LF alone", body: "5\r\nhello\r\n0\r\nX-A: 1\n\r\n" + SMUGGLED },
  { name: "a trailer without a colon", body: "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n" },
  { name: "a trailer Content-Length", body: "5\r\nhello\r\n0\r\nContent-Length: 40\r\n\r\n" + SECOND },
  { name: "a trailer Transfer-Encoding", body: "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" + SECOND },
  { name: "a trailer Host", body: "5\r\nhello\r\n0\r\nHost: other.test\r\n\r\n" + SECOND },
];

const DROPPED: Outcome & { why: string } = {
  client: "closed|400 closed",
  backend: ["POST /carrier …"],
  why: "Deno.serve drops the connection at a bad chunk; an answer gets out only if the request had been seen before",
};
const BLANKS: Outcome & { why: string } = {
  client: "200 open",
  backend: ["POST /carrier " + SMUGGLED],
  why: "Deno.serve skips spaces around a size and has no bound for its zeros; the body is framed anew",
};
const TRAILER: Outcome & { why: string } = {
  client: "200 200 open",
  backend: ["POST /carrier hello", "GET /second"],
  why: "Deno.serve throws trailers away unread; they reach nobody",
};

/** What Deno takes. */
const TAKEN: Readonly<Record<string, Outcome & { why: string }>> = {
  "a space before a size": BLANKS,
  "a space behind a size": BLANKS,
  "a size of many zeros": BLANKS,
  "a trailer Content-Length": TRAILER,
  "a trailer Transfer-Encoding": TRAILER,
  "a trailer Host": TRAILER,
};

export const CHUNKS: readonly RequestCase[] = [
  {
    name: "several chunks become one body",
    rule: "RFC 9112 §7.1",
    send: HEAD + "3\r\nhel\r\n02\r\nlo\r\n0\r\n\r\n",
    client: "200 open",
    backend: ["POST /carrier hello"],
  },
  {
    name: "extensions end here",
    rule: "RFC 9112 §7.1.1",
    send: HEAD + '5;a;b=c;d="e"\r\nhello\r\n0;last\r\n\r\n',
    client: "200 open",
    backend: ["POST /carrier hello"],
  },
  {
    name: "a size in capitals and small letters",
    rule: "RFC 9112 §7.1",
    send: HEAD + "A\r\n0123456789\r\nb\r\n0123456789a\r\n000\r\n\r\n",
    client: "200 open",
    backend: ["POST /carrier 01234567890123456789a"],
  },
  {
    name: "trailers become neither body nor fields",
    rule: "RFC 9110 §6.5",
    send: HEAD + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    client: "200 open",
    backend: ["POST /carrier hello"],
  },
  {
    name: "a body and a request behind it",
    rule: "RFC 9112 §9.3.2",
    send: HEAD + "5\r\nhello\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: a.test\r\n\r\n",
    client: "200 200 open",
    backend: ["POST /carrier hello", "GET /second"],
  },
  ...REFUSED.map(({ name, body }): RequestCase => ({
    name,
    rule: "RFC 9112 §7.1",
    send: HEAD + body,
    client: "400 closed",
    backend: ["POST /carrier …"],
    observed: { serve: TAKEN[name] ?? DROPPED },
  })),
];
