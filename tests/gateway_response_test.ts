/** What a client gets of a backend's response, byte by byte on both sides. */

import { assert, assertEquals } from "./support/assert.ts";
import { answer, chunk, closeMidway, informational, response, type Script } from "./support/backend_scripts.ts";
import type { Field } from "./support/http_message.ts";
import { Gateway, requestFor, type Site, wireOf } from "./gateway_stage.ts";

interface FieldRow {
  readonly name: string;
  readonly fields: readonly Field[];
  /** What the client gets beside `date` and framing. */
  readonly passed: readonly Field[];
  readonly route?: string;
}

const FIELD_ROWS: readonly FieldRow[] = [
  {
    name: "Set-Cookie lines stay apart and in order (RFC 6265 §3)",
    fields: [["Set-Cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"], ["X-A", "1"], ["Set-Cookie", "a=1"], [
      "set-cookie",
      "b=3",
    ]],
    passed: [["set-cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"], ["x-a", "1"], ["set-cookie", "a=1"], [
      "set-cookie",
      "b=3",
    ]],
  },
  {
    name: "hop-by-hop fields end here (RFC 9110 §7.6.1)",
    fields: [
      ["Connection", "keep-alive, X-Hop"],
      ["Keep-Alive", "timeout=5"],
      ["X-Hop", "1"],
      [
        "Proxy-Connection",
        "keep-alive",
      ],
      ["Upgrade", "h2c"],
      ["Trailer", "X-Sum"],
      ["Proxy-Authenticate", "Basic"],
      ["X-Kept", "1"],
    ],
    passed: [["x-kept", "1"]],
  },
  {
    name: "Connection does not take the framing away",
    fields: [["Connection", "content-length, transfer-encoding"]],
    passed: [],
  },
  {
    name: "content codings are not touched (RFC 9110 §8.4)",
    fields: [["Content-Encoding", "gzip"], ["Vary", "Accept-Encoding"], ["ETag", `"strong"`]],
    passed: [["content-encoding", "gzip"], ["vary", "Accept-Encoding"], ["etag", `"strong"`]],
  },
  { name: "no Content-Type is made up", fields: [], passed: [] },
  {
    name: "Server and Via of the backend pass",
    fields: [["Server", "x/1"], ["Via", "1.1 cache"]],
    passed: [
      ["server", "x/1"],
      ["via", "1.1 cache"],
    ],
  },
  { name: "bytes above 127 pass", fields: [["X-High", "\xe9\xff"]], passed: [["x-high", "\xe9\xff"]] },
  {
    name: "a name of every character that names may have passes (RFC 9110 §5.6.2)",
    fields: [["!#$%&'*+-.^_`|~0aZ", "a\tb"]],
    passed: [["!#$%&'*+-.^_`|~0az", "a\tb"]],
  },
  { name: "an empty value passes", fields: [["X-Empty", ""]], passed: [["x-empty", ""]] },
  {
    name: "repeated lines keep their order (RFC 9110 §5.3)",
    fields: [["X-A", "1"], ["X-B", "x"], ["x-a", "2"]],
    passed: [["x-a", "1"], ["x-b", "x"], ["x-a", "2"]],
  },
  {
    name: "response_headers of the route: set, add, remove",
    route: `response_headers = { set = { x-edge = "1" }, add = { set-cookie = "ours=1" }, remove = ["server"] }`,
    fields: [["Server", "x"], ["X-Edge", "old"], ["Set-Cookie", "a=1"]],
    passed: [["set-cookie", "a=1"], ["x-edge", "1"], ["set-cookie", "ours=1"]],
  },
];

interface BodyRow {
  readonly name: string;
  readonly script: Script;
  readonly method?: string;
  readonly status?: number;
  readonly body: string;
  readonly length?: string | null;
  /** Whether the backend's connection serves the next request, too. */
  readonly isReused: boolean;
}

const LARGE = "0123456789abcdef".repeat(16 * 1024);

