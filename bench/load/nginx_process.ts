/** nginx in the foreground on a configuration of ours: for the contender and for the backend. */

import { childPids, cpuMicros } from "../../tests/support/process_usage.ts";
import { BenchProcess, programVersion } from "./bench_process.ts";
import type { RunningContender } from "./contender.ts";

export function nginxVersion(): Promise<string | null> {
  return programVersion("nginx", "-v");
}

/** @param http What stands in `http { }`, listening on `address`. One worker. */
export async function startNginx(folder: string, address: string, http: string): Promise<RunningContender> {
  const configuration = `
    worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log stderr warn;
    events { worker_connections 4096; }
    http {
      access_log off;
      client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi;
      scgi_temp_path ${folder}/scgi;
      keepalive_requests 1000000000;
      ${http}
    }`;
  Deno.writeTextFileSync(`${folder}/nginx.conf`, configuration);
  const args = ["-p", folder, "-e", "stderr", "-c", `${folder}/nginx.conf`, "-g", "daemon off;"];
  const process = new BenchProcess("nginx", args);
  try {
    await process.waitForConnect(address);
  } catch (error) {
    await process.stop();
    throw error;
  }
  return {
    address,
    // The master only waits; its workers do the proxying.
    cpuMicros: () => childPids(process.pid).reduce((sum, pid) => sum + cpuMicros(pid), 0),
    stop: () => process.stop(),
  };
}
