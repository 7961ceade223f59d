/** Faults of shared connections that hostile traffic found in the running proxy, each with what broke. */

import { assert, assertEquals } from "@std/assert";
import { connect, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";
import { response, type Script } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";

const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </stray>\r\n\r\n";
/** Later than `RESPONSE_MS`, and before those behind a slow response are taken elsewhere. */
const LATE_MS = 190;
const RESPONSE_MS = 100;
const STREAM_PIECES = 20;

/** `/late`: a hint and an answer, both too late. `/stream`: many pieces while that comes. */
function answering(seen: { shared: number }): Script {
  return async (exchange) => {
    const { target } = exchange.request;
    if (target.startsWith("/app/late")) {
      await exchange.wait(LATE_MS / 2);
      if (exchange.connection.source.length > 0) seen.shared++;
      await exchange.wait(LATE_MS / 2);
      await exchange.write(HINTS);
    } else if (target.startsWith("/app/trailers")) {
      return await exchange.write(response(200, target, { framing: "chunked", trailers: [["X-Sum", target]] }));
    } else if (target.startsWith("/own/stream")) {
      await exchange.write(`HTTP/1.1 200 OK\r\nContent-Length: ${STREAM_PIECES}\r\n\r\n`);
      for (let index = 0; index < STREAM_PIECES; index++) {
        await exchange.wait(10);
        await exchange.write("s");
      }
      return;
    }
    await exchange.write(response(200, target));
  };
}

const get = (client: RawClient, target: string) => client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);

Deno.test("Hostile traffic's faults of shared connections stay mended", async (t) => {
  const seen = { shared: 0 };
  await using backend = ScriptedBackend.start(answering(seen));
  const toml = `[[listeners]]\nname = "web"\naddress = "127.0.0.1:0"\nengine = "wire"\n` +
    upstreamToml("app", [backend.url], {
      keys:
        `pool.pipelining = 8\ntimeouts.response = "${RESPONSE_MS}ms"\ncircuit.failures = 0\ncircuit.error_rate = 0.0`,
    }) + upstreamToml("own", [backend.url]);

  await step(t, "trailers pass before a response is off its connection", async () => {
    // They were kept for it only when it left, which is after the client had got its last chunk.
    await using sluice = await SluiceProcess.start(toml);
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect(sluice.address("web"))));
    try {
      for (const round of ["first", "second"]) {
        await Promise.all(clients.map(async (client, index) => {
          const target = `/app/trailers/${round}/${index}`;
          await client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n`);
          const { text, trailers } = await client.readResponse();
          assertEquals([text, trailers], [target, [["X-Sum", target]]]);
        }));
      }
    } finally {
      for (const client of clients) client.close();
    }
    assertEquals(await sluice.stop(), 0);
  });

  await step(t, "a 1xx for a request that was given up does not get into the next response", async () => {
    // It was written to the client's connection in the middle of what came for the client's next request.
    const endsAt = Date.now() + PATIENCE_MS;
    while (seen.shared === 0) {
      assert(Date.now() < endsAt, "nothing shared a connection");
      // A new one each time: on a busy machine sharing is soon found not worth it, and the late answers are held against
      // the backend. After its first answer two requests share a connection.
      await using sluice = await SluiceProcess.start(toml);
      const clients = await Promise.all(Array.from({ length: 4 }, () => connect(sluice.address("web"))));
      try {
        await get(clients[0], "/app/warm");
        assertEquals((await clients[0].readResponse()).status, 200);
        await Promise.all(clients.map((client, index) => get(client, `/app/late/${index}`)));
        await Promise.all(clients.map(async (client) => {
          assertEquals((await client.readResponse()).status, 504);
          await get(client, "/own/stream");
          assertEquals((await client.readResponse()).text, "s".repeat(STREAM_PIECES));
        }));
      } finally {
        for (const client of clients) client.close();
      }
      assertEquals(await sluice.stop(), 0);
    }
  });
});
