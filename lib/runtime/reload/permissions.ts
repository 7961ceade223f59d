/**
 * What this process was allowed to do by Deno, against what a configuration needs.
 *
 * Asked before a configuration is put in force, so that a backend which may not be reached is a message now and not a
 * failed request later. Never prompts: only what is granted counts.
 */

import type { LoadedConfig } from "../../config/load.ts";
import { requiredPermissions } from "../../config/permissions.ts";

/** The configuration needs more than was granted; the message says what, for people. */
export class PermissionError extends Error {
  override readonly name = "PermissionError";

  /** @param missing Deno flags, one a kind, with just what is missing. */
  constructor(missing: readonly string[]) {
    super(`needs Deno permissions that were not granted: ${missing.join(" ")} (see "sluice permissions")`);
  }
}

/** What a worker thread imports is in these. Empty when it is no file of this machine. */
const CODE_FOLDERS = ["../../../lib", "../../../strategies"].map((folder) => new URL(folder, import.meta.url))
  .flatMap(({ protocol, pathname }) => protocol === "file:" ? [decodeURIComponent(pathname)] : []);

/** @returns The flags that running it needs. */
export function permissionsFor({ config, files, envNames }: LoadedConfig): readonly string[] {
  return requiredPermissions(config, files, { envNames, codeFolders: CODE_FOLDERS });
}

/** @returns Flags with the values that are not granted; empty when all is well. */
export async function missingPermissions(loaded: LoadedConfig): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const flag of permissionsFor(loaded)) {
    const [, kind, list] = /^--allow-(\w+)=?(.*)$/s.exec(flag)!;
    if (list === "") {
      if ((await Deno.permissions.query({ name: kind } as Deno.PermissionDescriptor)).state !== "granted") {
        missing.push(flag);
      }
      continue;
    }
    const denied: string[] = [];
    for (const value of list.split(",")) {
      const state = (await Deno.permissions.query(descriptor(kind, value))).state;
      if (state !== "granted") denied.push(value);
    }
    if (denied.length > 0) missing.push(`--allow-${kind}=${denied.join(",")}`);
  }
  return missing;
}

function descriptor(kind: string, value: string): Deno.PermissionDescriptor {
  switch (kind) {
    case "net":
      return { name: "net", host: value };
    case "read":
    case "write":
      return { name: kind, path: value };
    default:
      return { name: "env", variable: value };
  }
}
