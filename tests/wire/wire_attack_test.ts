/** What an attacker tries on the wire engine: each row names the weakness that it looks for, or what was found there. */

import { assert, assertEquals } from "../support/assert.ts";
import { answer, chunk, hang, response, tunnelEcho } from "../support/backend_scripts.ts";
import { Gate } from "../support/waiting.ts";
import { Gateway, PATIENCE_MS, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

/** An exchange that takes so long watches its client, which leaves a read pending. */
const WATCHED_MS = 100;

const SITES: readonly Site[] = [
  { name: "plain" },
  { name: "tunnel", script: tunnelEcho("chat") },
  { name: "patient" },
  { name: "flaky", upstream: `retry.backoff = { initial = "1ms" }\nretry.on = ["connect", "reset", "503"]` },
  { name: "left" },
];

const HELLO = ["Content-Length: 5"];

Deno.test("wire: what an attacker tries", async (test) => {
  await using gateway = await Gateway.start({
    engine: "wire",
    sites: SITES,
    listeners: {
      web: `limits = { head = "512KiB" }`,
      hasty: `limits = { head_timeout = "300ms" }`,
    },
  });
  await headSteps(test, gateway);
  await bodySteps(test, gateway);
  await leavingSteps(test, gateway);
  gateway.sluice.assertNoBugs();
});

async function headSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("a head that is completed behind its 408 reaches no backend", async () => {
    // It was served: the client had been told 408, and the request was carried out all the same.
    const before = gateway.backend("plain").requests.length;
    using client = await gateway.connect("hasty");
    await client.send("POST /late HTTP/1.1\r\nHost: plain.test\r\n");
    assertEquals((await client.readResponse()).status, 408);
    await client.send("Content-Length: 0\r\n\r\n").catch(() => {});
    await client.waitForClose();
    assertEquals((await gateway.send(requestFor("plain"))).status, 200);
    assertEquals(gateway.backend("plain").requests.slice(before).map(({ target }) => target), ["/"]);
  });

  await test.step("the head is intact in a second attempt, with a pipelined request behind it", async () => {
    const backend = gateway.backend("flaky");
    backend.use([
      async (exchange) => {
        await exchange.wait(WATCHED_MS);
        await exchange.write(response(503, "busy"));
      },
      answer(response(200, "second")),
      answer(response(200, "third")),
    ]);
    using client = await gateway.connect();
    await client.send(requestFor("flaky", "X-Id: first"));
    await backend.waitForRequests(1, PATIENCE_MS);
    await client.send(requestFor("flaky", "X-Id: next", `X-Pad: ${"p".repeat(9000)}`));
    assertEquals((await client.readResponse()).text, "second");
    assertEquals((await client.readResponse()).text, "third");
    assertEquals(backend.requests.map((request) => request.field("x-id")), ["first", "first", "next"]);
  });

  await test.step("the access log reads each request's own head", async () => {
    using client = await gateway.connect();
    await client.send(["1", "2", "3"].map((id) => requestFor("plain", `X-Request-Id: log-${id}`)).join(""));
    for (const _ of "123") assertEquals((await client.readResponse()).status, 200);
    for (const id of ["log-1", "log-2", "log-3"]) {
      await gateway.sluice.waitForAccess(({ request_id }) => request_id === id);
    }
  });

  await test.step("a large head before a tunnel leaves its first bytes in order", async () => {
    const agreed = new Gate();
    gateway.backend("tunnel").use(async (exchange) => {
      await exchange.wait(agreed.opened);
      await tunnelEcho("chat")(exchange);
    });
    using client = await gateway.connect();
    const pad = Array.from({ length: 5 }, (_, at) => `X-${at}: ${"p".repeat(40_000)}`);
    await client.send(requestFor("tunnel", "Connection: upgrade", "Upgrade: chat", ...pad));
    await gateway.backend("tunnel").waitForRequests(1, PATIENCE_MS);
    const early = "0123456789".repeat(15_000);
    const sending = client.send(early);
    agreed.open();
    assertEquals((await client.readResponseHead()).status, 101);
    const echoed = new TextDecoder().decode(await client.source.readExactly(early.length));
    await sending;
    assert(echoed === early);
  });
}

