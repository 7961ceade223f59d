/** A bug of ours that nobody catches is logged, and the process goes on for everybody else. */

import { assert, assertEquals } from "../support/assert.ts";
import { echo } from "../support/backend_scripts.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { connect, listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";

const ENTRY = new URL("../support/uncaught_main.ts", import.meta.url).pathname;

Deno.test("An uncaught rejection and an uncaught exception are logged and end nothing", async () => {
  const gate = Promise.withResolvers<void>();
  await using backend = ScriptedBackend.start(async (exchange) => {
    await exchange.wait(gate.promise);
    await echo()(exchange);
  });
  await using sluice = await SluiceProcess.start(listenerToml("web") + upstreamToml("api", [backend.url]), {
    deadlineMs: PATIENCE_MS,
    entry: ENTRY,
  });
  using client = await connect(sluice.address("web"));
  await client.send("GET /api/before HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await backend.waitForRequests(1, PATIENCE_MS);
  sluice.signal("SIGUSR2");
  for (const [kind, message] of [["unhandled_rejection", "rejection"], ["uncaught_exception", "exception"]]) {
    const line = await sluice.waitForEvent((event) => event.event === "internal_error" && event.kind === kind);
    assertEquals([line.level, line.message], ["error", `Error: a stray ${message}`]);
    assert(String(line.stack).includes("uncaught_main.ts"), `It says where: ${line.stack}`);
  }
  gate.resolve();
  assertEquals((await client.readResponse()).status, 200);
  assertEquals((await get(sluice.address("web"), "/api/after", {}, { deadlineMs: PATIENCE_MS })).status, 200);
  sluice.signal("SIGTERM");
  assertEquals(await sluice.waitForExit(PATIENCE_MS), 0);
});
