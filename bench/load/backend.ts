/**
 * What stands behind every contender: 66 bytes on `/`, and on `/probe` the request's X-Probe field, to prove that
 * fields are forwarded. nginx where it is installed, because it costs least beside the proxy; else `Deno.serve`.
 */

import { BenchProcess, freeAddress, ROOT } from "./bench_process.ts";
import { BODY } from "./body.ts";
import type { RunningContender } from "./contender.ts";
import { nginxVersion, startNginx } from "./nginx_process.ts";

export interface Backend extends Pick<RunningContender, "address" | "stop"> {
  /** With its version. */
  readonly name: string;
}

export async function startBackend(folder: string): Promise<Backend> {
  const nginx = await nginxVersion();
  if (nginx !== null) {
    const address = freeAddress();
    const http = `
      server {
        listen ${address} backlog=4096;
        location = / { return 200 "${BODY}"; }
        location = /probe { return 200 "$http_x_probe"; }
      }`;
    return { name: nginx, ...await startNginx(folder, address, http) };
  }
  const process = new BenchProcess(Deno.execPath(), ["run", "-A", "--no-check", `${ROOT}bench/load/deno_backend.ts`]);
  const address = await process.waitForListening();
  return { name: `Deno.serve ${Deno.version.deno}`, address, stop: () => process.stop() };
}
