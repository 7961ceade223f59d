/** A client that asks for much and takes nothing must not keep a backend's connection; one that is slow may. */

import { assert, assertEquals } from "../support/assert.ts";
import { response } from "../support/backend_scripts.ts";
import { parseAddress, RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { toBytes } from "../support/wire_bytes.ts";
import { listenerToml, upstreamToml } from "../support/proxy_stage.ts";

const ENGINES = ["serve", "wire"] as const;
/** More than all socket buffers between a backend and a client hold. */
const LARGE_BYTES = 64 * 1024 * 1024;
/** What is on its way over loopback is 2.9 MB, and the kernel tells of room when 1.4 MB of them were taken. */
const SLOW_BYTES = 4_600_000;
/** The send buffer of a Unix socket holds 208 KiB and does not grow: a piece of 512 KiB is several writes. */
const UNIX_BYTES = 1_500_000;
/** Over at thirteen times that. */
const SILENT = `limits = { body_timeout = "100ms" }`;
/** Half of what one step of the kernel takes a reader of this test. */
const SLOW = `limits = { body_timeout = "400ms" }`;

Deno.test("A client that takes nothing gives the backend's connection back", async () => {
  await using backend = await ScriptedBackend.start(async (exchange) => {
    if (!exchange.request.target.endsWith("/large")) return await exchange.write(response(200, "small"));
    await exchange.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LARGE_BYTES}\r\n\r\n`);
    const piece = new Uint8Array(1024 * 1024);
    try {
      for (let sent = 0; sent < LARGE_BYTES; sent += piece.length) await exchange.write(piece);
    } catch {
      // sluice has closed the connection: what the test is about
    }
  });
  const keys = `pool = { max_connections = 1, queue_timeout = "15s" }`;
  await using sluice = await SluiceProcess.start(
    "[server]\nworkers = 1\n" +
      ENGINES.map((name) =>
        listenerToml(name, `engine = "${name}"\n${SILENT}`) + upstreamToml(name, [backend.url], { keys })
      ).join(""),
  );
  await Promise.all(ENGINES.map(async (engine) => {
    using greedy = await RawClient.connect(sluice.address(engine));
    await greedy.send(`GET /${engine}/large HTTP/1.1\r\nHost: a\r\n\r\n`);
    await backend.waitFor(() => backend.requests.some(({ target }) => target === `/${engine}/large`), "the request");
    using other = await RawClient.connect(sluice.address(engine), { deadlineMs: 20_000 });
    await other.send(`GET /${engine}/small HTTP/1.1\r\nHost: a\r\n\r\n`);
    const { status, text } = await other.readResponse({ method: "GET" });
    assertEquals([status, text], [200, "small"], engine);
  }));
});

Deno.test("A client that takes a little all the time gets it all, however late the kernel tells of it", async () => {
  // The time ran from the beginning of a piece of 512 KiB; then from each write, of which the kernel tells once 1.4 MB were
  // taken: below 48 KB/s a client was closed after 30 s, however steadily it read.
  const path = await Deno.makeTempFile({ prefix: "sluice_test_" });
  await Deno.remove(path);
  await using backend = await ScriptedBackend.start((exchange) =>
    exchange.write(response(200, "x".repeat(exchange.request.target.endsWith("/unix") ? UNIX_BYTES : SLOW_BYTES)))
  );
  await using sluice = await SluiceProcess.start(
    ENGINES.map((name) => listenerToml(name, `engine = "${name}"\n${SLOW}`)).join("") +
      `[[listeners]]\nname = "unix"\naddress = "unix:${path}"\nengine = "wire"\n${SLOW}\n` +
      upstreamToml("app", [backend.url]),
  );
  const read = async (label: string, conn: Deno.Conn, length: number) => {
    using client = conn;
    await client.write(toBytes(`GET /app/${label} HTTP/1.1\r\nHost: a\r\n\r\n`));
    const piece = new Uint8Array(32 * 1024);
    let bytes = 0;
    while (bytes < length) {
      const count = await client.read(piece);
      if (count === null) break;
      bytes += count;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert(bytes > length, `${label}: ${bytes} bytes`);
  };
  const dial = (name: string) => Deno.connect(parseAddress(sluice.address(name)));
  await Promise.all([
    read("serve", await dial("serve"), SLOW_BYTES),
    read("wire", await dial("wire"), SLOW_BYTES),
    read("unix", await Deno.connect({ transport: "unix", path }), UNIX_BYTES),
  ]);
});
