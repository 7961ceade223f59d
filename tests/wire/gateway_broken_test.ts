/** Backends that break the protocol or break off: what they did must not reach a client as if it were whole. */

import { assertEquals, assertRejects } from "../support/assert.ts";
import {
  answer,
  answerEarly,
  answerEarlyAndClose,
  answerThenJunk,
  closeBeforeHead,
  closeMidway,
  hang,
  informational,
  resetBeforeHead,
  resetMidway,
  response,
  type Script,
} from "../support/backend_scripts.ts";
import { UnexpectedEnd } from "../support/byte_source.ts";
import { Gate } from "../support/waiting.ts";
import { ENGINES, Gateway, PATIENCE_MS, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

const OK = "HTTP/1.1 200 OK\r\n";

/** Response heads and framings of which another recipient could make something else: 502, and the connection closes. */
const MALFORMED: readonly { name: string; wire: string }[] = [
  { name: "no HTTP at all", wire: "SSH-2.0-OpenSSH_9.2\r\n" },
  { name: "HTTP/0.9", wire: "<html>hello</html>\r\n\r\n" },
  { name: "a wrong version (RFC 9112 §2.3)", wire: "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n" },
  { name: "a status of two digits (RFC 9112 §4)", wire: "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n" },
  { name: "a status below 100", wire: "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n" },
  { name: "a status above 599", wire: "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n" },
  { name: "an empty line first", wire: `\r\n${OK}Content-Length: 0\r\n\r\n` },
  { name: "bare line feeds (RFC 9112 §2.2)", wire: "HTTP/1.1 200 OK\nContent-Length: 0\n\n" },
  { name: "a bare carriage return in a value", wire: `${OK}X-A: 1\r2\r\nContent-Length: 0\r\n\r\n` },
  { name: "a NUL in a value (RFC 9110 §5.5)", wire: `${OK}X-A: 1\x002\r\nContent-Length: 0\r\n\r\n` },
  { name: "a space before the colon (RFC 9112 §5.1)", wire: `${OK}Content-Length : 0\r\n\r\n` },
  { name: "a folded line (RFC 9112 §5.2)", wire: `${OK}X-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n` },
  { name: "a name with a space", wire: `${OK}X A: 1\r\nContent-Length: 0\r\n\r\n` },
  { name: "a line without a colon", wire: `${OK}nonsense\r\nContent-Length: 0\r\n\r\n` },
  { name: "a control character in the reason", wire: "HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n" },
  {
    name: "both framings (RFC 9112 §6.1)",
    wire: `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  },
  { name: "two different lengths (RFC 9112 §6.3)", wire: `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello` },
  { name: "a list of lengths", wire: `${OK}Content-Length: 5, 5\r\n\r\nhello` },
  { name: "a signed length (RFC 9110 §8.6)", wire: `${OK}Content-Length: +5\r\n\r\nhello` },
  { name: "a negative length", wire: `${OK}Content-Length: -1\r\n\r\n` },
  { name: "a length in hexadecimal", wire: `${OK}Content-Length: 0x5\r\n\r\nhello` },
  { name: "an empty length", wire: `${OK}Content-Length:\r\n\r\nhello` },
  { name: "a length beyond all numbers", wire: `${OK}Content-Length: 99999999999999999999\r\n\r\nhello` },
  { name: "an unknown transfer coding (RFC 9112 §6.1)", wire: `${OK}Transfer-Encoding: gzip\r\n\r\nhello` },
  { name: "chunked that is not last", wire: `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n` },
  { name: "chunked twice", wire: `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n` },
  {
    name: "chunked in HTTP/1.0 (RFC 9112 §6.1)",
    wire: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  },
  {
    name: "101 that nobody asked for (RFC 9110 §15.2.2)",
    wire: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
  },
  { name: "a head of more than 256 fields", wire: OK + "A: b\r\n".repeat(257) + "Content-Length: 0\r\n\r\n" },
  { name: "a head of more than 64 KiB", wire: `${OK}X-A: ${"a".repeat(70_000)}\r\nContent-Length: 0\r\n\r\n` },
];

const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

/** Bodies that are not what their head promised, with what the client may have seen of them before. */
const BROKEN_BODIES: readonly { name: string; script: Script; error: string }[] = [
  {
    name: "Content-Length, closed in the middle",
    script: closeMidway(`${OK}Content-Length: 10\r\n\r\nhello`),
    error: "response_incomplete",
  },
  { name: "chunked, closed in a chunk", script: closeMidway(`${CHUNKED}a\r\nhello`), error: "response_incomplete" },
  {
    name: "chunked, closed between chunks",
    script: closeMidway(`${CHUNKED}5\r\nhello\r\n`),
    error: "response_incomplete",
  },
  {
    name: "chunked, closed before the last line end",
    script: closeMidway(`${CHUNKED}5\r\nhello\r\n0\r\n`),
    error: "response_incomplete",
  },
  {
    name: "chunked, closed in the trailers",
    script: closeMidway(`${CHUNKED}5\r\nhello\r\n0\r\nX-A: 1\r\n`),
    error: "response_incomplete",
  },
  {
    name: "chunked, with a size that is none (RFC 9112 §7.1)",
    script: answer(`${CHUNKED}5\r\nhello\r\n0x1\r\n`),
    error: "response_framing_invalid",
  },
  {
    name: "chunked, with a negative size",
    script: answer(`${CHUNKED}-5\r\nhello\r\n`),
    error: "response_framing_invalid",
  },
  {
    name: "chunked, with bare line feeds",
    script: answer(`${CHUNKED}5\nhello\n0\n\n`),
    error: "response_framing_invalid",
  },
  {
    name: "chunked, with data longer than its size",
    script: answer(`${CHUNKED}5\r\nhello!\r\n0\r\n\r\n`),
    error: "response_framing_invalid",
  },
  {
    name: "chunked, with a size beyond all numbers",
    script: answer(`${CHUNKED}fffffffffffffffff\r\n`),
    error: "response_framing_invalid",
  },
  {
    name: "chunked, with an endless extension",
    script: answer(`${CHUNKED}5;${"a".repeat(300)}`),
    error: "response_framing_invalid",
  },
];

const JUNK = response(200, "somebody else's");

const SITES: readonly Site[] = [
  { name: "left", script: hang() },
  ...MALFORMED.map(({ wire }, index): Site => ({ name: `malformed${index}`, script: answer(wire) })),
  ...BROKEN_BODIES.map(({ script }, index): Site => ({ name: `broken${index}`, script })),
  ...["reset", "flood", "closed", "head", "junk", "idle", "stale", "early", "refusing", "fine", "large"].map((
    name,
  ): Site => ({ name })),
];

for (const engine of ENGINES) {
  Deno.test(`${engine}: a backend that breaks the protocol`, async (test) => {
    await using gateway = await Gateway.start({ engine, sites: SITES });

    await malformedSteps(test, gateway);
    await brokenOffSteps(test, gateway);
    await reuseSteps(test, gateway);
    await earlySteps(test, gateway);
  });
}

async function malformedSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const [index, { name }] of MALFORMED.entries()) {
    await test.step(`502 for ${name}`, async () => {
      const site = `malformed${index}`;
      const got = await gateway.send(wireOf("POST / HTTP/1.1", `Host: ${site}.test`));
      assertEquals(got.status, 502, got.text);
      const type = name.includes("more than") ? "http_response_header_section_size" : "http_protocol_error";
      assertEquals(got.field("proxy-status"), `sluice; error=${type}`);
      await gateway.waitForBackendClosed(site);
    });
  }

  for (const [index, { name, error }] of BROKEN_BODIES.entries()) {
    await test.step(`no clean end for a body ${name}`, async () => {
      const site = `broken${index}`;
      using client = await gateway.connect();
      await client.send(requestFor(site));
      await assertRejects(() => client.readResponse(), UnexpectedEnd);
      await gateway.waitForBackendClosed(site);
      const line = await gateway.sluice.waitForAccess(({ host }) => host === `${site}.test`);
      assertEquals([line.status, line.error], [200, error]);
    });
  }
}

async function brokenOffSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("no clean end for a body that a reset cut off", async () => {
    const isSeen = new Gate();
    gateway.backend("reset").use(resetMidway(`${CHUNKED}5\r\nhello\r\n`, isSeen.opened));
    using client = await gateway.connect();
    await client.send(requestFor("reset"));
    const body = client.bodyOf(await client.readResponseHead());
    assertEquals((await body.read())?.length, 5);
    isSeen.open();
    await assertRejects(() => body.readAll(), UnexpectedEnd);
  });

  await test.step("a large body that breaks off gets no clean end, and its length was announced", async () => {
    gateway.backend("large").use(closeMidway(`${OK}Content-Length: 9000000\r\n\r\n${"x".repeat(400_000)}`));
    using client = await gateway.connect();
    await client.send(requestFor("large"));
    await assertRejects(() => client.readResponse(), UnexpectedEnd);
  });

  await test.step("502 for a flood of 1xx (RFC 9110 §15.2)", async () => {
    gateway.backend("flood").use(informational(Array(17).fill("HTTP/1.1 103 Early Hints")));
    const got = await gateway.send(wireOf("POST / HTTP/1.1", "Host: flood.test"));
    assertEquals([got.status, got.field("proxy-status")], [502, "sluice; error=http_protocol_error"]);
  });

  for (const [name, script] of [["closes", closeBeforeHead()], ["resets", resetBeforeHead()]] as const) {
    await test.step(`502 when the backend ${name} before a response`, async () => {
      gateway.backend("closed").use(script);
      const got = await gateway.send(wireOf("POST / HTTP/1.1", "Host: closed.test"));
      assertEquals([got.status, got.field("proxy-status")], [502, "sluice; error=connection_terminated"]);
    });
  }

  await test.step("502 when the backend closes in the middle of the head", async () => {
    gateway.backend("head").use(closeMidway(`${OK}Content-Len`));
    const got = await gateway.send(wireOf("POST / HTTP/1.1", "Host: head.test"));
    assertEquals([got.status, got.field("proxy-status")], [502, "sluice; error=connection_terminated"]);
  });
}

async function reuseSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("junk behind a response never reaches the next request (RFC 9112 §9.3)", async () => {
    const backend = gateway.backend("junk");
    backend.use([answerThenJunk(JUNK), answer(response(200, "mine"))]);
    using client = await gateway.connect();
    await client.send(requestFor("junk"));
    assertEquals((await client.readResponse()).text, "ok");
    await gateway.waitForBackendClosed("junk");
    await client.send(requestFor("junk"));
    assertEquals((await client.readResponse()).text, "mine");
    assertEquals(backend.connections.length, 2);
  });

  await test.step("junk on an idle connection evicts it (RFC 9112 §9.3)", async () => {
    const isIdle = new Gate();
    const backend = gateway.backend("idle");
    backend.use([answerThenJunk(JUNK, { until: isIdle.opened }), answer(response(200, "mine"))]);
    await gateway.send(requestFor("idle"));
    isIdle.open();
    await gateway.waitForBackendClosed("idle");
    assertEquals((await gateway.send(requestFor("idle"))).text, "mine");
    assertEquals(backend.connections.length, 2);
  });

  await test.step("an idle connection that the backend closed is not used again", async () => {
    const backend = gateway.backend("stale");
    await gateway.send(requestFor("stale"));
    for (const connection of backend.connections) await connection.closeWrite();
    await gateway.waitForBackendClosed("stale"); // until then a request may meet it (RFC 9112 §9.5)
    // A POST is not repeated: it would fail on the closed connection, unless a new one is taken for it.
    for (let number = 0; number < 3; number++) {
      const got = await gateway.send(wireOf("POST / HTTP/1.1", "Host: stale.test", "Content-Length: 2") + "hi");
      assertEquals([got.status, gateway.seen("stale").text], [200, "hi"]);
    }
  });

  await test.step("one connection serves many requests", async () => {
    using client = await gateway.connect(); // one connection stays with one worker, and so with one pool
    for (let number = 0; number < 10; number++) {
      await client.send(requestFor("fine"));
      assertEquals((await client.readResponse()).status, 200);
    }
    assertEquals([gateway.backend("fine").requests.length, gateway.backend("fine").connections.length], [10, 1]);
  });
}

async function earlySteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("a response that comes before the request body ended is passed on", async () => {
    gateway.backend("early").use(answerEarly(response(403, "early")));
    using client = await gateway.connect();
    await client.send(wireOf("POST / HTTP/1.1", "Host: early.test", "Content-Length: 1000000") + "begin");
    const got = await client.readResponse();
    assertEquals([got.status, got.text], [403, "early"]);
    await gateway.waitForBackendClosed("early");
  });

  await test.step("a response of a backend that then stops reading the body is passed on", async () => {
    gateway.backend("refusing").use(answerEarlyAndClose(response(413, "too much")));
    using client = await gateway.connect();
    await client.send(
      wireOf("POST / HTTP/1.1", "Host: refusing.test", "Transfer-Encoding: chunked") + "5\r\nbegin\r\n",
    );
    const got = await client.readResponse();
    assertEquals([got.status, got.text], [413, "too much"]);
  });

  await test.step("a client that leaves takes its request away from the backend", async () => {
    const client = await gateway.connect();
    await client.send(requestFor("left"));
    await gateway.backend("left").waitForRequests(1, PATIENCE_MS);
    gateway.leave(client);
    await gateway.waitForBackendClosed("left");
    await gateway.sluice.waitForAccess(({ host, error }) => host === "left.test" && error === "client_gone");
  });
}