const BODY_ROWS: readonly BodyRow[] = [
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
    name: "204 stands for 205, which Deno cannot frame: 205 with an empty body (RFC 9110 §15.3.6)",
    script: answer(head("205 Reset Content", "Content-Length: 0")),
    status: 204,
    body: "",
    isReused: true,
  },
  {
    name: "204 stands for 205, which Deno cannot frame: 205 with an empty chunked body",
    script: answer(head("205 Reset Content", "Transfer-Encoding: chunked") + "0\r\n\r\n"),
    status: 204,
    body: "",
    isReused: true,
  },
  {
    name: "204 stands for 205, which Deno cannot frame: 205 with a body that it must not have",
    script: answer(head("205 Reset Content", "Content-Length: 5") + "hello"),
    status: 204,
    body: "",
    isReused: true,
  },
  {
    name: "204 stands for 205, which Deno cannot frame: 205 without framing, whose backend waits for the next request",
    script: answer(head("205 Reset Content")),
    status: 204,
    body: "",
    isReused: false,
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

const SITES: readonly Site[] = [
  ...FIELD_ROWS.map(({ fields, route }, index): Site => ({
    name: `field${index}`,
    script: answer(response(200, "ok", { fields })),
    ...(route === undefined ? {} : { route }),
  })),
  ...BODY_ROWS.map(({ script }, index): Site => ({ name: `body${index}`, script })),
  { name: "plain", script: answer(response(200, "plain")) },
  { name: "date", script: answer(response(200, "ok", { fields: [["Date", "Tue, 15 Nov 1994 08:12:31 GMT"]] })) },
  { name: "pieces" },
];

Deno.test("a response on its way to the client", async (test) => {
  await using gateway = await Gateway.start({ sites: SITES });

  await fieldSteps(test, gateway);
  await bodySteps(test, gateway);
  await streamSteps(test, gateway);
});

async function fieldSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const [index, { name, passed }] of FIELD_ROWS.entries()) {
    await test.step(`fields: ${name}`, async () => {
      const got = await gateway.send(requestFor(`field${index}`));
      assertEquals([got.status, got.text, got.field("content-length")], [200, "ok", "2"]);
      const fields = got.fields.filter(([field]) => field !== "date" && field !== "content-length");
      assertEquals(sortedByName(fields), sortedByName(passed));
    });
  }

  await test.step("fields: a Date of the backend stays, and one is made where there is none (RFC 9110 §6.6.1)", async () => {
    assertEquals((await gateway.send(requestFor("date"))).fieldLines("date"), ["Tue, 15 Nov 1994 08:12:31 GMT"]);
    assertEquals((await gateway.send(requestFor("plain"))).fieldLines("date").length, 1);
  });
}

async function bodySteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const [index, { name, method = "GET", status = 200, body, length, isReused }] of BODY_ROWS.entries()) {
    await test.step(`body: ${name}`, async () => {
      const site = `body${index}`;
      const wire = wireOf(`${method} / HTTP/1.1`, `Host: ${site}.test`);
      for (const _ of "12") {
        using client = await gateway.connect();
        await client.send(wire);
        const got = await client.readResponse({ method });
        assertEquals([got.status, got.text === body, got.text.length], [status, true, body.length]);
        if (length !== undefined) assertEquals(got.field("content-length"), length);
        assertEquals(got.informational.map((interim) => interim.status).filter((code) => code !== 100), []);
        if (!got.keepAlive) continue;
        // Whatever came, the client's connection is at a message boundary: a response of another site is next.
        await client.send(requestFor("plain"));
        assertEquals((await client.readResponse()).text, "plain");
      }
      assertEquals(gateway.backend(site).connections.length, isReused ? 1 : 2);
      const lines = () => gateway.sluice.accessLog.filter(({ host }) => host === `${site}.test`);
      await gateway.sluice.waitFor(() => lines().length === 2, "two access lines");
      assertEquals(lines().map(({ error }) => String(error ?? "")), ["", ""]);
    });
  }
}

async function streamSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("a body goes to the client as it arrives, without waiting for its end", async () => {
    const first = Promise.withResolvers<void>();
    gateway.backend("pieces").use(async (exchange) => {
      await exchange.write(head("200 OK", "Transfer-Encoding: chunked"));
      await exchange.write(chunk("one"));
      await exchange.wait(first.promise);
      await exchange.write(chunk("two"));
      await exchange.write("0\r\n\r\n");
    });
    using client = await gateway.connect();
    await client.send(requestFor("pieces"));
    const reader = client.bodyOf(await client.readResponseHead());
    assertEquals(new TextDecoder().decode((await reader.read())!), "one");
    assert(!reader.isDone);
    first.resolve();
    assertEquals(new TextDecoder().decode(await reader.readAll()), "two");
  });

  await test.step("bodies of two responses never mix on one client connection", async () => {
    using client = await gateway.connect();
    await client.send(
      requestFor("plain") + requestFor("body0") + wireOf("HEAD / HTTP/1.1", "Host: body0.test") + requestFor("plain"),
    );
    assertEquals((await client.readResponse()).text, "plain");
    assertEquals((await client.readResponse()).text, "hello");
    assertEquals((await client.readResponse({ method: "HEAD" })).text, "");
    assertEquals((await client.readResponse()).text, "plain");
  });
}

function head(status: string, ...lines: readonly string[]): string {
  return wireOf(`HTTP/1.1 ${status}`, ...lines);
}

/** Deno groups lines by name; the order of lines of one name is what counts. */
function sortedByName(fields: readonly Field[]): Field[] {
  return fields.map(([name, value]): Field => [name.toLowerCase(), value])
    .toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
