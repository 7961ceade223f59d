/** Which threads a configuration needs. */

import type { Config } from "./types.ts";

/**
 * Whether what serves runs in worker threads, apart from the control side (admin listener, probes, signals, reload).
 *
 * With one worker it does where Deno decrypts for `serve`: a client that sends such a connection cheap input as fast as it
 * is taken holds the thread that serves it (Deno reads on while there is anything to read), and with it whatever else runs
 * there. All other configurations need no second thread, and do not pay for one.
 */
export function needsWorkerThreads({ server, listeners }: Pick<Config, "server" | "listeners">): boolean {
  return server.workers > 1 || listeners.some(({ engine, tls }) => engine === "serve" && tls !== null);
}
