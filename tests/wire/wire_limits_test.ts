/** The bounds that only the wire engine holds clients to: in time, in bytes and in connections. */

import { assert, assertEquals } from "../support/assert.ts";
import { hang } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { Gateway, PATIENCE_MS, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

const KIB = 1024;
const SITES: readonly Site[] = [{ name: "plain" }, {
  name: "body",
  script: hang(),
  upstream: `retry.body_buffer = "0B"`, // else it hears nothing of a body that is not here
}];

const CHUNKED = "Transfer-Encoding: chunked";

Deno.test("wire: limits", async (test) => {
  await using gateway = await Gateway.start({
    engine: "wire",
    sites: SITES,
    listeners: {
      web: "",
      hasty: `limits = { head_timeout = "200ms", body_timeout = "200ms" }`,
      idle: `limits = { idle_timeout = "1s", head_timeout = "20s" }`,
      tight: `limits = { head = "2KiB", fields = 8, body = "10B" }`,
      few: `limits = { connections = 2 }`,
      own: `limits = { connections_per_ip = 2 }`,
    },
  });
  await timeSteps(test, gateway);
  await sizeSteps(test, gateway);
  await bodySteps(test, gateway);
  await connectionSteps(test, gateway);
  gateway.sluice.assertNoBugs();
});

async function timeSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (
    const { name, before, beginning } of [
      { name: "a head that stops", before: "", beginning: "GET / HTTP/1.1\r\nHost: plain.test\r\nX-A" },
      { name: "a single byte", before: "", beginning: "G" },
      { name: "a line end and no more", before: "", beginning: "\r\n" },
      { name: "a second head that stops", before: requestFor("plain"), beginning: "GET / HT" },
    ]
  ) {
    await test.step(`head_timeout: ${name} is answered with 408, and the connection closes`, async () => {
      using client = await gateway.connect("hasty");
      await client.send(before + beginning);
      if (before !== "") assertEquals((await client.readResponse()).status, 200);
      const got = await client.readResponse();
      assertEquals([got.status, got.keepAlive], [408, false]);
      await client.waitForClose();
    });
  }

  await test.step("head_timeout: a head that drips for ever is ended all the same", async () => {
    using client = await gateway.connect("hasty");
    let isAnswered = false;
    const reading = client.readResponse().finally(() => isAnswered = true);
    reading.catch(() => {});
    await client.send("GET / HTTP/1.1\r\nX-A: ");
    while (!isAnswered) {
      await client.send("a").catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assertEquals((await reading).status, 408);
  });

  await test.step("idle_timeout: silence before and between requests ends the connection without a word", async () => {
    using silent = await gateway.connect("idle");
    await silent.waitForClose();
    using client = await gateway.connect("idle");
    await client.send(requestFor("plain"));
    assertEquals((await client.readResponse()).status, 200);
    await client.waitForClose();
  });

  for (const framing of ["Content-Length: 10", CHUNKED]) {
    await test.step(`body_timeout: silence inside a body (${framing}) is 408, and the backend's exchange ends`, async () => {
      using client = await gateway.connect("hasty");
      await client.send(wireOf("POST / HTTP/1.1", "Host: body.test", framing) + "5\r\nhe");
      const got = await client.readResponse();
      assertEquals([got.status, got.keepAlive], [408, false]);
      await gateway.waitForBackendClosed("body");
      assertEquals(gateway.seen("body").isBodyComplete, false);
    });
  }
}

interface SizeRow {
  readonly name: string;
  readonly wire: string;
  readonly status: number;
}

const SIZE_ROWS: readonly SizeRow[] = [
  { name: "head: as large as it may be", wire: padded(2 * KIB), status: 200 },
  { name: "head: a byte more", wire: padded(2 * KIB + 1), status: 431 },
  { name: "fields: as many as may be", wire: requestFor("plain", ...lines(7)), status: 200 },
  { name: "fields: one more", wire: requestFor("plain", ...lines(8)), status: 431 },
  {
    name: "a target longer than a head may be (RFC 9112 §3)",
    wire: wireOf(`GET /${"a".repeat(3 * KIB)} HTTP/1.1`, "Host: plain.test"),
    status: 414,
  },
  {
    name: "a target that fills the head",
    wire: wireOf(`GET /${"a".repeat(2 * KIB - 20)} HTTP/1.1`, "Host: plain.test"),
    status: 414,
  },
  { name: "a method without an end", wire: "A".repeat(3 * KIB), status: 431 },
  {
    name: "body: as long as it may be",
    wire: wireOf("POST / HTTP/1.1", "Host: plain.test", "Content-Length: 10") + "0123456789",
    status: 200,
  },
  {
    name: "body: a byte more, length known, before any of it has come",
    wire: wireOf("POST / HTTP/1.1", "Host: plain.test", "Content-Length: 11"),
    status: 413,
  },
  {
    name: "body: in chunks, as long as it may be",
    wire: wireOf("POST / HTTP/1.1", "Host: plain.test", CHUNKED) + "a\r\n0123456789\r\n0\r\n\r\n",
    status: 200,
  },
];

async function sizeSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const { name, wire, status } of SIZE_ROWS) {
    await test.step(`${name} → ${status}`, async () => {
      using client = await gateway.connect("tight");
      await client.send(wire);
      const got = await client.readResponse();
      assertEquals([got.status, got.keepAlive], [status, status === 200]);
      if (status !== 200) await ended(client);
    });
  }

  await test.step("the client gets to read a refusal while it goes on sending", async () => {
    for (
      const head of [
        wireOf("POST / HTTP/1.1", "Host: plain.test", "Content-Length: 500000"),
        "GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n",
        `GET /${"a".repeat(3 * KIB)}`,
      ]
    ) {
      using client = await gateway.connect("tight");
      await client.send(head);
      const sending = (async () => {
        for (let sent = 0; sent < 8; sent++) await client.send("x".repeat(60_000));
        await client.closeWrite();
      })();
      const got = await client.readResponse();
      assert([400, 413, 414].includes(got.status));
      await sending; // not cut off: it was read
      await client.waitForClose();
      assertEquals(client.source.failure, "");
    }
  });
}

