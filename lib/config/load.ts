/**
 * A configuration from its file: text, certificates and keys are read through a function that is handed in, everything
 * else is pure.
 */

import { caFault } from "./ca_fault.ts";
import { CONFIG_LENGTH_MAX, PEM_LENGTH_MAX } from "./defaults.ts";
import { effectiveLines, type EffectiveSetting, effectiveSettings } from "./effective.ts";
import type { Findings } from "./validate/findings.ts";
import type { Environment } from "./toml/interpolate.ts";
import { ConfigError, type ConfigIssue, sortIssues } from "./issue.ts";
import { joinIndex } from "./toml/key_path.ts";
import { parseToml } from "./toml/parse.ts";
import { resolvePath } from "./paths.ts";
import type { Config, SocketRightsConfig, UpstreamConfig } from "./types.ts";
import { examine } from "./validate/validate.ts";
import type { FileUse } from "./validate/validation.ts";

export interface LoadOptions {
  readonly env: Environment;
  /** Variables that the text may refer to; default: any. */
  readonly allowedNames?: ReadonlySet<string>;
  /** Rejects when the file cannot be read. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** Absolute; makes a relative path of the file absolute. Without it such a path stays relative, with all it names. */
  readonly cwd?: string;
  /** What `workers = "auto"` means; default 1. */
  readonly cores?: number;
  /** Default: `UNSUPPORTED`. */
  readonly unsupported?: ReadonlySet<string>;
}

/** A text that is given, and not the file of who runs the proxy, names a file that is none of its business. */
export class ForeignFileError extends Error {
  override readonly name = "ForeignFileError";

  constructor() {
    super("is no file of the running configuration, so it may not be read here");
  }
}

export interface LoadedConfig {
  readonly config: Config;
  /** What may be meant, and probably is not. In the order of their lines. */
  readonly warnings: readonly ConfigIssue[];
  /** Every file that was read, the configuration itself first; without repetitions. */
  readonly files: readonly string[];
  /** What those files held, by path, but for the configuration itself. What is made of them is made of this. */
  readonly contents: ReadonlyMap<string, string>;
  /** Variables that the text refers to, for `requiredPermissions()`. */
  readonly envNames: readonly string[];
  /** Each value with where it came from, secrets masked. */
  readonly settings: readonly EffectiveSetting[];
  /** `sluice check --effective`: each value with where it came from, secrets masked. */
  readonly effective: readonly string[];
}

/** @throws {ConfigError} With every problem there is. Nothing else, whatever the files hold. */
export async function loadConfig(path: string, options: LoadOptions): Promise<LoadedConfig> {
  const absolute = resolvePath(options.cwd ?? "", path);
  const parsed = parseToml(
    await readConfigText(path, absolute, options),
    path,
    options.env,
    options.allowedNames ?? null,
  );
  const examined = examine(parsed, { ...options, path: absolute });
  const { config, found, files, settings } = examined;
  const contents = await readUses(files, found, options);
  if (found.issues.length > 0) throw new ConfigError(path, found.issues);
  for (const { key, path: file } of files) {
    const fault = key.endsWith(".tls.ca") ? caFault(contents.get(file) ?? "") : "";
    if (fault !== "") found.warn(key, `"${found.shown(key, file)}" ${fault}`);
  }
  const effective = effectiveSettings(settings);
  return {
    config: withContents(config, files, contents),
    warnings: sortIssues(found.warnings),
    files: [absolute, ...contents.keys()],
    contents,
    envNames: parsed.envNames,
    settings: effective,
    effective: effectiveLines(effective),
  };
}

async function readConfigText(path: string, absolute: string, { readTextFile }: LoadOptions): Promise<string> {
  let text: string;
  try {
    text = await readTextFile(absolute);
  } catch (error) {
    throw new ConfigError(path, [{ line: 0, key: "", message: `cannot be read: ${reasonOf(error)}` }]);
  }
  if (text.length <= CONFIG_LENGTH_MAX) return text;
  const message = `must have at most ${CONFIG_LENGTH_MAX} characters, got ${text.length}`;
  throw new ConfigError(path, [{ line: 0, key: "", message }]);
}

