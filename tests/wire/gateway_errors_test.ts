/** The table of errors as a client sees it: status, Proxy-Status (RFC 9209), Retry-After, body, and nothing of inside. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { hang, response, type Script } from "../support/backend_scripts.ts";
import { refusedPort } from "../support/scripted_backend.ts";
import type { RawResponse } from "../support/raw_client.ts";
import {
  type Engine,
  ENGINES,
  Gateway,
  isFor,
  type OnlyFor,
  requestFor,
  type Site,
  wireOf,
} from "../support/gateway_stage.ts";

const HIDDEN = { engine: "serve", why: "Deno.serve hides such a body; wire passes it on" } as const;

interface ErrorRow extends OnlyFor {
  readonly name: string;
  readonly wire: string;
  readonly listener?: string;
  readonly status: number;
  /** RFC 9209 §2.3; "" for none. */
  readonly type: string;
  readonly code: string;
  readonly retryAfter?: boolean;
  /** Where the connection ends behind the text, so that nothing on it is served any more. */
  readonly breaksOff?: readonly Engine[];
}

const REQUEST_ERROR = "http_request_error";
const slow = (name: string) => wireOf("POST / HTTP/1.1", `Host: ${name}.test`);

const ERROR_ROWS: readonly ErrorRow[] = [
  {
    name: "no route",
    wire: requestFor("nowhere"),
    status: 404,
    type: "proxy_internal_response",
    code: "route_not_found",
  },
  {
    name: "Host missing (RFC 9112 §3.2)",
    wire: wireOf("GET / HTTP/1.1"),
    status: 400,
    type: REQUEST_ERROR,
    code: "host_invalid",
  },
  {
    name: "Host empty",
    wire: wireOf("GET / HTTP/1.1", "Host:"),
    status: 400,
    type: REQUEST_ERROR,
    code: "host_invalid",
  },
  {
    name: "Host with a path",
    wire: wireOf("GET / HTTP/1.1", "Host: a.test/x"),
    status: 400,
    type: REQUEST_ERROR,
    code: "host_invalid",
  },
  {
    name: "Host with userinfo",
    wire: wireOf("GET / HTTP/1.1", "Host: me@a.test"),
    status: 400,
    type: REQUEST_ERROR,
    code: "host_invalid",
  },
  {
    name: "Host with a list",
    wire: wireOf("GET / HTTP/1.1", "Host: a.test, b.test"),
    status: 400,
    type: REQUEST_ERROR,
    code: "host_invalid",
  },
  {
    name: "Host with a port that is none",
    wire: wireOf("GET / HTTP/1.1", "Host: a.test:99999"),
    status: 400,
    type: REQUEST_ERROR,
    code: "host_invalid",
  },
  {
    name: "Host invalid beside a good absolute form",
    wire: wireOf("GET http://fine.test/ HTTP/1.1", "Host: a b"),
    status: 400,
    type: REQUEST_ERROR,
    code: "host_invalid",
  },
  {
    name: "Connection that is no list of tokens",
    wire: requestFor("fine", "Connection: a b"),
    status: 400,
    type: REQUEST_ERROR,
    code: "request_invalid",
  },
  {
    name: "CONNECT (RFC 9110 §9.3.6)",
    wire: wireOf("CONNECT fine.test:443 HTTP/1.1", "Host: fine.test:443"),
    status: 501,
    type: REQUEST_ERROR,
    code: "request_unsupported",
    breaksOff: ["serve"],
  },
  {
    name: "TRACE on a route that does not name it",
    wire: wireOf("TRACE / HTTP/1.1", "Host: fine.test"),
    status: 405,
    type: "proxy_internal_response",
    code: "method_not_allowed",
  },
  {
    name: "GET with a body",
    only: HIDDEN,
    wire: requestFor("fine", "Content-Length: 2") + "hi",
    status: 501,
    type: REQUEST_ERROR,
    code: "request_unsupported",
  },
  {
    name: "GET with a chunked body",
    only: HIDDEN,
    wire: requestFor("fine", "Transfer-Encoding: chunked") + "0\r\n\r\n",
    status: 501,
    type: REQUEST_ERROR,
    code: "request_unsupported",
  },
  {
    name: "target too long",
    wire: wireOf(`GET /${"a".repeat(2100)} HTTP/1.1`, "Host: fine.test"),
    listener: "tight",
    status: 414,
    type: REQUEST_ERROR,
    code: "target_too_long",
  },
  {
    name: "head too large",
    wire: requestFor("fine", `X-A: ${"a".repeat(2040)}`),
    listener: "tight",
    status: 431,
    type: REQUEST_ERROR,
    code: "request_head_too_large",
  },
  {
    name: "too many fields",
    wire: requestFor("fine", ...lines(10)),
    listener: "tight",
    status: 431,
    type: REQUEST_ERROR,
    code: "request_head_too_large",
  },
  {
    name: "body too large, length known",
    wire: wireOf("POST / HTTP/1.1", "Host: fine.test", "Content-Length: 11"),
    listener: "tight",
    status: 413,
    type: REQUEST_ERROR,
    code: "request_body_too_large",
  },
  {
    name: "body too large, streamed",
    wire: wireOf("POST / HTTP/1.1", "Host: fine.test", "Transfer-Encoding: chunked") + "b\r\nhello world\r\n0\r\n\r\n",
    listener: "tight",
    status: 413,
    type: REQUEST_ERROR,
    code: "request_body_too_large",
  },
  {
    name: "body silence (RFC 9110 §15.5.9)",
    wire: wireOf("POST / HTTP/1.1", "Host: fine.test", "Content-Length: 5") + "he",
    listener: "tight",
    status: 408,
    type: "",
    code: "request_timeout",
  },
  {
    name: "every backend refuses",
    wire: requestFor("refused"),
    status: 502,
    type: "connection_refused",
    code: "connect_refused",
  },
  {
    name: "a Unix socket that is not there",
    wire: requestFor("nosocket"),
    status: 502,
    type: "connection_refused",
    code: "connect_refused",
  },
  {
    name: "TLS to a backend that speaks none",
    wire: slow("tls"),
    status: 502,
    type: "tls_protocol_error",
    code: "tls_failed",
  },
  {
    name: "connecting takes too long",
    wire: slow("tlssilent"),
    status: 504,
    type: "connection_timeout",
    code: "connect_timeout",
  },
  {
    name: "no response in time",
    wire: slow("mute"),
    status: 504,
    type: "http_response_timeout",
    code: "response_timeout",
  },
  { name: "no end in time", wire: slow("total"), status: 504, type: "http_response_timeout", code: "total_timeout" },
  {
    name: "the route's own timeout goes before the upstream's",
    wire: slow("route"),
    status: 504,
    type: "http_response_timeout",
    code: "response_timeout",
  },
];

