/** Bodies of responses as backends frame them, and what clients get of each. */

import { answer, closeMidway, informational, response, type Script } from "../support/backend_scripts.ts";
import { type OnlyFor, wireOf } from "../support/gateway_stage.ts";

const NO_205 = { engine: "serve", why: "Deno cannot frame a 205; wire passes it on as it came" } as const;

export interface BodyRow extends OnlyFor {
  readonly name: string;
  readonly script: Script;
  readonly method?: string;
  readonly status?: number;
  readonly body: string;
  readonly length?: string | null;
  /** Whether the backend's connection serves the next request, too. */
  readonly isReused: boolean;
}

/** Rows whose backend sends 1xx beside 100. */
export const INTERIM = /103|1xx/;

const LARGE = "0123456789abcdef".repeat(16 * 1024);

export const BODY_ROWS: readonly BodyRow[] = [
  { name: "Content-Length", script: answer(response(200, "hello")), body: "hello", length: "5", isReused: true },
  { name: "Content-Length: 0", script: answer(response(200, "")), body: "", length: "0", isReused: true },
  {
    name: "a large body with Content-Length",
    script: answer(response(200, LARGE)),
    body: LARGE,
    length: `${LARGE.length}`,
    isReused: true,
  },
  {
    name: "a large chunked body",
    script: answer(response(200, LARGE, { framing: "chunked" })),
    body: LARGE,
    isReused: true,
  },
  { name: "chunked", script: answer(response(200, "hello", { framing: "chunked" })), body: "hello", isReused: true },
  {
    name: "an empty chunked body",
    script: answer(response(200, "", { framing: "chunked" })),
    body: "",
    isReused: true,
  },
  {
    name: "chunk extensions and trailers end here (RFC 9112 §7.1)",
    script: answer(
      head("200 OK", "Transfer-Encoding: chunked") + `3;a="b;c"\r\nhel\r\n002;x\r\nlo\r\n00\r\nX-Sum: 1\r\n\r\n`,
    ),
    body: "hello",
    isReused: true,
  },
  {
    name: "until close (RFC 9112 §6.3)",
    script: closeMidway(head("200 OK") + "hello"),
    body: "hello",
    isReused: false,
  },
  { name: "HTTP/1.0 until close", script: closeMidway("HTTP/1.0 200 OK\r\n\r\nhello"), body: "hello", isReused: false },
  {
    name: "HTTP/1.0 with a length",
    script: answer("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    body: "hello",
    length: "5",
    isReused: false,
  },
  {
    name: "HTTP/1.0 that keeps alive",
    script: answer("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"),
    body: "hello",
    isReused: true,
  },
  {
    name: "Connection: close of the backend",
    script: answer(head("200 OK", "Connection: close", "Content-Length: 5") + "hello"),
    body: "hello",
    isReused: false,
  },
  {
    name: "an empty reason phrase (RFC 9112 §4)",
    script: answer(head("200 ", "Content-Length: 2") + "ok"),
    body: "ok",
    isReused: true,
  },
  {
    name: "an unusual status",
    script: answer(head("299 Odd", "Content-Length: 2") + "ok"),
    status: 299,
    body: "ok",
    isReused: true,
  },
  {
    name: "an error status with its body",
    script: answer(response(500, "oops")),
    status: 500,
    body: "oops",
    isReused: true,
  },
  {
    name: "HEAD keeps Content-Length, no body (RFC 9110 §9.3.2)",
    method: "HEAD",
    script: answer(head("200 OK", "Content-Length: 5")),
    body: "",
    length: "5",
    isReused: true,
  },
  { name: "HEAD without a length", method: "HEAD", script: answer(head("200 OK")), body: "", isReused: true },
  {
    name: "HEAD with Transfer-Encoding",
    method: "HEAD",
    script: answer(head("200 OK", "Transfer-Encoding: chunked")),
    body: "",
    isReused: true,
  },
  {
    name: "HEAD to a backend that sends a body all the same",
    method: "HEAD",
    script: answer(head("200 OK", "Content-Length: 5") + "hello"),
    body: "",
    isReused: false,
  },
  {
    name: "204 (RFC 9110 §15.3.5)",
    script: answer(head("204 No Content")),
    status: 204,
    body: "",
    length: null,
    isReused: true,
  },
  {
    name: "204 that announces a body",
    script: answer(head("204 No Content", "Content-Length: 5") + "hello"),
    status: 204,
    body: "",
    length: null,
    isReused: false,
  },
  {
    name: "204 with Transfer-Encoding (RFC 9112 §6.1)",
    script: answer(head("204 No Content", "Transfer-Encoding: chunked") + "0\r\n\r\n"),
    status: 204,
    body: "",
    length: null,
    isReused: false,
  },
  {
    name: "304 (RFC 9110 §15.4.5)",
    script: answer(head("304 Not Modified", `ETag: "a"`)),
    status: 304,
    body: "",
    isReused: true,
  },
  {
    name: "304 with the length of what it stands for",
    script: answer(head("304 Not Modified", "Content-Length: 5")),
    status: 304,
    body: "",
    isReused: true,
  },
  {
    name: "204 stands for a 205 with an empty body (RFC 9110 §15.3.6)",
    only: NO_205,
    script: answer(head("205 Reset Content", "Content-Length: 0")),
    status: 204,
    body: "",
    isReused: true,
  },
  {
    name: "204 stands for a 205 with an empty chunked body",
    only: NO_205,
    script: answer(head("205 Reset Content", "Transfer-Encoding: chunked") + "0\r\n\r\n"),
    status: 204,
    body: "",
    isReused: true,
  },
  {
    name: "204 stands for a 205 with a body that it must not have",
    only: NO_205,
    script: answer(head("205 Reset Content", "Content-Length: 5") + "hello"),
    status: 204,
    body: "",
    isReused: true,
  },
  {
    name: "204 stands for a 205 without framing, whose backend waits for the next request",
    only: NO_205,
    script: answer(head("205 Reset Content")),
    status: 204,
    body: "",
    isReused: false,
  },
  {
    name: "205 with an empty body (RFC 9110 §15.3.6)",
    only: { engine: "wire", why: "It frames by itself" },
    script: answer(head("205 Reset Content", "Content-Length: 0")),
    status: 205,
    body: "",
    length: "0",
    isReused: true,
  },
  {
    name: "103 before the response (RFC 8297)",
    script: informational(["HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload"]),
    body: "ok",
    isReused: true,
  },
  {
    name: "100 that nobody asked for (RFC 9110 §15.2.1)",
    script: informational(["HTTP/1.1 100 Continue"]),
    body: "ok",
    isReused: true,
  },
  {
    name: "several 1xx, 102 among them",
    script: informational(["HTTP/1.1 102 Processing", "HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints"]),
    body: "ok",
    isReused: true,
  },
  {
    name: "sixteen 1xx",
    script: informational(Array(16).fill("HTTP/1.1 103 Early Hints")),
    body: "ok",
    isReused: true,
  },
  {
    name: "a 1xx that announces a length",
    script: informational(["HTTP/1.1 103 Early Hints\r\nContent-Length: 5"]),
    body: "ok",
    isReused: true,
  },
];

export function head(status: string, ...lines: readonly string[]): string {
  return wireOf(`HTTP/1.1 ${status}`, ...lines);
}
