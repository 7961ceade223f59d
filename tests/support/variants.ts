/**
 * Ways that requests go through the proxy: by which engine, and whether they share connections to backends. What must hold
 * on all of them is tested on all of them, a process for each.
 *
 * Every run has `serve`, and `wire` with pipelining; `SLUICE_TEST_VARIANTS=all` adds `wire` without it, and runs slow tests on
 * every variant, too. `SLUICE_POOL_PIPELINING=8` moves the default of all processes that do not say otherwise.
 */

export interface Variant {
  readonly name: string;
  readonly engine: "serve" | "wire";
  /** A line of the listener. */
  readonly listener: string;
  /** The environment of the process. */
  readonly env: Readonly<Record<string, string>>;
}

const SERVE = variant("serve", "serve");
const WIRE = variant("wire", "wire", "1");
const PIPELINED = variant("wire, pipelining", "wire", "8");

const isAll = Deno.env.get("SLUICE_TEST_VARIANTS") === "all";

export const VARIANTS: readonly Variant[] = isAll ? [SERVE, WIRE, PIPELINED] : [SERVE, PIPELINED];
/** For tests that take several seconds on each. */
export const SLOW_VARIANTS: readonly Variant[] = isAll ? VARIANTS : [SERVE];

/** Whether requests share connections in every process that does not say otherwise. */
export const SHARES_CONNECTIONS = Number(Deno.env.get("SLUICE_POOL_PIPELINING") ?? "1") > 1;

function variant(name: string, engine: Variant["engine"], pipelining = ""): Variant {
  const env = pipelining === "" ? {} : { SLUICE_POOL_PIPELINING: pipelining };
  return { name, engine, listener: `engine = "${engine}"`, env };
}