const limits = [
  `head = "2KiB"`,
  "fields = 8",
  `body = "10B"`,
  `body_timeout = "200ms"`,
];

for (const engine of ENGINES) {
  Deno.test(`${engine}: the table of errors`, async (test) => {
    using refused = await refusedPort();
    using alwaysRefused = await refusedPort();
    const quick = `timeouts.response = "200ms"`;
    const silence: Script = hang();
    const sites: Site[] = [
      { name: "fine" },
      { name: "refused", url: refused.url },
      { name: "ejected", url: alwaysRefused.url },
      { name: "nosocket", url: "unix:nowhere.sock" },
      { name: "tls", url: "" },
      { name: "tlssilent", url: "" },
      { name: "mute", script: silence, upstream: quick },
      { name: "total", script: silence, upstream: `timeouts.total = "200ms"` },
      { name: "route", script: silence, route: `timeouts = { response = "200ms" }` },
      { name: "idle", script: stall, upstream: `timeouts.idle = "200ms"` },
      { name: "long", script: stall, upstream: `timeouts.total = "300ms"` },
    ];
    // One speaks when it should shake hands, the other says nothing at all.
    const talker = plainListener(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const mute = plainListener(null);
    try {
      const urls: Record<string, string> = { tls: talker.url, tlssilent: mute.url };
      await using gateway = await Gateway.start({
        engine,
        sites: sites.map((site) =>
          site.url === "" ? { ...site, url: urls[site.name], upstream: `timeouts.connect = "300ms"` } : site
        ),
        listeners: { web: "", tight: `limits = { ${limits.join(", ")} }` },
      });

      await tableSteps(test, gateway);
      await connectionSteps(test, gateway);
    } finally {
      talker.close();
      mute.close();
    }
  });
}

/** All of the text, and then the end of the connection instead of the end of a body. */
async function assertLastError(gateway: Gateway, { wire, listener, status, code }: ErrorRow): Promise<void> {
  using client = await gateway.connect(listener);
  await client.send(wire);
  const text = new TextDecoder().decode(await client.readUntilClose());
  assertMatch(text, new RegExp(`^HTTP/1.1 ${status} `));
  assertStringIncludes(text, `error: ${code}\n`);
}

async function tableSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const row of ERROR_ROWS.filter(isFor(gateway.engine))) {
    await test.step(`${row.status} ${row.code}: ${row.name}`, async () => {
      if (row.breaksOff?.includes(gateway.engine)) await assertLastError(gateway, row);
      else assertError(await gateway.send(row.wire, row.listener), row);
    });
  }

  for (const [accept, type] of ACCEPTS) {
    await test.step(`an error for Accept: ${accept} is ${type}`, async () => {
      const got = await gateway.send(requestFor("nowhere", `Accept: ${accept}`, "X-Request-Id: mine-1"));
      assertEquals(got.field("content-type"), type);
      assertEquals(got.field("x-request-id"), "mine-1");
      if (type === "application/json") {
        const { status, error, request_id } = JSON.parse(got.text);
        assertEquals({ status, error, request_id }, { status: 404, error: "route_not_found", request_id: "mine-1" });
      } else assertMatch(got.text, /^404 Not Found\nerror: route_not_found\nrequest: mine-1\n$/);
    });
  }

  await test.step("503 backend_unavailable: no backend is eligible any more", async () => {
    let got = await gateway.send(requestFor("ejected"));
    // The circuit opens after five failures in a row; a retry makes two a request.
    for (let sent = 1; got.status === 502 && sent < 6; sent++) got = await gateway.send(requestFor("ejected"));
    const type = "destination_unavailable";
    assertError(got, { name: "", wire: "", status: 503, type, code: "backend_unavailable", retryAfter: true });
  });
}