async function bodySteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("body: too long while it streams is 413, and the backend's exchange is cut off", async () => {
    const backend = gateway.backend("body");
    using client = await gateway.connect("tight");
    await client.send(wireOf("POST / HTTP/1.1", "Host: body.test", CHUNKED) + "5\r\nhello\r\n");
    const hasBegun = () => backend.connections.at(-1)!.received.endsWith("5\r\nhello\r\n");
    await backend.waitFor(hasBegun, "the beginning of the body", PATIENCE_MS);
    await client.send("6\r\n world\r\n");
    const got = await client.readResponse();
    assertEquals([got.status, got.keepAlive], [413, false]);
    await gateway.waitForBackendClosed("body");
    assertEquals(gateway.seen("body").isBodyComplete, false);
    assert(!backend.connections.at(-1)!.received.endsWith("0\r\n\r\n"));
  });
}

async function connectionSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const served = async (client: RawClient) => {
    await client.send(requestFor("plain"));
    return (await client.readResponse()).status;
  };
  for (const [listener, limit] of [["few", "connections"], ["own", "connections_per_ip"]]) {
    await test.step(`${limit}: one too many is closed, the others are served, and a place that is left is free`, async () => {
      using first = await gateway.connect(listener);
      assertEquals(await served(first), 200);
      {
        using second = await gateway.connect(listener);
        assertEquals(await served(second), 200);
        using third = await gateway.connect(listener);
        await third.waitForClose();
        assertEquals([await served(first), await served(second)], [200, 200]);
      }
      // Until it has seen that the second one has left, others are closed.
      for (;;) {
        using next = await gateway.connect(listener);
        if (await served(next).catch(() => 0) === 200) break;
      }
      assertEquals(await served(first), 200);
    });
  }
}

/** A request whose head has so many bytes. */
function padded(bytes: number): string {
  const empty = requestFor("plain", "X-Pad: ").length;
  return requestFor("plain", `X-Pad: ${"p".repeat(bytes - empty)}`);
}

function lines(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `X-${index}: 1`);
}

/** The far side has ended it; ours must end too, or it lingers. */
async function ended(client: RawClient): Promise<void> {
  await client.closeWrite();
  await client.waitForClose();
}
