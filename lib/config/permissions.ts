/**
 * The exact Deno permissions that a configuration needs, as command-line flags.
 *
 * A Unix socket needs all three of net (as `unix:/path`), read and write (Deno 2.9, listening as well as connecting).
 * The configuration's folder is read as a whole, because watching it is how a replaced file is noticed.
 */

import { formatAddress } from "../base/address.ts";
import { folderOf } from "./paths.ts";
import { needsWorkerThreads } from "./threads.ts";
import type { BackendAddress, Config, ListenAddress } from "./types.ts";

/** `SLUICE_CONFIG` and the defaults that can be moved: some eighty names, all with our own prefix. */
const OWN_VARIABLES = "SLUICE_*";

/** Looked at by the exporter of traces: `OTEL_EXPORTER_OTLP_HEADERS` and others of the OpenTelemetry specification. */
const TRACING_VARIABLES = "OTEL_*";

export interface PermissionOptions {
  /** Variables that the text of the configuration refers to. */
  readonly envNames?: readonly string[];
  /** Where our own code is: Deno loads it anew for each worker thread, and asks for leave then. */
  readonly codeFolders?: readonly string[];
}

/**
 * @param files What `loadConfig()` read.
 * @returns One flag a kind, in the order net, read, write, env; a kind that is not needed is left out.
 */
export function requiredPermissions(
  config: Config,
  files: readonly string[],
  { envNames = [], codeFolders = [] }: PermissionOptions = {},
): readonly string[] {
  const net = new Set<string>();
  const read = new Set<string>();
  const write = new Set<string>();
  const folder = folderOf(config.path);
  read.add(folder);
  const code = needsWorkerThreads(config) ? codeFolders : [];
  for (const file of [...files, ...code]) if (!isInside(folder, file)) read.add(file);
  for (const address of addressesOf(config)) {
    net.add(formatAddress(address));
    if (address.kind !== "unix") continue;
    if (!isInside(folder, address.path)) read.add(address.path);
    write.add(address.path);
  }
  if (config.log.access !== "stdout" && config.log.access !== "off") write.add(config.log.access);
  if (config.tracing !== null) net.add(collectorOf(config.tracing.endpoint));
  const tracingVariables = config.tracing === null ? [] : [TRACING_VARIABLES];
  const env = new Set([OWN_VARIABLES, ...tracingVariables, ...envNames.filter((name) => !name.startsWith("SLUICE_"))]);
  return [flagOf("net", net), flagOf("read", read), flagOf("write", write), flagOf("env", env)].filter(Boolean);
}

function addressesOf({ listeners, admin, upstreams }: Config): ReadonlyArray<ListenAddress | BackendAddress> {
  const ours = listeners.map(({ address }) => address);
  if (admin !== null) ours.push(admin.address);
  return [...ours, ...upstreams.flatMap(({ backends }) => backends.map(({ address }) => address))];
}

/** The host with its port, which a URL leaves out when it is the usual one. */
function collectorOf(endpoint: string): string {
  const { hostname, port, protocol } = new URL(endpoint);
  return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

function isInside(folder: string, path: string): boolean {
  if (folder === ".") return !path.startsWith("/") && !path.startsWith("..");
  return path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/**
 * A comma ends a value and cannot be escaped (Deno 2.9): a file whose path has one is allowed by the folder above it,
 * a socket by the kind as a whole.
 */
function flagOf(kind: string, values: ReadonlySet<string>): string {
  if (values.size === 0) return "";
  const writable = new Set<string>();
  for (const value of values) {
    let text = value;
    while (text.includes(",") && kind !== "net") text = folderOf(text);
    if (text.includes(",")) return `--allow-${kind}`;
    writable.add(text);
  }
  return `--allow-${kind}=${[...writable].join(",")}`;
}
