/**
 * A backend whose probes fail while its requests would succeed says that it is about to go: it stays out until its probes
 * pass, whatever time goes by and whatever requests would do.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { response, type Script } from "../support/backend_scripts.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";

const INTERVAL = "300ms";
const ENGINES = ["serve", "wire"];

for (const workers of [1, 2]) {
  Deno.test(`a backend whose probes fail stays out until they pass (workers: ${workers})`, async () => {
    let health = 200;
    let probes = 0;
    const script: Script = async (exchange) => {
      const isProbe = exchange.request.target === "/healthz";
      if (isProbe) probes++;
      await exchange.write(response(isProbe ? health : 200, "fine"));
    };
    await using leaving = ScriptedBackend.start(script);
    await using staying = ScriptedBackend.start(async (exchange) => await exchange.write(response(200, "fine")));
    const toml = [
      `[server]\nworkers = ${workers}\n[log]\naccess = "off"\n`,
      ...ENGINES.map((engine) => listenerToml(engine, `engine = "${engine}"`)),
      upstreamToml("api", [leaving.url, staying.url], {
        keys: `health = { interval = "${INTERVAL}", rise = 2, fall = 2 }\ncircuit = { open = "${INTERVAL}" }`,
      }),
    ].join("\n");
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
    const served = () => leaving.requests.filter(({ target }) => target !== "/healthz").length;
    const changes = () =>
      sluice.events.filter(({ event, backend }) => event === "backend_health" && backend === `api/${leaving.address}`);
    const visit = async () => {
      for (const engine of ENGINES) {
        const { status } = await get(sluice.address(engine), "/api/x", {}, { deadlineMs: PATIENCE_MS });
        assertEquals(status, 200);
      }
    };

    health = 503;
    await sluice.waitFor(() => changes().length > 0, "the one that leaves to be out", PATIENCE_MS);
    const [out] = changes();
    assertEquals(out.to, "open");
    assertMatch(String(out.reason), /^bad_status × 2 \(probe\)$/);
    const before = served();
    const failed = probes;
    while (probes < failed + 5) { // the wait is over several times
      await visit();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assertEquals(served(), before);
    assertEquals(changes().length, 1);

    health = 200;
    await sluice.waitFor(() => changes().length > 1, "the one that leaves to be back", PATIENCE_MS);
    const [, back] = changes();
    assertEquals([back.from, back.to, back.reason], ["open", "healthy", "probes_passed × 2 (probe)"]);
    for (let round = 0; round < 20 && served() === before; round++) await visit();
    assert(served() > before);
    assertEquals(out.open_ms, undefined); // nobody knew
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });
}
