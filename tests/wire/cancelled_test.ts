/** A client that leaves in the very turn in which its response arrives: the exchange is over when the engine gets it. */

import { PrivateConnections } from "../../lib/base/shared/shared_connections.ts";
import { ProxyError } from "../../lib/base/errors.ts";
import { openListener } from "../../lib/engines/open.ts";
import type { Exchange } from "../../lib/proxy/exchange.ts";
import type { LocalDataPlane } from "../../lib/runtime/serving/local_data_plane.ts";
import { loadFromDisk } from "../../lib/runtime/reload/load.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { echo } from "../support/backend_scripts.ts";
import { ConfigFile } from "../support/config_file.ts";
import { startInProcess } from "../support/in_process.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";

for (const engine of ENGINES) {
  Deno.test(`${engine}: an exchange that is cancelled in the turn of its response is no bug`, async () => {
    await using backend = ScriptedBackend.start(echo());
    const toml = `[server]\nworkers = 1\n${listenerToml("web", `engine = "${engine}"`)}\n` +
      `${upstreamToml("app", [backend.url])}\n[log]\naccess = "off"\n`;
    const file = new ConfigFile(toml);
    const sluice = await startInProcess(file.path);
    const { core } = sluice.dataPlane as LocalDataPlane;
    const { config } = await loadFromDisk(file.path, new Map());
    const bugs: unknown[] = [];
    const listener = openListener({
      core,
      config: config.listeners[0],
      certificate: null,
      sharesPort: false,
      count: new PrivateConnections(),
      onBug: (error) => bugs.push(error),
      onFailed: () => {},
      onRestored: () => {},
    });
    try {
      const { exchanges } = core;
      const add = exchanges.add.bind(exchanges);
      let isLeaving = true;
      exchanges.add = (underWay) => {
        add(underWay);
        const exchange = underWay as Exchange;
        if (!isLeaving) return;
        const handOver = exchange.handOver.bind(exchange);
        exchange.handOver = (error) => {
          handOver(error);
          exchange.cancel(new ProxyError("client_gone"));
        };
      };
      const outcome = await get(listener.address, "/app/", {}, { deadlineMs: PATIENCE_MS })
        .then(({ status }) => status, () => "closed");
      assert(outcome === "closed" || outcome === 500, `${outcome}`);
      isLeaving = false;
      assertEquals((await get(listener.address, "/app/", {}, { deadlineMs: PATIENCE_MS })).status, 200);
      assertEquals([bugs, core.exchanges.size], [[], 0]);
    } finally {
      await Promise.all([listener.shutdown(), sluice.shutdown()]);
      file.remove();
    }
  });
}