/** @returns Contents by path, in the order of use. A file that several keys name is read once. */
async function readUses(
  uses: readonly FileUse[],
  found: Findings,
  { readTextFile }: LoadOptions,
): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  const failures = new Map<string, unknown>();
  for (const use of uses) {
    if (!contents.has(use.path) && !failures.has(use.path)) {
      try {
        contents.set(use.path, await readTextFile(use.path));
      } catch (error) {
        failures.set(use.path, error);
      }
    }
    const name = use.holds === "groups" ? `"${use.path}"` : `"${found.shown(use.key, use.path)}"`;
    if (failures.has(use.path)) {
      const reason = reasonOf(failures.get(use.path), found.isMasked(use.key));
      found.issue(use.key, `cannot read ${name}: ${reason}`);
      continue;
    }
    const text = contents.get(use.path) ?? "";
    if (use.holds !== "groups") {
      const fault = pemFault(text, use);
      if (fault !== "") found.issue(use.key, `${name} ${fault}`);
    } else if (gidIn(text, use.group) === -1) {
      found.issue(use.key, `no group named "${found.shown(use.key, use.group)}" in ${use.path}; a number needs none`);
    }
  }
  return contents;
}

/** Looks at the wrapping only: whether key and certificate belong together is for the TLS stack. */
function pemFault(text: string, { holds }: FileUse): string {
  if (text.length > PEM_LENGTH_MAX) return `must have at most ${PEM_LENGTH_MAX} characters, got ${text.length}`;
  const label = holds === "certificate" ? "CERTIFICATE" : "(?:(?:RSA|EC) )?PRIVATE KEY";
  const block = new RegExp(`-----BEGIN ${label}-----\\s[A-Za-z0-9+/=\\s]+-----END ${label}-----`);
  if (block.test(text)) return "";
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----/.test(text)) return "holds an encrypted private key; decrypt it first";
  return `holds no ${holds} in PEM form`;
}

/** -1: it has no such group. */
function gidIn(groups: string, group: string): number {
  for (const line of groups.split("\n")) {
    const [name, , number] = line.split(":");
    if (name === group && /^\d+$/.test(number ?? "")) return Number(number);
  }
  return -1;
}

/** Puts what the files hold in the place of their paths. */
function withContents(config: Config, uses: readonly FileUse[], contents: ReadonlyMap<string, string>): Config {
  const withGid = <T extends SocketRightsConfig>(place: T, path: string): T => {
    const use = uses.find(({ key, holds }) => holds === "groups" && key === `${path}.group`);
    return use === undefined ? place : { ...place, gid: gidIn(contents.get(use.path) ?? "", use.group) };
  };
  return {
    ...config,
    admin: config.admin === null ? null : withGid(config.admin, "admin"),
    listeners: config.listeners.map((listener, index) => withGid(listener, joinIndex("listeners", index))),
    upstreams: config.upstreams.map((upstream) => withTlsContents(upstream, contents)),
  };
}

function withTlsContents(upstream: UpstreamConfig, contents: ReadonlyMap<string, string>): UpstreamConfig {
  const { ca, cert, key, serverName } = upstream.tls;
  const contentOf = (path: string) => path === "" ? "" : contents.get(path) ?? "";
  return { ...upstream, tls: { ca: contentOf(ca), cert: contentOf(cert), key: contentOf(key), serverName } };
}

/** The class says enough; the system's message repeats the path, which it must not where that is masked. */
function reasonOf(error: unknown, isMasked = false): string {
  if (!(error instanceof Error)) return String(error);
  switch (error.name) {
    case "NotFound":
      return "no such file";
    case "PermissionDenied":
      return "permission denied";
    case "NotCapable":
      return "not allowed; see `sluice permissions`";
    case ForeignFileError.name:
      return error.message;
    case "IsADirectory":
      return "it is a directory";
    default:
      return isMasked ? error.name : error.message;
  }
}
