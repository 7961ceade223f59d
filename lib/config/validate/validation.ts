/** What the checks of all sections share. */

import { type ListenAddress, parseListenAddress } from "../../base/address.ts";
import type { Findings } from "./findings.ts";
import type { SCHEMA } from "../schema/schema.ts";
import type { Read } from "../schema/spec.ts";
import type { SocketRightsConfig } from "../types.ts";

/** `name:password:number:members` a line. */
export const GROUPS_FILE = "/etc/group";

export type ReadConfig = Read<typeof SCHEMA>;

/** A file that the configuration names. */
export interface FileUse {
  /** Absolute. */
  readonly path: string;
  /** Key that names it. */
  readonly key: string;
  readonly holds: "certificate" | "private key" | "groups";
  /** The group that is looked for in it; else "". */
  readonly group: string;
}

/** Handed from check to check. */
export interface Validation {
  readonly found: Findings;
  readonly files: FileUse[];
  /** Against the folder of the file. */
  readonly resolve: (path: string) => string;
}

/** A socket's path is resolved; a stand-in stays harmless. */
export function listenAddress(text: string, resolve: (path: string) => string): ListenAddress {
  if (text === "") return { kind: "tcp", hostname: "", port: 0 };
  const address = parseListenAddress(text);
  return address.kind === "unix" ? { kind: "unix", path: resolve(address.path) } : address;
}

/** Its number, when it is given by name, comes when the file of groups is read. */
export function socketRights(
  { mode, group }: { readonly mode: string | null; readonly group: string | null },
  { address, path }: { readonly address: ListenAddress; readonly path: string },
  { found, files }: Validation,
): SocketRightsConfig {
  const isNumber = group !== null && /^\d+$/.test(group);
  for (const key of ["mode", "group"]) {
    const isLost = found.isSet(`${path}.${key}`) && address.kind !== "unix" && !found.hasFailed(`${path}.address`);
    if (isLost) found.issue(`${path}.${key}`, "has no effect on a TCP address; only a Unix socket has rights");
  }
  if (group !== null && group !== "" && !isNumber && address.kind === "unix") {
    files.push({ path: GROUPS_FILE, key: `${path}.group`, holds: "groups", group });
  }
  return {
    mode,
    group: group === null ? null : found.shown(`${path}.group`, group),
    gid: isNumber ? Number(group) : -1,
  };
}
