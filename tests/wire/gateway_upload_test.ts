/** Request bodies that end badly: a backend must never take a truncated one for whole. */

import { assert, assertEquals } from "../support/assert.ts";
import { answer, echo, echoOf, hang, response } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { Gate } from "../support/waiting.ts";
import { ENGINES, Gateway, PATIENCE_MS, type Site, wireOf } from "../support/gateway_stage.ts";

interface Row {
  readonly name: string;
  /** The framing fields of the head. */
  readonly framing: string;
  readonly begin: string;
  /** What the client then does. */
  readonly end: (client: RawClient) => Promise<void> | void;
  /** The status of the answer; 0: there is nobody to answer. */
  readonly status: number;
}

const leave = (client: RawClient) => client.close();
const reset = (client: RawClient) => client.reset();
const halfClose = (client: RawClient) => client.closeWrite();
const say = (text: string) => (client: RawClient) => client.send(text);
const LENGTH = "Content-Length: 10";
const CHUNKED = "Transfer-Encoding: chunked";

const ROWS: readonly Row[] = [
  { name: "Content-Length, the client leaves", framing: LENGTH, begin: "hello", end: leave, status: 0 },
  { name: "Content-Length, the client resets", framing: LENGTH, begin: "hello", end: reset, status: 0 },
  { name: "Content-Length, the client half-closes", framing: LENGTH, begin: "hello", end: halfClose, status: 0 },
  { name: "chunked, the client leaves in a chunk", framing: CHUNKED, begin: "a\r\nhello", end: leave, status: 0 },
  {
    name: "chunked, the client leaves between chunks",
    framing: CHUNKED,
    begin: "5\r\nhello\r\n",
    end: leave,
    status: 0,
  },
  {
    name: "chunked, the client half-closes between chunks",
    framing: CHUNKED,
    begin: "5\r\nhello\r\n",
    end: halfClose,
    status: 0,
  },
  {
    name: "chunked, the client leaves before the last line end",
    framing: CHUNKED,
    begin: "5\r\nhello\r\n0\r\n",
    end: leave,
    status: 0,
  },
  {
    name: "chunked, a size that is none (RFC 9112 §7.1)",
    framing: CHUNKED,
    begin: "5\r\nhello\r\n",
    end: say("zz\r\n"),
    status: 400,
  },
  { name: "chunked, a negative size", framing: CHUNKED, begin: "5\r\nhello\r\n", end: say("-1\r\n"), status: 400 },
  {
    name: "chunked, data longer than its size",
    framing: CHUNKED,
    begin: "5\r\nhello",
    end: say("!!\r\n0\r\n\r\n"),
    status: 400,
  },
];

/** Else a backend hears nothing of a small body before it is here. */
const AT_ONCE = `retry.body_buffer = "0B"\n`;

const SITES: readonly Site[] = [
  ...ROWS.map((_, index): Site => ({ name: `row${index}`, script: hang(), upstream: AT_ONCE })),
  { name: "patient", upstream: AT_ONCE },
  { name: "silent", script: hang(), upstream: AT_ONCE + `timeouts.idle = "300ms"` },
  { name: "local", action: `respond = { status = 200, body = "ours" }` },
];

for (const engine of ENGINES) {
  Deno.test(`${engine}: request bodies that end badly`, async (test) => {
    await using gateway = await Gateway.start({ engine, sites: SITES });

    await brokenBodySteps(test, gateway);
    await streamSteps(test, gateway);
    await refusalSteps(test, gateway);
  });
}

