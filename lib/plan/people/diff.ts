/**
 * What a reload from one configuration to another changes, before it happens: for `sluice plan`. Pure.
 *
 * It compares what the reload compares (identities of pools, health and listeners), so that what it says is
 * what the reload then does. What only the system knows is not in it: whether a port is free, whether a file is there.
 */

import { shownAt, shownList } from "../../config/masks.ts";
import type { Config, ListenerConfig, RouteConfig } from "../../config/types.ts";
import { compareValues, masksOf, type ValueChange, valuesOf } from "./config_values.ts";
import { upstreamChanges } from "./diff_upstreams.ts";
import { listenerIdentity } from "../listener_identity.ts";
import { planWarnings } from "./warnings.ts";
import type { PlanChange, PlanFacts } from "./plan_change.ts";

export interface PlanDiff {
  readonly changes: readonly PlanChange[];
  /** What is valid and probably not meant, beside the warnings of the validation. */
  readonly warnings: readonly string[];
  /** Why the reload would be refused although the file is valid. */
  readonly refusals: readonly string[];
}

export function planDiff(running: Config, next: Config, facts: PlanFacts): PlanDiff {
  const { changes: listeners, refusals } = listenerChanges(running, next);
  const upstreams = upstreamChanges(running, next, facts);
  const routes = routeChanges(running, next, facts);
  return {
    changes: [...settingChanges(running, next), ...listeners, ...upstreams, ...routes],
    warnings: planWarnings(running, next, upstreams),
    refusals,
  };
}

/** Everything that is no list of named things: server, admin, log and whatever else `Config` has. */
function settingChanges(running: Config, next: Config): PlanChange[] {
  return compareValues(
    valuesOf(settingsOf(running), masksOf(running, "")),
    valuesOf(settingsOf(next), masksOf(next, "")),
  )
    .map(({ key, kind, detail }) => ({ kind, area: "setting", name: key, detail, inFlight: 0 }));
}

function settingsOf(config: Config): object {
  const { path: _1, listeners: _2, upstreams: _3, routes: _4, masks: _5, ...settings } = config;
  return settings;
}

function listenerChanges(running: Config, next: Config): { changes: PlanChange[]; refusals: string[] } {
  const changes: PlanChange[] = [];
  const refusals: string[] = [];
  const open = new Map(running.listeners.map((listener) => [listenerIdentity(listener), listener]));
  const report = (kind: PlanChange["kind"], name: string, detail: string) =>
    changes.push({ kind, area: "listener", name, detail, inFlight: 0 });
  const valuesIn = (config: Config, listener: ListenerConfig) =>
    valuesOf(listener, masksOf(config, `listeners[${config.listeners.indexOf(listener)}]`));
  for (const listener of next.listeners) {
    const { name, addressText, engine, tls } = listener;
    const current = open.get(listenerIdentity(listener));
    open.delete(listenerIdentity(listener));
    if (current === undefined) {
      report("added", name, `opens ${addressText}, engine ${engine}${tls === null ? "" : ", TLS"}`);
      continue;
    }
    const differences = compareValues(valuesIn(running, current), valuesIn(next, listener));
    const isRefused = current.engine !== engine || (current.tls === null) !== (tls === null);
    const fate = isRefused ? "" : "; the socket stays open";
    if (differences.length > 0) report("changed", name, `${listed(differences)}${fate}`);
    if (!isRefused) continue;
    refusals.push(
      `listener ${name}: engine and TLS cannot change at ${addressText} while it is open: ` +
        "restart, or use another address",
    );
  }
  for (const { name, addressText } of open.values()) {
    report("removed", name, `closes ${addressText}: no new connections, what is in flight there ends`);
  }
  return { changes, refusals };
}

/** A route without a name of its own is called by what it matches: another match is another route. */
function routeChanges(running: Config, next: Config, { filtersOf }: PlanFacts): PlanChange[] {
  const changes: PlanChange[] = [];
  const gone = new Map(running.routes.map((route) => [route.name, route]));
  const valuesIn = (config: Config, route: RouteConfig) => valuesOf(route, masksOf(config, placeOf(config, route)));
  const filters = (route: RouteConfig) => filtersOf(route).join(", ") || "none";
  const textOf = (route: RouteConfig, config: Config) => {
    const end = filtersOf(route).length === 0 ? "" : `, filters ${filters(route)}`;
    return `${routeText(route, config)}${end}`;
  };
  for (const route of next.routes) {
    const current = gone.get(route.name);
    gone.delete(route.name);
    if (current === undefined) {
      changes.push({ kind: "added", area: "route", name: route.name, detail: textOf(route, next), inFlight: 0 });
      continue;
    }
    const differences = compareValues(valuesIn(running, current), valuesIn(next, route));
    if (differences.length === 0) continue;
    const [before, after] = [filters(current), filters(route)];
    const detail = before === after ? listed(differences) : `${listed(differences)}; filters ${before} → ${after}`;
    changes.push({ kind: "changed", area: "route", name: route.name, detail, inFlight: 0 });
  }
  for (const route of gone.values()) {
    changes.push({ kind: "removed", area: "route", name: route.name, detail: textOf(route, running), inFlight: 0 });
  }
  return changes;
}

function placeOf({ routes }: Config, route: RouteConfig): string {
  return `routes[${routes.indexOf(route)}]`;
}

function routeText(route: RouteConfig, config: Config): string {
  const { match, action } = route;
  const at = placeOf(config, route);
  const methods = shownList(config.masks, `${at}.methods`, match.methods);
  const hosts = shownList(config.masks, `${at}.host`, match.hosts).join(",");
  const path = shownAt(config.masks, `${at}.path`, match.path);
  const pattern = `${methods.length === 0 ? "" : `${methods.join(",")} `}${hosts}${path}`;
  if (action.kind === "upstream") return `${pattern} to upstream ${action.upstream}`;
  return `${pattern}: ${action.kind} ${"status" in action ? action.status : ""}`.trimEnd();
}

function listed(differences: readonly ValueChange[]): string {
  return differences.map(({ key, kind, detail }) => `${key} ${kind === "changed" ? "" : `${kind}: `}${detail}`).join(
    "; ",
  );
}
