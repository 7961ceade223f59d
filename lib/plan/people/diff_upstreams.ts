/** Upstreams and backends of two configurations: what comes, what goes, and what the backends that stay keep. */

import { joinIndex, joinKey } from "../../config/toml/key_path.ts";
import type { BackendConfig, Config, UpstreamConfig } from "../../config/types.ts";
import { compareValues, type MaskOf, masksOf, type ValueChange, valuesOf } from "./config_values.ts";
import type { PlanChange, PlanFacts } from "./plan_change.ts";
import { connectionIdentity, healthIdentity, poolIdentity } from "../resources.ts";

/** Names told one by one; of more, how many. */
const NAMED_MAX = 6;
/** What pools and verdicts are made from, beside the backend's own address. */
const POOL_KEYS = /^(?:pool|tls)\.|^(?:pool|tls|timeouts\.connect)$/;
const HEALTH_KEYS = /^(?:health|circuit|tls)\.|^(?:health|tls|slow_start|timeouts\.connect)$/;

interface Pair {
  /** Null: it joins. */
  readonly from: BackendConfig | null;
  readonly to: BackendConfig;
}

/** What the running configuration holds that a reload would find again. */
interface Kept {
  readonly pools: ReadonlySet<string>;
  readonly verdicts: ReadonlySet<string>;
}

export function upstreamChanges(runningConfig: Config, nextConfig: Config, facts: PlanFacts): PlanChange[] {
  const [running, next] = [runningConfig.upstreams, nextConfig.upstreams];
  const masks = { from: placed(runningConfig), to: placed(nextConfig) };
  const kept = {
    pools: new Set(running.flatMap((upstream) => upstream.backends.map((each) => poolIdentity(upstream, each)))),
    verdicts: new Set(running.flatMap((upstream) => upstream.backends.map((each) => healthIdentity(upstream, each)))),
  };
  const gone = new Map(running.map((upstream) => [upstream.name, upstream]));
  const changes: PlanChange[] = [];
  for (const upstream of next) {
    const current = gone.get(upstream.name);
    gone.delete(upstream.name);
    if (current === undefined) changes.push(addedUpstream(upstream, kept));
    else changes.push(...changedUpstream(current, upstream, { kept, facts, masks }));
  }
  for (const upstream of gone.values()) {
    changes.push(change("removed", "upstream", upstream.name, `with ${namesOf(upstream.backends)}`));
    for (const backend of upstream.backends) changes.push(removedBackend(upstream, backend, facts));
  }
  return changes;
}

/** What is masked in an upstream, or in one of its backends. */
type Placed = (upstream: UpstreamConfig, backend?: BackendConfig) => MaskOf;

function placed(config: Config): Placed {
  return (upstream, backend) => {
    const addressKey = joinKey("upstreams", upstream.name);
    const index = backend === undefined ? -1 : upstream.backends.indexOf(backend);
    return masksOf(config, index === -1 ? addressKey : joinIndex(`${addressKey}.backends`, index));
  };
}

function addedUpstream(upstream: UpstreamConfig, kept: Kept): PlanChange {
  const { name, strategy, backends } = upstream;
  const shared = backends.filter((backend) => kept.pools.has(poolIdentity(upstream, backend)));
  const sharing = shared.length === 0 ? "" : `; shares the connections of ${namesOf(shared)} with another upstream`;
  return change("added", "upstream", name, `${strategy} over ${namesOf(backends)}${sharing}`);
}

function changedUpstream(
  current: UpstreamConfig,
  next: UpstreamConfig,
  { kept, facts, masks }: { kept: Kept; facts: PlanFacts; masks: { from: Placed; to: Placed } },
): PlanChange[] {
  const { name } = next;
  const settings = compareValues(
    valuesOf(withoutBackends(current), masks.from(current)),
    valuesOf(withoutBackends(next), masks.to(next)),
  );
  const { pairs, dropped } = paired(current, next);
  const backends: PlanChange[] = [];
  const staying: BackendConfig[] = [];
  for (const { from, to } of pairs) {
    if (from === null) {
      backends.push(change("added", "backend", `${name}/${to.name}`, joinText(next, to)));
      continue;
    }
    const differences = compareValues(
      valuesOf(from, masks.from(current, from)),
      valuesOf(to, masks.to(next, to)),
    );
    const isElsewhere = connectionIdentity(current, from) !== connectionIdentity(next, to) &&
      from.identity !== to.identity;
    if (!isElsewhere) staying.push(to);
    if (differences.length === 0) continue;
    const inFlight = isElsewhere ? facts.inFlight(name, from.name) : 0;
    const consequence = isElsewhere
      ? `another backend: new connections and health${inFlight === 0 ? "" : `, ${inFlight} in flight end on the old`}`
      : consequenceFor(next, to, { kept, settings, differences });
    backends.push({
      ...change("changed", "backend", `${name}/${to.name}`, `${differences.map(valueText).join("; ")}; ${consequence}`),
      inFlight,
    });
  }
  for (const backend of dropped) backends.push(removedBackend(current, backend, facts));
  if (settings.length === 0) return backends;
  const settingLines = settings.map(({ key, kind, detail }) =>
    change(kind, "setting", `upstreams.${name}.${key}`, detail)
  );
  const summary = staying.length === 0
    ? []
    : [change("changed", "upstream", name, fates(next, staying, kept, settings))];
  return [...settingLines, ...summary, ...backends];
}

