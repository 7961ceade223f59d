/** `[upstreams.NAME]`: backends once, weights and sections that have an effect, bounds that fit each other. */

import type { StrategyName } from "../../../strategies/selector.ts";
import { formatAddress } from "../../base/address.ts";
import { BACKEND_ROWS_MAX } from "../../base/backend_table.ts";
import { formatDuration } from "../../base/duration.ts";
import { joinIndex, joinKey } from "../toml/key_path.ts";
import type { BackendAddress, UpstreamConfig } from "../types.ts";
import { type ReadUpstream, toUpstream } from "./upstream_config.ts";
import type { ReadConfig, Validation } from "./validation.ts";

/** Old and new plan hold their backends side by side during a reload. */
const BACKENDS_MAX = BACKEND_ROWS_MAX / 2;

/** Weights below this only say "takes traffic" or "takes none", which every strategy understands. */
const WEIGHT_OF_NOTE = 2;

export function validateUpstreams(read: ReadConfig["upstreams"], validation: Validation): readonly UpstreamConfig[] {
  const upstreams: UpstreamConfig[] = [];
  let count = 0;
  for (const [name, upstream] of read) {
    const path = joinKey("upstreams", name);
    const config = toUpstream(name, upstream, path, validation);
    checkBackends(config, path, validation);
    checkWeights(config, path, validation);
    checkSections(config, path, validation);
    checkBounds(upstream, path, validation);
    upstreams.push(config);
    count += config.backends.length;
  }
  if (count > BACKENDS_MAX) {
    validation.found.issue("upstreams", `must have at most ${BACKENDS_MAX} backends in all, got ${count}`);
  }
  return upstreams;
}

function checkBackends({ backends }: UpstreamConfig, path: string, { found }: Validation): void {
  const addresses = new Map<string, string>();
  const names = new Map<string, string>();
  backends.forEach((backend, index) => {
    const key = joinIndex(`${path}.backends`, index);
    if (found.hasFailed(`${key}.url`)) return;
    const address = originOf(backend.address);
    const twin = addresses.get(address);
    if (twin !== undefined) {
      found.issue(`${key}.url`, `"${backend.url}" is already backends[${twin}]; use weight for a larger share`);
      return;
    }
    addresses.set(address, String(index));
    const namesake = names.get(backend.name);
    if (namesake !== undefined && !found.hasFailed(`${key}.name`)) {
      found.issue(`${key}.name`, `"${backend.name}" is already the name of backends[${namesake}]`);
    }
    names.set(backend.name, String(index));
  });
}

/** Backends of one name differ at most by scheme, which makes them different backends. */
function originOf(address: BackendAddress): string {
  return `${address.tls ? "tls " : ""}${formatAddress(address)}`;
}

function checkWeights(upstream: UpstreamConfig, path: string, { found }: Validation): void {
  const { backends, strategy } = upstream;
  const hasFailed = found.hasFailed(`${path}.strategy`) ||
    backends.some((_, index) => found.hasFailed(`${path}.backends[${index}].weight`));
  if (backends.length === 0 || hasFailed) return;
  if (backends.every(({ weight }) => weight === 0)) {
    found.issue(`${path}.backends`, "every weight is 0; at least one backend must take traffic");
  }
  const deaf = deafToWeights(upstream);
  if (deaf === "") return;
  backends.forEach(({ weight }, index) => {
    const key = `${path}.backends[${index}].weight`;
    if (weight >= WEIGHT_OF_NOTE && found.isSet(key)) found.issue(key, `has no effect with ${deaf}`);
  });
  if (backends.every(({ backup }) => backup)) {
    found.warn(`${path}.backends`, `every backend of strategy "${strategy}" is a backup`);
  }
}

/** @returns The setting that makes weights useless, with what to use instead; "" when they count. */
export function deafToWeights({ strategy, sticky }: Pick<UpstreamConfig, "strategy" | "sticky">): string {
  if (strategy === "round_robin") return `strategy "round_robin"; use "weighted_round_robin"`;
  const isDeafFallback = strategy === "sticky" && sticky.fallback === "round_robin";
  return isDeafFallback ? `sticky.fallback "round_robin"; use "weighted_round_robin"` : "";
}

/** Sections that are written down and do nothing are mistakes. */
function checkSections({ strategy, backends }: UpstreamConfig, path: string, { found }: Validation): void {
  const owned: ReadonlyArray<readonly [section: string, owner: StrategyName]> = [["hash", "hash"], [
    "sticky",
    "sticky",
  ]];
  for (const [section, owner] of owned) {
    const key = `${path}.${section}`;
    if (!found.isSet(key) || strategy === owner || found.hasFailed(`${path}.strategy`)) continue;
    found.issue(key, `has no effect with strategy "${strategy}"; use "${owner}"`);
  }
  const isKnown = !backends.some((_, index) => found.hasFailed(`${path}.backends[${index}].url`));
  const hasTls = backends.some(({ address }) => address.tls);
  if (found.isSet(`${path}.tls`) && !hasTls && isKnown && backends.length > 0) {
    found.issue(`${path}.tls`, `has no effect without an https backend; write "https://" in a url`);
  }
}

function checkBounds(read: ReadUpstream, path: string, validation: Validation): void {
  const { found } = validation;
  const { pool, tls, health, circuit, retry } = read;
  if (tls.cert !== "" && tls.key === "") found.issue(`${path}.tls.key`, "is required with a cert");
  if (tls.key !== "" && tls.cert === "") found.issue(`${path}.tls.cert`, "is required with a key");
  const ordered = orderCheck(path, validation);
  ordered(["pool.min_idle", pool.min_idle], ["pool.max_idle", pool.max_idle], String);
  if (pool.max_connections > 0) {
    ordered(["pool.min_idle", pool.min_idle], ["pool.max_connections", pool.max_connections], String);
    ordered(["pool.max_idle", pool.max_idle], ["pool.max_connections", pool.max_connections], String);
  }
  ordered(["circuit.open", circuit.open], ["circuit.max_open", circuit.max_open], formatDuration);
  ordered(
    ["retry.backoff.initial", retry.backoff.initial],
    ["retry.backoff.max", retry.backoff.max],
    formatDuration,
  );
  if (health === null) return;
  ordered(["health.timeout", health.timeout], ["health.interval", health.interval], formatDuration);
}

type Bound = readonly [key: string, value: number];

/**
 * What the file sets must fit. A default that does not fit under a bound that the file sets gives way to it instead:
 * nobody who lowers `max_connections` should have to lower `max_idle` as well (`toUpstream()` takes the smaller one).
 */
function orderCheck(path: string, { found }: Validation) {
  return ([lower, low]: Bound, [upper, high]: Bound, format: (value: number) => string): void => {
    const key = `${path}.${lower}`;
    if (low <= high || !found.isSet(key) || found.hasFailed(key) || found.hasFailed(`${path}.${upper}`)) return;
    const [most, got] = [found.shown(`${path}.${upper}`, format(high)), found.shown(key, format(low))];
    found.issue(key, `must be at most ${upper}, which is ${most}, got ${got}`);
  };
}
