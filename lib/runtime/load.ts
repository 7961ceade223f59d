/** `loadConfig` on the real file system and environment. */

import { loadConfig, type LoadedConfig } from "../config/load.ts";

/** @throws {ConfigError} */
export function loadFromDisk(path: string): Promise<LoadedConfig> {
  return loadConfig(path, {
    env: readEnv,
    readTextFile: (file) => Deno.readTextFile(file),
    cwd: Deno.cwd(),
    cores: navigator.hardwareConcurrency,
  });
}

/** A variable that we may not read counts as unset; whoever needs it is told by `missingPermissions`. */
function readEnv(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}
