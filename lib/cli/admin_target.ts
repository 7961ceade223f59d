/**
 * Where the admin API of the running proxy is, and with which token: from the command line, from the environment, else
 * from the configuration file. The file is only looked at, not validated: it may be broken just now, and the proxy
 * runs on.
 */

import { type BackendAddress, formatAddress, parseBackendUrl, parseListenAddress } from "../base/address.ts";
import { DEFAULTS, envNameOf } from "../config/defaults.ts";
import { parseToml } from "../config/toml/parse.ts";
import { folderOf, resolvePath } from "../config/paths.ts";
import { hostOf } from "../plan/backend_host.ts";
import { readEnv } from "../runtime/reload/load.ts";
import { CONFIG_OPTIONS, configPathOf } from "./command.ts";
import { type OptionSpecs, type ParsedArguments, UsageError, valueOf } from "./options.ts";

/** It could not be done; the message is for the user. Exit status 1. */
export class AdminError extends Error {
  override readonly name = "AdminError";
}

export interface AdminTarget {
  readonly address: BackendAddress;
  /** What to send as `Host`. */
  readonly host: string;
  /** "": none. */
  readonly token: string;
}

export const ADMIN_OPTIONS: OptionSpecs = {
  "--admin": { kind: "value", doc: "address of the admin API" },
  "--token": { kind: "value", doc: "token of the admin API" },
  ...CONFIG_OPTIONS,
};

/** For the help of every command that talks to the admin API. */
export const ADMIN_HELP =
  `  --admin ADDRESS   host:port, unix:/path or a URL; also SLUICE_ADMIN. Default: [admin] of the configuration file
  --token TOKEN     also SLUICE_ADMIN_TOKEN (better: arguments are seen by everybody). Default: that of the file
  --config FILE     where [admin] is looked up; also SLUICE_CONFIG. Default: config.toml`;

const TOKEN_VARIABLE = envNameOf("admin.token");

/** @throws {UsageError} {@link AdminError} */
export async function adminTarget(parsed: ParsedArguments): Promise<AdminTarget> {
  const named = valueOf(parsed, "--admin") ?? (readEnv("SLUICE_ADMIN") || undefined);
  const token = valueOf(parsed, "--token") ?? (readEnv(TOKEN_VARIABLE) || undefined);
  // A token belongs to an address: that of the file is sent to no other, unless the file is named as well.
  const needsFile = named === undefined || (token === undefined && valueOf(parsed, "--config", "-c") !== undefined);
  const file = needsFile ? await readAdminSection(configPathOf(parsed)) : { address: null, token: "" };
  const address = named === undefined ? file.address! : parseAdminAddress(named);
  return { address, host: hostOf(address), token: token ?? file.token };
}

/** What clients connect to: any address of this machine is told by its loopback one. */
export function parseAdminAddress(text: string): BackendAddress {
  try {
    if (/^https?:\/\//i.test(text)) return parseBackendUrl(text.replace(/\/{1,8}$/, ""));
    const address = parseListenAddress(text);
    if (address.kind === "unix") return { ...address, tls: false };
    const wildcards: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
    return { ...address, hostname: wildcards[address.hostname] ?? address.hostname, tls: false };
  } catch (error) {
    throw new UsageError(`--admin ${(error as Error).message}`);
  }
}

async function readAdminSection(path: string): Promise<{ address: BackendAddress | null; token: string }> {
  const hint = `name the address with --admin or SLUICE_ADMIN`;
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound ? "no such file" : (error as Error).message;
    throw new AdminError(`Cannot look up [admin] in ${path}: ${reason}; ${hint}`);
  }
  const whole = parseToml(text, path, readEnv);
  const { value, isBroken } = whole.isBroken ? parseToml(adminPart(text), path, readEnv) : whole;
  if (isBroken || (whole.isBroken && value.admin === undefined)) {
    throw new AdminError(`Cannot look up [admin] in ${path}: it is no TOML (see "sluice check"); ${hint}`);
  }
  const admin = value.admin as { address?: unknown; token?: unknown } | undefined;
  if (typeof admin !== "object" || admin === null) {
    throw new AdminError(
      `${path} has no [admin] section, so that no admin API is served; add one and restart, or ${hint}`,
    );
  }
  const token = typeof admin.token === "string" ? admin.token : "";
  const written = typeof admin.address === "string" ? admin.address : undefined;
  const address = parseAdminAddress(written ?? readEnv(envNameOf("admin.address")) ?? DEFAULTS["admin.address"]);
  if (address.kind === "tcp" && address.port === 0) {
    throw new AdminError(`The system chooses the port of [admin] in ${path}; ${hint}`);
  }
  if (address.kind === "tcp") return { address, token };
  const folder = folderOf(resolvePath(Deno.cwd(), path));
  return { address: { ...address, path: resolvePath(folder, address.path) }, token };
}

/** Where a typing mistake elsewhere has made the file unreadable: from the line `[admin]` to the next table. */
function adminPart(text: string): string {
  const lines = text.split(/\r?\n/);
  const begin = lines.findIndex((line) => /^\s*\[\s*admin\s*\]\s*(#.*)?$/.test(line));
  if (begin < 0) return "";
  const length = lines.slice(begin + 1).findIndex((line) => /^\s*\[/.test(line));
  return lines.slice(begin, length < 0 ? lines.length : begin + 1 + length).join("\n");
}

/** As a person would write it. */
export function targetText({ address }: AdminTarget): string {
  return formatAddress(address);
}
