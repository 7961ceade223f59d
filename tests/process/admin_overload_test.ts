/** An accept() that fails ends the accept loop of `Deno.serve`; the admin listener listens again. */

import { assert, assertEquals } from "../support/assert.ts";
import { get, parseAddress } from "../support/raw_client.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { listenerToml, PATIENCE_MS } from "../support/proxy_stage.ts";

const DESCRIPTORS_MAX = 128;
const CROWD = 200;

Deno.test("Out of descriptors, the admin listener comes back", async () => {
  const toml = `[admin]\naddress = "127.0.0.1:0"\n[log]\naccess = "off"\n${listenerToml("wire", `engine = "wire"`)}` +
    `[[routes]]\npath = "/*"\nrespond = { status = 200, body = "fine" }\n`;
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, descriptorsMax: DESCRIPTORS_MAX });
  const admin = await sluice.waitForAddress("admin");
  assertEquals((await get(admin, "/healthz", {}, { deadlineMs: PATIENCE_MS })).status, 200);
  const from = sluice.events.length;
  const idle: Deno.Conn[] = [];
  for (const address of [sluice.address("wire"), admin]) {
    const { hostname, port } = parseAddress(address);
    const coming = Array.from({ length: address === admin ? 5 : CROWD }, () => Deno.connect({ hostname, port }));
    for (const result of await Promise.allSettled(coming)) if (result.status === "fulfilled") idle.push(result.value);
  }
  await sluice.waitForEvent(({ event, listener }) => event === "listener_failed" && listener === "admin", from);
  for (const connection of idle) connection.close();
  const isRestored = () =>
    sluice.events.slice(from).some(({ event, listener }) => event === "listener_restored" && listener === "admin");
  const deadline = performance.now() + PATIENCE_MS;
  let served = 0;
  while (served === 0 || !isRestored()) { // who is served has it said
    assert(performance.now() < deadline, served === 0 ? "It is gone for good" : "Nobody is told that it is back");
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (await get(admin, "/healthz").then(({ status }) => status === 200, () => false)) served++;
  }
  assertEquals(sluice.events.filter(({ event }) => event === "internal_error"), []);
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
});