async function bodySteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("tiny chunks in one write arrive whole, and so does the request behind them", async () => {
    const text = "chunks of one byte each ".repeat(600);
    using client = await gateway.connect();
    const body = [...text].map((byte) => new TextDecoder().decode(chunk(byte))).join("");
    await client.send(
      wireOf("POST /tiny HTTP/1.1", "Host: plain.test", "Transfer-Encoding: chunked") + `${body}0\r\n\r\n` +
        requestFor("plain", "X-Id: behind"),
    );
    assertEquals((await client.readResponse()).status, 200);
    assertEquals((await client.readResponse()).status, 200);
    const [tiny, behind] = gateway.backend("plain").requests.slice(-2);
    assertEquals([tiny.text === text, tiny.bodyLength, behind.field("x-id")], [true, text.length, "behind"]);
  });

  await test.step("an early response to a body that goes on is read, and the rest is no request", async () => {
    const backend = gateway.backend("patient");
    const before = backend.requests.length;
    backend.use((exchange) => exchange.write(response(200, "early")));
    using client = await gateway.connect();
    const smuggled = wireOf("GET /smuggled HTTP/1.1", "Host: patient.test");
    await client.send(wireOf("POST /early HTTP/1.1", "Host: patient.test", "Content-Length: 500000") + "begin");
    const early = await client.readResponse();
    assertEquals([early.text, early.keepAlive], ["early", false]);
    // Still sending: it is read off, not answered.
    for (let sent = 0; sent < 10; sent++) await client.send(smuggled).catch(() => {});
    client.closeWrite().catch(() => {});
    await client.waitForClose();
    assertEquals(backend.requests.slice(before).map(({ target }) => target), ["/early"]);
  });

  await test.step("a malformed body for a route without one closes, and what follows is no request", async () => {
    const before = gateway.backend("plain").requests.length;
    using client = await gateway.connect();
    await client.send(
      wireOf("POST / HTTP/1.1", "Host: nowhere.test", "Transfer-Encoding: chunked") + "zz\r\n" +
        wireOf("GET /smuggled HTTP/1.1", "Host: plain.test"),
    );
    const reply = await client.readResponse();
    assertEquals([reply.status, reply.keepAlive], [404, false]);
    await client.waitForClose();
    assertEquals(gateway.backend("plain").requests.length, before);
  });

  await test.step("a short body that nobody asked for is read over, and the next request served", async () => {
    using client = await gateway.connect();
    await client.send(wireOf("POST / HTTP/1.1", "Host: nowhere.test", ...HELLO) + "hello" + requestFor("plain"));
    assertEquals((await client.readResponse()).status, 404);
    assertEquals((await client.readResponse()).status, 200);
  });
}

const TWO_CHUNKS = `2710\r\n${"x".repeat(10_000)}\r\n4e20\r\n${"x".repeat(20_000)}\r\n0\r\n\r\n`;

/** When the client resets: what it has sent by then, whether that asks the backend, and what of the response it has read. */
const STAGES: readonly { name: string; sent: string; asks?: boolean; reads?: boolean }[] = [
  { name: "before the head has ended", sent: "GET /x HTTP/1.1\r\nHost: left.test\r\n" },
  { name: "while the backend thinks", sent: requestFor("left") },
  {
    name: "in the middle of a small body",
    sent: wireOf("POST / HTTP/1.1", "Host: left.test", ...HELLO) + "he",
    asks: false,
  },
  {
    name: "in the middle of its body",
    sent: wireOf("POST / HTTP/1.1", "Host: left.test", "Content-Length: 100000") + "x".repeat(70_000),
  },
  {
    name: "in the middle of a chunk",
    sent: wireOf("POST / HTTP/1.1", "Host: left.test", "Transfer-Encoding: chunked") + "5\r\nhe",
  },
  { name: "with a pipelined request behind", sent: requestFor("left") + requestFor("left") },
  {
    name: "behind a chunked body larger than the buffer",
    sent: wireOf("POST / HTTP/1.1", "Host: left.test", "Transfer-Encoding: chunked") +
      TWO_CHUNKS,
  },
  { name: "in the middle of the response", sent: requestFor("left"), reads: true },
];

async function leavingSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const backend = gateway.backend("left");
  for (const { name, sent, asks = sent.includes("\r\n\r\n"), reads = false } of STAGES) {
    await test.step(`a client that resets ${name} gives everything back`, async () => {
      // One whose chunked body had filled the buffer was not watched any more, and kept its backend until the timeout.
      const before = backend.requests.length;
      backend.use(
        reads
          ? async (exchange) => {
            await exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            for (;;) await exchange.write(new Uint8Array(65536));
          }
          : hang(),
      );
      using client = await gateway.connect();
      await client.send(sent);
      if (asks) {
        await backend.waitForRequests(before + 1, PATIENCE_MS);
        const wanted = () => backend.requests.at(-1)!.bodyLength >= (sent.endsWith(TWO_CHUNKS) ? 30_000 : 0);
        await backend.waitFor(wanted, "the body", PATIENCE_MS);
      }
      if (reads) await client.readResponseHead();
      client.reset();
      await gateway.waitForBackendClosed("left");
    });
  }
  assertEquals((await gateway.send(requestFor("plain"))).status, 200);
}
