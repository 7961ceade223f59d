/** What a backend gets of a client's request, byte by byte on both sides. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import type { Field } from "../support/http_message.ts";
import {
  ENGINES,
  Gateway,
  isFor,
  type OnlyFor,
  PATIENCE_MS,
  requestFor,
  type Site,
  wireOf,
} from "../support/gateway_stage.ts";

const SITES: readonly Site[] = [
  { name: "plain" },
  {
    name: "edited",
    route:
      `request_headers = { set = { x-edge = "1", x-name = "new" }, add = { x-list = "b" }, remove = ["x-internal", "via"] }`,
  },
  {
    name: "sticky",
    upstream: `strategy = "sticky"\nsticky.secret = "for tests"`,
  },
];

/** What sluice writes itself on every request. */
const OWN = ["host", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"];

interface FieldRow extends OnlyFor {
  readonly name: string;
  readonly lines: readonly string[];
  /** What the backend gets beside what sluice writes itself. */
  readonly passed: readonly Field[];
  readonly site?: string;
}

const FIELD_ROWS: readonly FieldRow[] = [
  {
    name: "ordinary fields pass as they came",
    lines: ["X-A: 1", "X-B:  two  words "],
    passed: [["x-a", "1"], [
      "x-b",
      "two  words",
    ]],
  },
  { name: "an empty value passes", lines: ["X-Empty:"], passed: [["x-empty", ""]] },
  { name: "bytes above 127 pass as they came", lines: ["X-High: \xe9\xff\x80"], passed: [["x-high", "\xe9\xff\x80"]] },
  {
    name: "repeated lines keep their order (RFC 9110 §5.3)",
    lines: ["X-A: 1", "X-B: x", "x-a: 2"],
    passed: [
      ["x-a", "1, 2"],
      ["x-b", "x"],
    ],
  },
  {
    name: "several Cookie lines become one, joined by a semicolon (RFC 6265 §5.4)",
    only: { engine: "serve", why: "Deno joins lines; wire passes them as they came" },
    lines: ["Cookie: a=1; b=2", "Cookie: c=3"],
    passed: [["cookie", "a=1; b=2; c=3"]],
  },
  { name: "Keep-Alive ends here (RFC 9110 §7.6.1)", lines: ["Keep-Alive: timeout=5"], passed: [] },
  { name: "Proxy-Connection ends here (RFC 9110 §7.6.1)", lines: ["Proxy-Connection: keep-alive"], passed: [] },
  { name: "Proxy-Authorization ends here (RFC 9110 §11.7.2)", lines: ["Proxy-Authorization: Basic eDp5"], passed: [] },
  { name: "TE ends here (RFC 9110 §10.1.4)", lines: ["TE: gzip, deflate;q=0.5", "Connection: TE"], passed: [] },
  {
    name: "Upgrade that nobody agreed to ends here (RFC 9110 §7.8)",
    lines: ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"],
    passed: [],
  },
  {
    name: "a websocket upgrade without its key is none",
    only: { engine: "serve", why: "It has to shake hands itself; to wire any protocol is bytes" },
    lines: ["Upgrade: websocket", "Connection: Upgrade"],
    passed: [],
  },
  { name: "Trailer ends here: no trailers follow", lines: ["Trailer: X-Sum"], passed: [] },
  {
    name: "what Connection names ends here (RFC 9110 §7.6.1)",
    lines: ["Connection: close, X-Secret , x-other", "X-Secret: 1", "X-OTHER: 2", "X-Kept: 3"],
    passed: [["x-kept", "3"]],
  },
  {
    name: "several Connection lines count together (RFC 9110 §7.6.1)",
    lines: ["Connection: x-a", "X-A: 1", "X-B: 2", "Connection: x-b"],
    passed: [],
  },
  {
    name: "Connection may name end-to-end fields of the client (RFC 9110 §7.6.1)",
    lines: ["Connection: authorization, cookie", "Authorization: Basic eDp5", "Cookie: a=1"],
    passed: [],
  },
  {
    name: "set replaces, add appends, remove removes",
    site: "edited",
    lines: ["X-Internal: 1", "X-Name: old", "x-name: older", "X-List: a", "X-Kept: 1", "Via: 1.1 other"],
    passed: [["x-kept", "1"], ["x-list", "a, b"], ["x-edge", "1"], ["x-name", "new"]],
  },
  {
    name: "a sticky cookie of ours does not reach the backend, other cookies do",
    site: "sticky",
    lines: ["Cookie: a=1; sluice_sticky=guess; b=2"],
    passed: [["cookie", "a=1; b=2"]],
  },
  { name: "a Cookie of nothing but ours is gone", site: "sticky", lines: ["Cookie: sluice_sticky=guess"], passed: [] },
];

interface ProtectedRow {
  readonly names: string;
  readonly lines: readonly string[];
  readonly field: string;
  readonly value: string;
}

/** RFC 9110 §7.6.1: what a gateway decides by itself can't be taken away by naming it in Connection. */
const PROTECTED_ROWS: readonly ProtectedRow[] = [
  { names: "host", lines: [], field: "host", value: "plain.test" },
  { names: "content-length", lines: ["Content-Length: 2"], field: "content-length", value: "2" },
  { names: "via", lines: [], field: "via", value: "1.1 sluice" },
  { names: "x-forwarded-for", lines: [], field: "x-forwarded-for", value: "127.0.0.1" },
  { names: "x-forwarded-proto", lines: [], field: "x-forwarded-proto", value: "http" },
  { names: "x-forwarded-host", lines: [], field: "x-forwarded-host", value: "plain.test" },
  { names: "x-request-id", lines: ["X-Request-Id: mine-1"], field: "x-request-id", value: "mine-1" },
  { names: "traceparent", lines: ["Traceparent: 00-aa-bb-01"], field: "traceparent", value: "00-aa-bb-01" },
];

const REQUEST_ID_ROWS: readonly { name: string; lines: readonly string[]; isKept: boolean }[] = [
  { name: "a sane one is kept", lines: ["X-Request-Id: abc-DEF_1.2~3+4/5="], isKept: true },
  { name: "the longest sane one is kept", lines: [`X-Request-Id: ${"a".repeat(128)}`], isKept: true },
  { name: "one too long is replaced", lines: [`X-Request-Id: ${"a".repeat(129)}`], isKept: false },
  { name: "one with a quote is replaced", lines: [`X-Request-Id: a"b`], isKept: false },
  { name: "one with a space is replaced", lines: ["X-Request-Id: a b"], isKept: false },
  { name: "one with a high byte is replaced", lines: ["X-Request-Id: a\xe9"], isKept: false },
  { name: "an empty one is replaced", lines: ["X-Request-Id:"], isKept: false },
  { name: "two are replaced by one", lines: ["X-Request-Id: a", "X-Request-Id: b"], isKept: false },
  { name: "none is made up", lines: [], isKept: false },
];

interface FramingRow {
  readonly name: string;
  readonly wire: string;
  readonly framing: "none" | "length" | "chunked";
  readonly body: string;
}

const FRAMING_ROWS: readonly FramingRow[] = [
  { name: "GET without a body has no framing", wire: requestFor("plain"), framing: "none", body: "" },
  {
    name: "GET with Content-Length: 0 keeps it",
    wire: requestFor("plain", "Content-Length: 0"),
    framing: "length",
    body: "",
  },
  {
    name: "Content-Length is kept where it is known",
    wire: post("Content-Length: 5") + "hello",
    framing: "length",
    body: "hello",
  },
  { name: "Content-Length: 0 is kept", wire: post("Content-Length: 0"), framing: "length", body: "" },
  {
    name: "chunks are made anew, without extensions (RFC 9112 §7.1)",
    wire: post("Transfer-Encoding: chunked", "Trailer: X-Sum") + "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n",
    framing: "chunked",
    body: "hello",
  },
  {
    name: "an empty chunked body is passed on",
    wire: post("Transfer-Encoding: chunked") + "0\r\n\r\n",
    framing: "chunked",
    body: "",
  },
  ...["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"].map((method): FramingRow => ({
    name: `a ${method} without a body gets no framing (RFC 9112 §6.3)`,
    wire: wireOf(`${method} / HTTP/1.1`, "Host: plain.test"),
    framing: "none",
    body: "",
  })),
  {
    name: "DELETE with a body",
    wire: wireOf("DELETE / HTTP/1.1", "Host: plain.test", "Content-Length: 1") + "x",
    framing: "length",
    body: "x",
  },
];

for (const engine of ENGINES) {
  Deno.test(`${engine}: a request on its way to the backend`, async (test) => {
    await using gateway = await Gateway.start({ engine, sites: SITES });

    await fieldSteps(test, gateway);
    await framingSteps(test, gateway);
  });
}

async function fieldSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const { name, lines, passed, site = "plain" } of FIELD_ROWS.filter(isFor(gateway.engine))) {
    await test.step(`fields: ${name}`, async () => {
      const response = await gateway.send(requestFor(site, ...lines));
      assertEquals(response.status, 200, response.text);
      const fields = merged(gateway.seen(site).fields).filter(([field]) => !OWN.includes(field));
      assertEquals(sorted(fields), sorted(passed));
    });
  }

  for (const { names, lines, field, value } of PROTECTED_ROWS) {
    await test.step(`Connection that names ${names} does not remove it`, async () => {
      const startLine = names === "content-length" ? "POST / HTTP/1.1" : "GET / HTTP/1.1";
      const wire = wireOf(startLine, "Host: plain.test", `Connection: ${names}`, ...lines);
      const response = await gateway.send(wire + (names === "content-length" ? "hi" : ""));
      assertEquals(response.status, 200, response.text);
      assertEquals(gateway.seen("plain").fieldLines(field), [value]);
    });
  }

  await test.step("fields: what sluice writes is there once, and nothing hop-by-hop with it", async () => {
    await gateway.send(requestFor("plain", "X-A: 1"));
    const names = gateway.seen("plain").fields.map(([name]) => name.toLowerCase());
    assertEquals(names.toSorted(), [...OWN, "x-a"].toSorted());
  });

  await test.step("Via is appended to, never replaced (RFC 9110 §7.6.3)", async () => {
    await gateway.send(requestFor("plain", "Via: 1.0 fred, 1.1 p.example.net"));
    assertEquals(gateway.seen("plain").field("via"), "1.0 fred, 1.1 p.example.net, 1.1 sluice");
  });

  for (const { name, lines, isKept } of REQUEST_ID_ROWS) {
    await test.step(`x-request-id: ${name}`, async () => {
      await gateway.send(requestFor("plain", ...lines));
      const [id, ...others] = gateway.seen("plain").fieldLines("x-request-id");
      assertEquals(others, []);
      assertMatch(id, /^[A-Za-z0-9._~+/=-]{1,128}$/);
      assertEquals(lines.includes(`X-Request-Id: ${id}`), isKept);
    });
  }
}

