/**
 * From values to `Config`: fills defaults, resolves names and paths, checks what depends on more than one key, and
 * reports every problem at once. After it nobody checks a type or fills a default.
 */

import { isLoopback } from "../../base/address.ts";
import { installDefaults } from "../schema/env_defaults.ts";
import { Findings } from "./findings.ts";
import type { Environment } from "../toml/interpolate.ts";
import { ConfigError, type ConfigIssue } from "../issue.ts";
import { joinIndex, joinKey } from "../toml/key_path.ts";
import type { ParsedToml } from "../toml/parse.ts";
import { folderOf, resolvePath } from "../paths.ts";
import { Reader, type Setting } from "./read.ts";
import { SCHEMA } from "../schema/schema.ts";
import type {
  AdminConfig,
  Config,
  LogConfig,
  RouteConfig,
  ServerConfig,
  TracingConfig,
  UpstreamConfig,
} from "../types.ts";
import { UNSUPPORTED } from "../schema/unsupported.ts";
import { type FileUse, listenAddress, type ReadConfig, socketRights, type Validation } from "./validation.ts";
import { validateListeners } from "./listeners.ts";
import { validateRoutes } from "./routes.ts";
import { validateUpstreams } from "./upstreams.ts";

export interface ValidateOptions {
  /** Read for `SLUICE_*`. */
  readonly env: Environment;
  /** Absolute path of the file, against whose folder paths in it are resolved. Default: the path of the text. */
  readonly path?: string;
  /** What `workers = "auto"` means. */
  readonly cores?: number;
  /** See `unsupported.ts`. */
  readonly unsupported?: ReadonlySet<string>;
}

export interface Examined {
  /** With stand-ins where there are issues. `tls` of upstreams holds paths, not yet contents. */
  readonly config: Config;
  readonly found: Findings;
  readonly files: readonly FileUse[];
  readonly settings: readonly Setting[];
}

export interface Validated {
  readonly config: Config;
  readonly warnings: readonly ConfigIssue[];
}

/**
 * Reads no file, so that `tls` of upstreams holds paths where `loadConfig()` puts contents.
 *
 * @throws {ConfigError} With every problem of text, environment and values.
 */
export function validate(parsed: ParsedToml, options: ValidateOptions): Validated {
  const { config, found } = examine(parsed, options);
  if (found.issues.length > 0) throw new ConfigError(parsed.path, found.issues);
  return { config, warnings: found.warnings };
}

/** `validate()` for a caller that has more to find out before it throws. */
export function examine(parsed: ParsedToml, options: ValidateOptions): Examined {
  const found = new Findings(parsed);
  const unsupported = options.unsupported ?? UNSUPPORTED;
  const defaults = installDefaults(options.env, unsupported, found);
  const reader = new Reader(parsed, found, { defaults, unsupported });
  const read = reader.read(SCHEMA);
  const path = options.path ?? parsed.path;
  const files: FileUse[] = [];
  const validation: Validation = { found, files, resolve: (text) => resolvePath(folderOf(path), text) };
  const upstreams = validateUpstreams(read.upstreams, validation);
  const routes = validateRoutes(read.routes, upstreams.map(({ name }) => name), validation);
  const config: Config = {
    path,
    server: validateServer(read.server, validation, options.cores ?? 1),
    admin: read.admin === null ? null : validateAdmin(read.admin, validation),
    listeners: validateListeners(read, validation),
    upstreams: upstreams.map((upstream) => withDialTimeout(upstream, routes)),
    routes,
    features: {
      pipelining: read.features.pipelining,
      prewarm: read.features.prewarm,
      fastPath: read.features.fast_path,
    },
    log: validateLog(read.log, validation),
    tracing: read.tracing === null ? null : validateTracing(read.tracing, validation),
    masks: parsed.masks,
  };
  warnOfSecureCookies(config, found);
  return { config, found, files, settings: reader.settings };
}

/** Browsers send a cookie that is `Secure` over TLS alone: to us, or to a proxy that tells us so. */
function warnOfSecureCookies({ listeners, server, upstreams }: Config, found: Findings): void {
  if (server.trustedProxies.length > 0 || listeners.some(({ tls }) => tls !== null)) return;
  for (const { name, strategy, sticky } of upstreams) {
    if (strategy !== "sticky" || sticky.sameSite !== "none") continue;
    found.warn(
      `${joinKey("upstreams", name)}.sticky.same_site`,
      `"none" makes the cookie Secure, and no client comes over TLS: no listener has "tls", and "server.trusted_proxies" is empty`,
    );
  }
}

function withDialTimeout(upstream: UpstreamConfig, routes: readonly RouteConfig[]): UpstreamConfig {
  const overrides = routes
    .filter(({ action }) => action.kind === "upstream" && action.upstream === upstream.name)
    .map(({ timeouts }) => timeouts.connectMs ?? 0);
  return { ...upstream, dialTimeoutMs: Math.max(upstream.timeouts.connectMs, ...overrides) };
}

function validateServer(read: ReadConfig["server"], { found }: Validation, cores: number): ServerConfig {
  const path = "server.trusted_proxies";
  for (const [index, cidr] of read.trusted_proxies.entries()) {
    if (!/\/0+$/.test(cidr)) continue;
    found.warn(path, `"${found.shown(joinIndex(path, index), cidr)}" lets every client forge its address`);
  }
  return {
    workers: read.workers === 0 ? cores : read.workers,
    drainMs: read.drain,
    reloadQuietMs: read.reload_quiet,
    trustedProxies: read.trusted_proxies,
    forwarded: read.forwarded,
    underscores: read.underscores,
  };
}

function validateAdmin(read: NonNullable<ReadConfig["admin"]>, validation: Validation): AdminConfig {
  const { found, resolve } = validation;
  const address = listenAddress(read.address, resolve);
  const isOpen = read.token === "" && !isLoopback(address);
  if (isOpen && !found.hasFailed("admin.address") && !found.hasFailed("admin.token")) {
    found.issue(
      "admin.token",
      `is required, as "${found.shown("admin.address", read.address)}" can be reached from other machines`,
    );
  }
  return { address, ...socketRights(read, { address, path: "admin" }, validation), token: read.token };
}

function validateLog(read: ReadConfig["log"], { resolve }: Validation): LogConfig {
  const isFile = read.access !== "stdout" && read.access !== "off" && read.access !== "";
  return { level: read.level, access: isFile ? resolve(read.access) : read.access, format: read.format };
}

function validateTracing(read: NonNullable<ReadConfig["tracing"]>, { found }: Validation): TracingConfig {
  if (!found.hasFailed("tracing.endpoint") && new URL(read.endpoint).pathname === "/") {
    found.warn("tracing.endpoint", `has no path; collectors take traces at "/v1/traces"`);
  }
  return { endpoint: read.endpoint, sample: read.sample, service: read.service };
}
