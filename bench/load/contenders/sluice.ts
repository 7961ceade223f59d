/** sluice itself, as a user runs it, access log off as for the others: both engines, pipelining, and feature switches. */

import { ROOT } from "../bench_process.ts";
import type { Contender, Launch, Setup } from "../contender.ts";

export interface Variant {
  readonly engine: "serve" | "wire";
  /** Requests on one connection to the backend; 1: the default. */
  readonly pipelining?: number;
  /** Connections opened beforehand; 0: the default. */
  readonly minIdle?: number;
  /** A key of `[features]`; absent: the default. */
  readonly features?: Readonly<Record<string, boolean>>;
  /** An access log in JSON to a file; default: none. */
  readonly logsAccess?: boolean;
}

export const sluiceServe: Contender = sluice("sluice-serve", { engine: "serve" });
export const sluiceWire: Contender = sluice("sluice-wire", { engine: "wire" });
export const sluiceWire8: Contender = sluice("sluice-wire-8", { engine: "wire", pipelining: 8 });

/**
 * A configuration that its commit refuses makes it missing, with what the refusal says.
 *
 * @param root The checkout that is run, with a slash at its end; default: this one.
 */
export function sluice(name: string, variant: Variant, root: string = ROOT): Contender {
  return {
    name,
    http2: variant.engine === "serve",
    reloads: true,
    async availability() {
      const refusal = await check(configuration(variant, PLAIN_SETUP), root);
      if (refusal !== "") return { missing: `not supported by this commit: ${refusal}` };
      return { version: `sluice of ${root === ROOT ? "this commit" : root}, ${JSON.stringify(variant)}` };
    },
    launch: (setup): Launch => ({
      program: Deno.execPath(),
      args: ["run", "-A", "--no-check", `${root}main.ts`, "run", "--config", `${setup.folder}/config.toml`],
      files: { "config.toml": configuration(variant, setup) },
      reload: "by itself",
    }),
  };
}

/** Enough to have it checked. */
const PLAIN_SETUP: Omit<Setup, "certificates" | "folder"> = {
  address: "127.0.0.1:1",
  downstream: "http",
  upstream: "http",
  backend: "127.0.0.1:2",
  connections: 64,
  generation: 0,
};

function configuration(variant: Variant, setup: Omit<Setup, "folder" | "certificates"> & Partial<Setup>): string {
  const { engine, pipelining = 1, minIdle = 0, features = {} } = variant;
  const { address, downstream, upstream, backend, certificates, connections, generation } = setup;
  return [
    "[[listeners]]",
    `address = "${address}"`,
    `engine = "${engine}"`,
    ...(downstream === "https" ? [`tls = { cert = "${certificates?.cert}", key = "${certificates?.key}" }`] : []),
    "[upstreams.all]",
    `backends = [{ url = "${upstream}://${backend}" }]`,
    ...(upstream === "https" ? [`tls = { ca = "${certificates?.authority}", server_name = "localhost" }`] : []),
    "[upstreams.all.pool]",
    `max_connections = ${Math.max(256, connections)}`,
    `max_idle = ${connections}`,
    ...(pipelining === 1 ? [] : [`pipelining = ${pipelining}`]),
    ...(minIdle === 0 ? [] : [`min_idle = ${minIdle}`]),
    "[[routes]]",
    'upstream = "all"',
    ...(generation === 0 ? [] : [`response_headers = { set = { x-generation = "${generation}" } }`]),
    "[log]",
    `access = "${variant.logsAccess ? "access.log" : "off"}"`,
    ...(Object.keys(features).length === 0 ? [] : ["[features]"]),
    ...Object.entries(features).map(([key, value]) => `${key} = ${value}`),
    "",
  ].join("\n");
}

/** @returns "", or the first problem that `sluice check` has with it. */
async function check(text: string, root: string): Promise<string> {
  const path = Deno.makeTempFileSync({ prefix: "sluice_bench_", suffix: ".toml" });
  try {
    Deno.writeTextFileSync(path, text);
    const args = ["run", "-A", "--no-check", `${root}main.ts`, "check", path];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (success) return "";
    const decoder = new TextDecoder();
    const printed = (decoder.decode(stderr) + decoder.decode(stdout)).trim().split("\n")[0];
    return printed.replace(/^\S+\.toml:\d+: /, "");
  } finally {
    Deno.removeSync(path);
  }
}
