/** `loadConfig` on the real file system and environment. */

import { loadConfig, type LoadedConfig } from "../config/load.ts";

/** What was read, by path; null where that failed. */
export type FileContents = ReadonlyMap<string, string | null>;

/**
 * @param contents Filled with every file that was looked at, also when loading fails.
 * @throws {ConfigError}
 */
export function loadFromDisk(path: string, contents: Map<string, string | null> = new Map()): Promise<LoadedConfig> {
  return loadConfig(path, {
    env: readEnv,
    readTextFile: async (file) => {
      contents.set(file, null);
      const text = await Deno.readTextFile(file);
      contents.set(file, text);
      return text;
    },
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
