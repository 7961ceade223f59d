/** sluice itself, once for each engine, as a user runs it; access log off, as for the others. */

import { cpuMicros } from "../../../tests/support/process_usage.ts";
import { BenchProcess, ROOT } from "../bench_process.ts";
import type { Contender, RunningContender, Setup } from "../contender.ts";

export const sluiceServe: Contender = sluice("serve");
export const sluiceWire: Contender = sluice("wire");

function sluice(engine: "serve" | "wire"): Contender {
  return {
    name: `sluice-${engine}`,
    version() {
      const isThere = [...Deno.readDirSync(ROOT)].some(({ name }) => name === "main.ts");
      return Promise.resolve(isThere ? `sluice of this commit, engine "${engine}"` : null);
    },
    start: (setup) => start(engine, setup),
  };
}

async function start(engine: string, { backend, folder, connections }: Setup): Promise<RunningContender> {
  Deno.writeTextFileSync(
    `${folder}/config.toml`,
    `
[[listeners]]
name = "bench"
address = "127.0.0.1:0"
engine = "${engine}"

[upstreams.backend]
backends = [{ url = "http://${backend}" }]

[upstreams.backend.pool]
max_connections = ${Math.max(256, connections)}
max_idle = ${Math.max(64, connections)}

[[routes]]
name = "all"
upstream = "backend"

[log]
access = "off"
`,
  );
  const args = ["run", "-A", "--no-check", `${ROOT}main.ts`, "run", "--config", `${folder}/config.toml`];
  const process = new BenchProcess(Deno.execPath(), args);
  try {
    const address = await process.waitForListening();
    return { address, cpuMicros: () => cpuMicros(process.pid), stop: () => process.stop() };
  } catch (error) {
    await process.stop();
    throw error;
  }
}
