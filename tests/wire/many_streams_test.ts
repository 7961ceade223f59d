/** Streams and tunnels, which are held for long: as many as there are descriptors for, and not instead of requests. */

import { assert, assertEquals } from "../support/assert.ts";
import { chunk, echo, hang, type Script } from "../support/backend_scripts.ts";
import { get, type RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { ONE_WORKER } from "../support/workers.ts";
import { WsBackend } from "../support/ws_backend.ts";
import { WsClient } from "../support/ws_client.ts";
import { connect, listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { ENGINES } from "../support/gateway_stage.ts";

/** More than a pool used to have. */
const STREAMS = 300;
const TUNNELS = 5;

const script: Script = async (exchange) => {
  const { target } = exchange.request;
  if (target.endsWith("/hang")) return await hang()(exchange);
  if (!target.endsWith("/stream")) return await echo()(exchange);
  await exchange.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  await exchange.write(chunk("data: 1\n\n"));
  await hang()(exchange);
};

async function ask(client: RawClient, target: string): Promise<void> {
  await client.send(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
}

function codeOf(text: string): string {
  return /^error: (\w+)$/m.exec(text)?.[1] ?? "";
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: ${STREAMS} streams to one backend leave room for requests`, async () => {
    await using backend = ScriptedBackend.start(script);
    const toml = listenerToml("web", `engine = "${engine}"`) + upstreamToml("api", [backend.url]);
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
    const address = sluice.address("web");
    const clients: RawClient[] = [];
    for (let index = 0; index < STREAMS; index++) {
      const client = await connect(address);
      clients.push(client);
      await ask(client, "/api/stream");
    }
    for (const client of clients) assertEquals((await client.readResponseHead()).status, 200);
    assertEquals((await get(address, "/api/quick", {}, { deadlineMs: PATIENCE_MS })).status, 200);
    for (const client of clients) client.close();
    backend.closeConnections();
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });

  Deno.test(`${engine}: tunnels take no place of requests, and have a bound of their own`, async () => {
    await using backend = WsBackend.start();
    const toml = `[server]\n${ONE_WORKER}\n[admin]\naddress = "127.0.0.1:0"\n` +
      listenerToml("web", `engine = "${engine}"`) +
      upstreamToml("open", [backend.url], { keys: `pool = { max_connections = 1, queue_timeout = "20s" }` }) +
      upstreamToml("bound", [backend.url], { keys: `pool = { max_tunnels = 1 }` });
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
    const address = sluice.address("web");
    {
      await using stack = new AsyncDisposableStack();
      for (let index = 0; index < TUNNELS; index++) stack.use(await WsClient.open(`ws://${address}/open/ws`));
      assertEquals((await get(address, "/open/plain")).status, 426);
      const metrics = (await get(await sluice.waitForAddress("admin"), "/metrics")).text;
      assert(metrics.includes(`state="tunnel"} ${TUNNELS}\n`), metrics.match(/sluice_pool_conn.*/g)?.join("\n"));
    }
    {
      await using _first = await WsClient.open(`ws://${address}/bound/ws`);
      using second = await connect(address);
      await second.send(
        `GET /bound/ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      );
      const refused = await second.readResponse();
      assertEquals([refused.status, codeOf(refused.text)], [503, "tunnels_full"]);
      assert(refused.field("retry-after") !== null);
      assertEquals((await get(address, "/bound/plain")).status, 426);
    }
    await using again = await reopened(`ws://${address}/bound/ws`);
    again.send("still");
    assertEquals(await again.next(), "still");
  });

  Deno.test(`${engine}: requests are refused before the last descriptor is taken`, async () => {
    await using backend = ScriptedBackend.start(script);
    const toml = `[server]\n${ONE_WORKER}\n[log]\naccess = "off"\n[admin]\naddress = "127.0.0.1:0"\n` +
      listenerToml("web", `engine = "${engine}"`) +
      upstreamToml("api", [backend.url], { keys: `timeouts = { response = "60s" }` });
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, descriptorsMax: 256 });
    const admin = await sluice.waitForAddress("admin");
    const clients: RawClient[] = [];
    const refused: string[] = [];
    for (let index = 0; index < 110; index++) {
      const client = await connect(sluice.address("web"));
      clients.push(client);
      await ask(client, "/api/hang");
      client.readResponse().then(({ text }) => refused.push(codeOf(text)), () => {});
    }
    const [short] = [await sluice.waitForEvent(({ event }) => event === "descriptors_short")];
    assert(Number(short.free) > 0 && Number(short.backend_connections) >= 60, JSON.stringify(short));
    const health = await get(admin, "/healthz", {}, { deadlineMs: PATIENCE_MS });
    assertEquals(health.status, 200);
    await backend.waitFor(() => refused.length > 0 && backend.requests.length + refused.length >= 110, "all answers");
    assertEquals(refused.filter((code) => code !== "descriptors_exhausted"), []);
    for (const client of clients) client.reset();
    const deadline = performance.now() + PATIENCE_MS;
    while ((await get(sluice.address("web"), "/api/quick")).status !== 200) {
      assert(performance.now() < deadline, "It does not recover");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals(sluice.events.filter(({ event }) => event === "listener_failed"), []);
    assertEquals(sluice.events.filter(({ event }) => event === "descriptors_short").length, 1);
    backend.closeConnections();
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });
}

/** The place of a tunnel is free when sluice has heard of its end. */
async function reopened(url: string): Promise<WsClient> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await WsClient.open(url);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