async function connectionSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("HEAD gets the error's head without its body (RFC 9110 §9.3.2)", async () => {
    using client = await gateway.connect();
    await client.send(wireOf("HEAD / HTTP/1.1", "Host: nowhere.test") + requestFor("fine"));
    assertEquals((await client.readResponse({ method: "HEAD" })).status, 404);
    assertEquals((await client.readResponse()).status, 200);
  });

  for (const name of ["idle", "long"]) {
    await test.step(`silence inside a response body aborts the connection (${name})`, async () => {
      using client = await gateway.connect();
      await client.send(slow(name));
      const body = client.bodyOf(await client.readResponseHead());
      assertEquals((await body.read())?.length, 5);
      await assertBroken(() => body.readAll());
      await gateway.waitForBackendClosed(name);
      const code = name === "idle" ? "response_idle_timeout" : "total_timeout";
      await gateway.sluice.waitForAccess(({ host, error }) => host === `${name}.test` && error === code);
    });
  }

  await test.step("two Hosts are refused (RFC 9112 §3.2)", async () => {
    const before = gateway.backend("fine").requests.length;
    assertEquals((await gateway.send(wireOf("GET / HTTP/1.1", "Host: fine.test", "Host: fine.test"))).status, 400);
    assertEquals(gateway.backend("fine").requests.length, before);
  });

  for (const [name, ...fields] of AMBIGUOUS) {
    await test.step(`a request with ${name} never reaches a backend`, async () => {
      const before = gateway.backend("fine").requests.length;
      using client = await gateway.connect();
      await client.send(
        wireOf("POST / HTTP/1.1", "Host: fine.test", ...fields) + "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
      );
      assertEquals((await client.readResponse()).status, 400);
      await client.readUntilClose();
      assertEquals(gateway.backend("fine").requests.length, before);
    });
  }

  await test.step("the backend of a refused body is free again, and the next request is served", async () => {
    const got = await gateway.send(
      wireOf("POST / HTTP/1.1", "Host: fine.test", "Content-Length: 10") + "0123456789",
      "tight",
    );
    assertEquals([got.status, gateway.seen("fine").text], [200, "0123456789"]);
  });
}