/** By name; one whose name is new is the same as before when it is at the same place. */
function paired(current: UpstreamConfig, next: UpstreamConfig): { pairs: Pair[]; dropped: readonly BackendConfig[] } {
  const left = new Set(current.backends);
  const byName = new Map(current.backends.map((backend) => [backend.name, backend]));
  for (const { name } of next.backends) {
    const namesake = byName.get(name);
    if (namesake !== undefined) left.delete(namesake);
  }
  const pairs = next.backends.map((to): Pair => {
    const namesake = byName.get(to.name);
    if (namesake !== undefined) return { from: namesake, to };
    const addressKey = JSON.stringify(to.address);
    const renamed = [...left].find(({ address }) => JSON.stringify(address) === addressKey) ?? null;
    if (renamed !== null) left.delete(renamed);
    return { from: renamed, to };
  });
  return { pairs, dropped: [...left] };
}

function joinText({ slowStartMs }: UpstreamConfig, { url, weight, backup }: BackendConfig): string {
  const parts = [url];
  if (weight !== 1) parts.push(`weight ${weight}`);
  if (backup) parts.push("backup");
  if (slowStartMs > 0) parts.push("ramps up");
  return parts.join(", ");
}

function removedBackend(upstream: UpstreamConfig, { name, url }: BackendConfig, facts: PlanFacts): PlanChange {
  const inFlight = facts.inFlight(upstream.name, name);
  const detail = `${url}: no new requests${inFlight === 0 ? "" : `, ${inFlight} in flight end on the old plan`}`;
  return { ...change("removed", "backend", `${upstream.name}/${name}`, detail), inFlight };
}

/** For all backends that stay in an upstream whose settings change: what they keep, and what of theirs is made anew. */
function fates(
  upstream: UpstreamConfig,
  staying: readonly BackendConfig[],
  kept: Kept,
  settings: readonly ValueChange[],
): string {
  const groups = Map.groupBy(
    staying,
    (backend) => consequenceFor(upstream, backend, { kept, settings, differences: [] }),
  );
  return [...groups].map(([fate, backends]) => `${namesOf(backends)}: ${fate}`).join("; ");
}

function consequenceFor(
  upstream: UpstreamConfig,
  backend: BackendConfig,
  causes: { kept: Kept; settings: readonly ValueChange[]; differences: readonly ValueChange[] },
): string {
  const keepsPool = causes.kept.pools.has(poolIdentity(upstream, backend));
  const keepsVerdict = causes.kept.verdicts.has(healthIdentity(upstream, backend));
  if (keepsPool && keepsVerdict) return "keeps connections and health";
  const own = causes.differences.map(({ key }) => key).filter((key) => key === "url" || key === "max_connections");
  const because = (keys: RegExp) => {
    const reasons = [...own, ...causes.settings.map(({ key }) => key).filter((key) => keys.test(key))];
    return reasons.length === 0 ? "" : ` (${reasons.join(", ")})`;
  };
  const ramp = upstream.slowStartMs > 0 ? ", with a ramp" : "";
  const pool = keepsPool ? "keeps connections" : `gets a new pool${because(POOL_KEYS)}`;
  const verdict = keepsVerdict ? "keeps health" : `starts anew in health${ramp}${because(HEALTH_KEYS)}`;
  return `${pool}, ${verdict}`;
}

function withoutBackends({ backends: _backends, name: _name, ...settings }: UpstreamConfig): object {
  return settings;
}

function namesOf(backends: readonly BackendConfig[]): string {
  return backends.length > NAMED_MAX ? `${backends.length} backends` : backends.map(({ name }) => name).join(", ");
}

function valueText({ key, kind, detail }: ValueChange): string {
  return `${key} ${kind === "changed" ? "" : `${kind}: `}${detail}`;
}

function change(
  kind: PlanChange["kind"],
  area: PlanChange["area"],
  name: string,
  detail: string,
): PlanChange {
  return { kind, area, name, detail, inFlight: 0 };
}