async function brokenBodySteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const [index, { name, framing, begin, end, status }] of ROWS.entries()) {
    await test.step(name, async () => {
      const site = `row${index}`;
      const backend = gateway.backend(site);
      using client = await gateway.connect();
      await client.send(wireOf("POST / HTTP/1.1", `Host: ${site}.test`, framing) + begin);
      const hasBegun = () => backend.connections.some(({ received }) => received.includes("hello"));
      await backend.waitFor(hasBegun, "the beginning of the body", PATIENCE_MS);
      await end(client);
      if (status !== 0) assertEquals((await client.readResponse()).status, status);
      await gateway.waitForBackendClosed(site);
      assertEquals(backend.requests.map((request) => request.isBodyComplete), [false]);
      assert(!backend.connections[0].received.endsWith("0\r\n\r\n"));
      const line = await gateway.sluice.waitForAccess(({ host }) => host === `${site}.test`);
      assert(["client_gone", "request_body_broken"].includes(String(line.error)), JSON.stringify(line));
    });
  }
}

async function streamSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("a large body passes whole, both ways at once, however it is cut", async () => {
    const body = "0123456789abcdef".repeat(40_000);
    for (const isChunked of [false, true]) {
      using client = await gateway.connect();
      gateway.backend("patient").use(echo());
      const framing = isChunked ? CHUNKED : `Content-Length: ${body.length}`;
      await client.send(wireOf("POST / HTTP/1.1", "Host: patient.test", framing));
      for (let at = 0; at < body.length; at += 70_001) {
        const piece = body.slice(at, at + 70_001);
        await client.send(isChunked ? `${piece.length.toString(16)}\r\n${piece}\r\n` : piece);
      }
      if (isChunked) await client.send("0\r\n\r\n");
      const seen = echoOf(await client.readResponse());
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(body)));
      assertEquals([seen.bodyLength, seen.sha256], [body.length, digest.toHex()]);
    }
  });

  await test.step("a response can begin and end while the request goes on, and the rest is read off", async () => {
    const isAnswered = new Gate();
    const backend = gateway.backend("patient");
    backend.use(async (exchange) => {
      await exchange.write(response(200, "early"));
      await exchange.wait(isAnswered.opened);
    });
    using client = await gateway.connect();
    await client.send(wireOf("POST / HTTP/1.1", "Host: patient.test", LENGTH) + "hello");
    assertEquals((await client.readResponse()).text, "early");
    isAnswered.open();
    // Connections of the bodies before may be idle, in pools of other workers.
    const { source } = backend.connections[backend.requests.at(-1)!.connectionId];
    await backend.waitFor(() => source.isEnded, "the connection with half a body to close", PATIENCE_MS);
    backend.use(answer());
    assertEquals((await gateway.send(wireOf("GET / HTTP/1.1", "Host: patient.test"))).text, "ok");
  });
}

async function refusalSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("a backend that does not take the body is given up after timeouts.idle", async () => {
    const backend = gateway.backend("silent");
    backend.use(async (exchange) => {
      exchange.connection.pauseReading();
      await exchange.connection.shut;
    });
    using client = await gateway.connect();
    const bytes = 64 * 1024 * 1024;
    await client.send(wireOf("POST / HTTP/1.1", "Host: silent.test", `Content-Length: ${bytes}`));
    const piece = new Uint8Array(1024 * 1024);
    const sending = (async () => {
      for (let sent = 0; sent < bytes; sent += piece.length) await client.send(piece);
    })().catch(() => {}); // sluice stops reading, or closes: either is right
    assertEquals((await client.readResponse()).status, 504);
    for (const connection of backend.connections) connection.close();
    client.close();
    await sending;
  });

  await test.step("a body for a route that needs no backend does not become the next request", async () => {
    using client = await gateway.connect();
    const smuggled = wireOf("GET /smuggled HTTP/1.1", "Host: patient.test");
    const framing = `Content-Length: ${smuggled.length}`;
    const before = gateway.backend("patient").requests.length;
    await client.send(wireOf("POST / HTTP/1.1", "Host: local.test", framing) + smuggled);
    assertEquals((await client.readResponse()).text, "ours");
    await client.send(wireOf("GET /next HTTP/1.1", "Host: patient.test"));
    assertEquals((await client.readResponse()).status, 200);
    assertEquals(gateway.backend("patient").requests.slice(before).map(({ target }) => target), ["/next"]);
  });
}