const ACCEPTS: readonly (readonly [accept: string, type: string])[] = [
  ["application/json", "application/json"],
  ["text/html, application/json;q=0.9", "application/json"],
  ["text/plain;q=0.5, application/json", "application/json"],
  ["text/plain, application/json;q=0.5", "text/plain; charset=utf-8"],
  ["application/json;q=0", "text/plain; charset=utf-8"],
  ["application/json;q=abc", "text/plain; charset=utf-8"],
  ["json,,;;=", "text/plain; charset=utf-8"],
  ["text/html", "text/plain; charset=utf-8"],
  ["*/*", "text/plain; charset=utf-8"],
];

const AMBIGUOUS: readonly (readonly string[])[] = [
  ["both framings (RFC 9112 §6.3)", "Content-Length: 5", "Transfer-Encoding: chunked"],
  ["two different lengths (RFC 9112 §6.3)", "Content-Length: 5", "Content-Length: 6"],
  ["a length that is none (RFC 9110 §8.6)", "Content-Length: five"],
  ["a signed length", "Content-Length: +5"],
  ["an unknown transfer coding (RFC 9112 §6.1)", "Transfer-Encoding: gzip"],
  ["chunked that is not last", "Transfer-Encoding: chunked, gzip"],
];

function assertError(got: RawResponse, { status, type, code, retryAfter = false }: ErrorRow): void {
  assertEquals(
    [got.status, got.field("proxy-status")],
    [status, type === "" ? null : `sluice; error=${type}`],
    got.text,
  );
  assertEquals(got.field("retry-after"), retryAfter ? "1" : null);
  assertEquals(got.field("cache-control"), "no-store");
  const id = got.field("x-request-id");
  assert(id !== null && got.text.endsWith(`\nerror: ${code}\nrequest: ${id}\n`), got.text);
  const inside = new TextDecoder().decode(got.raw).match(/127\.0\.0\.1|\[::1\]|localhost|\.sock|\.ts:|os error/);
  assertEquals(inside, null);
}

async function assertBroken(read: () => Promise<unknown>): Promise<void> {
  const outcome = await read().then(() => "clean", () => "broken");
  assertEquals(outcome, "broken");
}

/** A head, five bytes, and nothing more until the connection ends. */
async function stall(exchange: Parameters<Script>[0]): Promise<void> {
  await exchange.readBody();
  await exchange.write(response(200, "hello world").subarray(0, -6));
  await exchange.connection.closed;
}

/** Accepts and says `greeting`, if anything; never reads. */
function plainListener(greeting: Uint8Array<ArrayBuffer> | null): { url: string; close(): void } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      open.push(conn);
      if (greeting !== null) await conn.write(greeting).catch(() => {});
    }
  })();
  accepting.catch(() => {});
  return {
    url: `https://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    close() {
      listener.close();
      for (const conn of open) conn.close();
    },
  };
}

function lines(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `X-${index}: 1`);
}
