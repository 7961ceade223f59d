/**
 * Node and the proxies that run on it, from npm, in a cache folder outside the tree: `$XDG_CACHE_HOME/sluice-bench`.
 * Node too, because http-proxy-3 needs a newer one than many machines have, and so that all of them measure the same.
 */

import { programVersion } from "./bench_process.ts";

export const NODE_VERSION = "24.21.0";

export const NODE_PACKAGES = {
  "http-proxy-3": "2.0.1",
  "@fastify/http-proxy": "11.6.3",
  "fastify": "5.12.8",
} as const;

const FOLDER = `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`}/sluice-bench`;
/** Its only content is the program, `bin/node`. */
const NODE_PACKAGE = `node-linux-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}`;
const WANTED: Readonly<Record<string, string>> = { [NODE_PACKAGE]: NODE_VERSION, ...NODE_PACKAGES };

export const NODE = `${FOLDER}/node_modules/${NODE_PACKAGE}/bin/node`;
/** What scripts resolve their imports from (`createRequire`). */
export const NODE_MODULES = `${FOLDER}/node_modules/`;

let installed: Promise<string> | null = null;

/** Installs what is not there yet. @returns "", or why it is missing. */
export function installNodePackages(): Promise<string> {
  installed ??= install();
  return installed;
}

async function install(): Promise<string> {
  if (Object.entries(WANTED).every(([name, version]) => installedVersion(name) === version)) return "";
  if (await programVersion("npm", "--version") === null) return "npm is not installed";
  Deno.mkdirSync(FOLDER, { recursive: true });
  const packages = Object.entries(WANTED).map(([name, version]) => `${name}@${version}`);
  const args = ["install", "--prefix", FOLDER, "--no-audit", "--no-fund", "--ignore-scripts", ...packages];
  const { success, stderr } = await new Deno.Command("npm", { args, stdout: "null", stderr: "piped" }).output();
  const reason = new TextDecoder().decode(stderr).trim().split("\n").find((line) => line.startsWith("npm error"));
  return success ? "" : `npm install failed: ${reason ?? "no reason given"}`;
}

function installedVersion(name: string): string {
  try {
    return JSON.parse(Deno.readTextFileSync(`${NODE_MODULES}${name}/package.json`)).version;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