async function framingSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const { name, wire, framing, body } of FRAMING_ROWS) {
    await test.step(`framing: ${name}`, async () => {
      const response = await gateway.send(wire);
      assertEquals(response.status, 200, response.text);
      const seen = gateway.seen("plain");
      assertEquals([seen.framing, seen.text], [framing, body]);
      // Deno.serve can't see trailers.
      const hasTrailers = gateway.engine === "wire" && wire.includes("\r\nX-Sum: 1");
      assertEquals(seen.trailers, hasTrailers ? [["X-Sum", "1"]] : []);
      assertEquals(seen.field("expect"), null);
    });
  }

  // Deno.serve answers by itself; wire leaves it to the backend (wire_messages_test.ts).
  const isOurs = gateway.engine === "serve";
  const fn = async () => {
    using client = await gateway.connect();
    await client.send(post("Content-Length: 5", "Expect: 100-continue"));
    const interim = await client.readResponseHead();
    assertEquals(interim.status, 100);
    await client.send("hello");
    assertEquals((await client.readResponse()).status, 200);
    const seen = gateway.seen("plain");
    assertEquals([seen.field("expect"), seen.text], [null, "hello"]);
  };
  const name = "Expect: 100-continue gets its 100 and does not reach the backend (RFC 9110 §10.1.1)";
  await test.step({ name, ignore: !isOurs, fn });

  await test.step("a body goes to the backend as it arrives, without waiting for its end", async () => {
    using client = await gateway.connect();
    await client.send(post("Transfer-Encoding: chunked") + "3\r\nabc\r\n");
    const backend = gateway.backend("plain");
    const hasPiece = () => backend.connections.some(({ received }) => received.endsWith("3\r\nabc\r\n"));
    await backend.waitFor(hasPiece, "the first piece", PATIENCE_MS);
    await client.send("2\r\nde\r\n0\r\n\r\n");
    assertEquals((await client.readResponse()).status, 200);
    assertEquals(gateway.seen("plain").text, "abcde");
  });

  await test.step("two ids that sluice made differ", async () => {
    await gateway.send(requestFor("plain"));
    const first = gateway.seen("plain").field("x-request-id");
    await gateway.send(requestFor("plain"));
    assertNotEquals(gateway.seen("plain").field("x-request-id"), first);
    assert(first !== null);
  });
}

function post(...lines: readonly string[]): string {
  return wireOf("POST / HTTP/1.1", "Host: plain.test", ...lines);
}

/** Names in lower case, lines of one name joined: wire passes both as they came. */
function merged(fields: readonly Field[]): Field[] {
  const values = new Map<string, string[]>();
  for (const [name, value] of fields) values.set(name.toLowerCase(), [...values.get(name.toLowerCase()) ?? [], value]);
  return [...values].map(([name, lines]) => [name, lines.join(", ")]);
}

function sorted(fields: readonly Field[]): string[] {
  return fields.map(([name, value]) => `${name}: ${value}`).toSorted();
}
