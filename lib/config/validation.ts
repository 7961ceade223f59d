/** What the checks of all sections share. */

import { type ListenAddress, parseListenAddress } from "../base/address.ts";
import type { Findings } from "./findings.ts";
import type { SCHEMA } from "./schema.ts";
import type { Read } from "./spec.ts";

export type ReadConfig = Read<typeof SCHEMA>;

/** A file that the configuration names. */
export interface FileUse {
  /** Absolute. */
  readonly path: string;
  /** Key that names it. */
  readonly key: string;
  readonly holds: "certificate" | "private key";
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
