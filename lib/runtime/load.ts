/** `loadConfig` on the real file system and environment. */

import { ForeignFileError, loadConfig, type LoadedConfig } from "../config/load.ts";
import { resolvePath } from "../config/paths.ts";

/** What was read, by path; null where that failed. */
export type FileContents = ReadonlyMap<string, string | null>;

/**
 * @param contents Filled with every file that was looked at, also when loading fails.
 * @throws {ConfigError}
 */
export function loadFromDisk(path: string, contents: Map<string, string | null> = new Map()): Promise<LoadedConfig> {
  return load(path, async (file) => {
    contents.set(file, null);
    const text = await Deno.readTextFile(file);
    contents.set(file, text);
    return text;
  });
}

/**
 * As if `text` were in the file `path`: what it names is read relative to that. Who gives a text need not be who may see
 * this machine's variables and files, so it gets those that the running configuration has read, and no others; not even
 * whether they are there.
 *
 * @throws {ConfigError}
 */
export function loadText(text: string, path: string, running: LoadedConfig): Promise<LoadedConfig> {
  const absolute = resolvePath(Deno.cwd(), path);
  const files = new Set(running.files);
  const readTextFile = (file: string) => {
    if (file === absolute) return Promise.resolve(text);
    return files.has(file) ? Deno.readTextFile(file) : Promise.reject(new ForeignFileError());
  };
  return load(path, readTextFile, new Set(running.envNames));
}

function load(
  path: string,
  readTextFile: (file: string) => Promise<string>,
  allowedNames?: ReadonlySet<string>,
): Promise<LoadedConfig> {
  return loadConfig(path, {
    env: readEnv,
    readTextFile,
    ...(allowedNames === undefined ? {} : { allowedNames }),
    cwd: Deno.cwd(),
    cores: navigator.hardwareConcurrency,
  });
}

/** A variable that we may not read counts as unset; whoever needs it is told by `missingPermissions`. */
export function readEnv(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}
