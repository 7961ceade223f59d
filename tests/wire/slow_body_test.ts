/** Clients that take their time with a request body: none has a backend's connection before there is something to do. */

import { assert, assertEquals } from "../support/assert.ts";
import { response } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ONE_WORKER } from "../support/workers.ts";
import { ENGINES, Gateway, PATIENCE_MS, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

const LIMITS = `limits = { body_timeout = "500ms", body_min_rate = "2KiB" }`;
const SITES: readonly Site[] = [
  { name: "narrow", upstream: `pool.max_connections = 1\npool.queue = 0` },
  { name: "plain" },
  {
    name: "read",
    script: async (exchange) => {
      await exchange.readBody();
      await exchange.write(response(200, exchange.request.text));
    },
  },
];

const codeOf = (text: string) => /^error: (\w+)$/m.exec(text)?.[1] ?? "";
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A piece now and then, until it is answered. */
async function drip(client: RawClient, piece: string, everyMs: number): Promise<{ status: number; text: string }> {
  let answered = false;
  const answer = client.readResponse().finally(() => answered = true);
  answer.catch(() => {});
  for (let sent = 0; !answered && sent < 500; sent++) {
    await client.send(piece).catch(() => {}); // it may close behind its answer
    await wait(everyMs);
  }
  return await answer;
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: slow request bodies`, async (test) => {
    const listeners = { web: "", strict: LIMITS };
    await using gateway = await Gateway.start({ engine, sites: SITES, listeners, server: ONE_WORKER });

    await test.step("a small body that dribbles holds no connection, and arrives whole", async () => {
      const clients: RawClient[] = [];
      for (const _ of "12345") {
        const client = await gateway.connect();
        clients.push(client);
        await client.send(wireOf("POST / HTTP/1.1", "Host: narrow.test", "Content-Length: 10") + "0123");
      }
      for (const _ of "123") assertEquals((await gateway.send(requestFor("narrow"))).status, 200);
      assertEquals(gateway.backend("narrow").requests.map(({ method }) => method), ["GET", "GET", "GET"]);
      for (const client of clients) {
        await client.send("456789");
        assertEquals((await client.readResponse()).status, 200);
        client.close();
      }
      const seen = gateway.seen("narrow");
      assertEquals([seen.framing, seen.text], ["length", "0123456789"]);
      assertEquals(gateway.backend("narrow").connections.length, 1);
    });

    await test.step("a large body begins when the first part of it has come", async () => {
      using client = await gateway.connect();
      const half = "x".repeat(70_000);
      await client.send(wireOf("POST / HTTP/1.1", "Host: read.test", "Content-Length: 140000") + half);
      const backend = gateway.backend("read");
      const isThere = () => backend.connections.some(({ received }) => received.length > half.length);
      await backend.waitFor(isThere, "the first half", PATIENCE_MS);
      await client.send(half);
      assertEquals((await client.readResponse()).body.length, 140_000);
    });

    await test.step("a body of unknown length goes on before its end, with all that came", async () => {
      using client = await gateway.connect();
      await client.send(wireOf("POST / HTTP/1.1", "Host: read.test", "Transfer-Encoding: chunked"));
      for (const letter of "abc") await client.send(`1\r\n${letter}\r\n`);
      const backend = gateway.backend("read");
      const isThere = () => backend.connections.some(({ received }) => received.includes("abc\r\n"));
      await backend.waitFor(isThere, "the first pieces", PATIENCE_MS);
      await client.send("1\r\nd\r\n0\r\n\r\n");
      assertEquals((await client.readResponse()).text, "abcd");
    });

    for (const [framing, piece] of [["Content-Length: 5000", "x"], ["Transfer-Encoding: chunked", "1\r\nx\r\n"]]) {
      await test.step(`a body below the minimum rate is refused: ${framing}`, async () => {
        using client = await gateway.connect("strict");
        await client.send(wireOf("POST / HTTP/1.1", "Host: plain.test", framing));
        const got = await drip(client, piece, 50);
        assertEquals([got.status, codeOf(got.text)], [408, "client_too_slow"]);
      });
    }

    await test.step("a client that says nothing more is still told so", async () => {
      using client = await gateway.connect("strict");
      await client.send(wireOf("POST / HTTP/1.1", "Host: plain.test", "Content-Length: 10") + "01");
      const got = await client.readResponse();
      assertEquals([got.status, codeOf(got.text)], [408, "request_timeout"]);
    });

    await test.step("a body above the rate takes the time that it takes", async () => {
      using client = await gateway.connect("strict");
      await client.send(wireOf("POST / HTTP/1.1", "Host: read.test", "Content-Length: 10000"));
      for (let sent = 0; sent < 10; sent++) {
        await client.send("x".repeat(1000));
        await wait(150);
      }
      const got = await client.readResponse();
      assert(got.status === 200 && got.body.length === 10_000, `${got.status} ${got.body.length}`);
    });
  });
}
