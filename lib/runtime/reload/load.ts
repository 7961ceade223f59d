/** `loadConfig` on the real file system and environment. */

import { ForeignFileError, loadConfig, type LoadedConfig } from "../../config/load.ts";
import { resolvePath } from "../../config/paths.ts";
import { readStill } from "./file_stamps.ts";

/** What was read, by path; null where that failed. */
export type FileContents = ReadonlyMap<string, string | null>;

/** What a watcher saw, once the files had been still. */
export interface SettledFiles {
  readonly contents: FileContents;
  /** For files that it did not watch. */
  readonly quietMs: number;
}

/**
 * @param contents Filled with every file that was looked at, also when loading fails.
 * @param settled Taken instead of what the files hold now, which may be the first half of what comes next.
 * @throws {ConfigError}
 */
export function loadFromDisk(
  path: string,
  contents: Map<string, string | null> = new Map(),
  settled: SettledFiles | null = null,
): Promise<LoadedConfig> {
  return load(path, async (file) => {
    contents.set(file, null);
    const known = settled?.contents.get(file) ?? null;
    const text = known ?? (settled === null ? await Deno.readTextFile(file) : await readStill(file, settled.quietMs));
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
