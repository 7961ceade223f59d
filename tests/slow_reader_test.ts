/** A client that asks for much and takes nothing must not keep a backend's connection; one that is slow may. */

import { assert, assertEquals } from "./support/assert.ts";
import { response } from "./support/backend_scripts.ts";
import { RawClient } from "./support/raw_client.ts";
import { ScriptedBackend } from "./support/scripted_backend.ts";
import { SluiceProcess } from "./support/sluice_process.ts";
import { toBytes } from "./support/wire_bytes.ts";

/** More than all socket buffers between a backend and a client hold. */
const LARGE_BYTES = 64 * 1024 * 1024;
/** Two of the largest pieces that a body is read in, at least. */
const SLOW_BYTES = 2 * 1024 * 1024;

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
    await using sluice = await SluiceProcess.start(
      configuration(engine, "127.0.0.1:0", backend.url) + 'pool = { max_connections = 1, queue_timeout = "15s" }\n',
    );
    using greedy = await RawClient.connect(sluice.address("web"));
    await greedy.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await backend.waitForRequests(1);
    using other = await RawClient.connect(sluice.address("web"), { deadlineMs: 20_000 });
    await other.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
    const { status, text } = await other.readResponse({ method: "GET" });
    assertEquals([status, text], [200, "small"]);
  });
}

Deno.test("engine wire: a client that takes some of a large piece again and again within body_timeout gets it all", async () => {
  // The time ran from the beginning of a piece of 512 KiB, not from what was last taken. The send buffer of a Unix socket
  // holds 208 KiB and does not grow: such a piece is several writes.
  const path = await Deno.makeTempFile({ prefix: "sluice_test_" });
  await Deno.remove(path);
  await using backend = await ScriptedBackend.start((exchange) =>
    exchange.write(response(200, "x".repeat(SLOW_BYTES)))
  );
  await using _sluice = await SluiceProcess.start(configuration("wire", `unix:${path}`, backend.url));
  using client = await Deno.connect({ transport: "unix", path });
  await client.write(toBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  const piece = new Uint8Array(64 * 1024);
  let bytes = 0;
  while (bytes < SLOW_BYTES) {
    const count = await client.read(piece);
    if (count === null) break;
    bytes += count;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  assert(bytes > SLOW_BYTES, `${bytes} bytes`);
});

/** Ends in the upstream's table. */
function configuration(engine: string, address: string, url: string): string {
  return `
[[listeners]]
name = "web"
address = "${address}"
engine = "${engine}"
limits = { body_timeout = "500ms" }

[[routes]]
path = "/*"
upstream = "app"

[upstreams.app]
backends = [{ url = "${url}" }]
`;
}
