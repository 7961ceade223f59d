/**
 * Tests run over as many worker threads as `SLUICE_SERVER_WORKERS` says, which moves the default of each process they start.
 *
 * A connection stays with the worker that accepted it, and the kernel decides which: what is each worker's own (pools,
 * turns of round robin, queues, retry budgets) a test looks at over one client connection, multiplies by `WORKERS`, or, when it
 * needs several connections, pins to one worker.
 */

/** Threads that serve, in every process that does not say otherwise. */
export const WORKERS = Number(Deno.env.get("SLUICE_SERVER_WORKERS") ?? "1");

/** A line for `[server]`, for tests of what each worker has for itself and several client connections have to meet in. */
export const ONE_WORKER = "workers = 1";
