/** A client that asks for much and takes nothing must not keep a backend's connection from everybody else. */

import { assertEquals } from "./support/assert.ts";
import { response } from "./support/backend_scripts.ts";
import { RawClient } from "./support/raw_client.ts";
import { ScriptedBackend } from "./support/scripted_backend.ts";
import { SluiceProcess } from "./support/sluice_process.ts";

/** More than all socket buffers between a backend and a client hold. */
const LARGE_BYTES = 64 * 1024 * 1024;

for (const engine of ["serve", "wire"]) {
  Deno.test(`engine ${engine}: a client that takes nothing gives the backend's connection back`, async () => {
    await using backend = await ScriptedBackend.start(async (exchange) => {
      if (!exchange.request.head.startsWith("GET /large")) return await exchange.write(response(200, "small"));
      await exchange.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LARGE_BYTES}\r\n\r\n`);
      const piece = new Uint8Array(1024 * 1024);
      try {
        for (let sent = 0; sent < LARGE_BYTES; sent += piece.length) await exchange.write(piece);
      } catch {
        // sluice has closed the connection: what the test is about
      }
    });
    await using sluice = await SluiceProcess.start(`
[[listeners]]
name = "web"
address = "127.0.0.1:0"
engine = "${engine}"
limits = { body_timeout = "500ms" }

[upstreams.app]
backends = [{ url = "${backend.url}" }]
pool = { max_connections = 1, queue_timeout = "15s" }

[[routes]]
path = "/*"
upstream = "app"
`);
    using greedy = await RawClient.connect(sluice.address("web"));
    await greedy.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await backend.waitForRequests(1);
    using other = await RawClient.connect(sluice.address("web"), { deadlineMs: 20_000 });
    await other.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
    const { status, text } = await other.readResponse({ method: "GET" });
    assertEquals([status, text], [200, "small"]);
  });
}
