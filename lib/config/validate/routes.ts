/** `[[routes]]`: one action each, names that exist, templates that the path can fill, edits that framing survives. */

import { nearestName } from "../../base/nearest.ts";
import { compileRedirect } from "../../routing/redirect.ts";
import { compileRewrite } from "../../routing/rewrite.ts";
import { faultOf, withoutPosition } from "../schema/formats.ts";
import { joinIndex, joinKey } from "../toml/key_path.ts";
import { shownList } from "../masks.ts";
import { ACTION_KEYS } from "../schema/route.ts";
import type { HeaderEdits, RouteAction, RouteConfig, TimeoutsConfig } from "../types.ts";
import type { ReadConfig, Validation } from "./validation.ts";

type ReadRoute = ReadConfig["routes"][number];
type ReadEdits = NonNullable<ReadRoute["request_headers"]>;

const REDIRECT_STATUSES: readonly number[] = [301, 302, 303, 307, 308];

/** RFC 9110 §15.3.5, §15.4.5: responses without a body. */
const BODILESS_STATUSES: readonly number[] = [204, 205, 304];

/** Fields that belong to the connection or to framing (RFC 9110 §7.6.1), which is made anew for each message. */
const FRAMING_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What only a request that goes to a backend can use. */
const UPSTREAM_ONLY = ["rewrite", "timeouts", "mirror", "request_headers"] as const;

export function validateRoutes(
  read: ReadConfig["routes"],
  upstreams: readonly string[],
  validation: Validation,
): readonly RouteConfig[] {
  const { found } = validation;
  const names = new Map<string, number>();
  const used = new Set<string>();
  const routes = read.map((route, index) => {
    const path = joinIndex("routes", index);
    const config = toRoute(route, { path, upstreams, validation, index });
    const namesake = names.get(config.name);
    const isNamed = route.name !== null && !found.hasFailed(`${path}.name`);
    if (namesake !== undefined && isNamed) {
      const line = found.lineOf(joinIndex("routes", namesake));
      found.issue(`${path}.name`, `"${config.name}" is already the name of routes[${namesake}] at line ${line}`);
    }
    const name = namesake === undefined || isNamed ? config.name : `${config.name} #${index}`;
    names.set(name, index);
    if (config.action.kind === "upstream") used.add(config.action.upstream);
    for (const part of route.split ?? []) used.add(part.upstream);
    if (route.mirror !== null) used.add(route.mirror);
    return { ...config, name };
  });
  for (const name of upstreams) {
    if (!used.has(name)) found.warn(joinKey("upstreams", name), "no route uses this upstream");
  }
  return routes;
}

interface RouteContext {
  readonly path: string;
  readonly index: number;
  readonly upstreams: readonly string[];
  readonly validation: Validation;
}

function toRoute(read: ReadRoute, context: RouteContext): RouteConfig {
  const { path, validation } = context;
  const match = {
    hosts: read.host,
    path: read.path === null || read.path === "" ? "/*" : read.path,
    methods: read.methods,
    headers: read.headers,
    query: read.query,
  };
  const action = toAction(read, match.path, context);
  checkEffects(read, action, context);
  if (read.rewrite !== null && !validation.found.hasFailed(`${path}.rewrite`)) {
    const template = read.rewrite;
    checkTemplate(`${path}.rewrite`, context, () => compileRewrite(template, match.path));
  }
  return {
    name: read.name ?? defaultName(match, path, validation),
    line: validation.found.lineOf(path),
    match,
    action,
    rewrite: read.rewrite,
    timeouts: toPartialTimeouts(read.timeouts),
    requestHeaders: toEdits(read.request_headers, `${path}.request_headers`, validation),
    responseHeaders: toEdits(read.response_headers, `${path}.response_headers`, validation),
  };
}

function toAction(read: ReadRoute, pathPattern: string, context: RouteContext): RouteAction {
  const { path, validation: { found } } = context;
  const given = ACTION_KEYS.filter((name) => found.isSet(`${path}.${name}`));
  if (given.length === 0) {
    found.issue(path, `must have one of upstream, redirect or respond, got none`);
  }
  for (const name of given.slice(1)) {
    const line = found.lineOf(`${path}.${given[0]}`);
    found.issue(`${path}.${name}`, `must be the only action, but ${given[0]} is set at line ${line}`);
  }
  (read.split ?? []).forEach((part, index) =>
    checkReference(part.upstream, `${joinIndex(`${path}.split`, index)}.upstream`, context)
  );
  if (read.mirror !== null) checkReference(read.mirror, `${path}.mirror`, context);
  if (read.upstream !== null) checkReference(read.upstream, `${path}.upstream`, context);
  if (read.redirect !== null) checkRedirect(read.redirect, pathPattern, context);
  if (read.respond !== null) checkRespond(read.respond, context);
  if (read.redirect !== null) return { kind: "redirect", to: read.redirect.to, status: read.redirect.status };
  if (read.respond !== null) {
    const { status, body, headers } = read.respond;
    return { kind: "respond", status, body, headers };
  }
  return { kind: "upstream", upstream: read.upstream ?? "" };
}

function checkReference(name: string, path: string, { upstreams, validation: { found } }: RouteContext): void {
  if (upstreams.includes(name) || found.hasFailed(path)) return;
  const near = found.isMasked(path) ? "" : nearestName(name, upstreams);
  const hint = near === "" ? "" : `; did you mean "${near}"?`;
  const known = upstreams.length === 0 ? "there are none" : `upstreams: ${upstreams.join(", ")}`;
  found.issue(path, `no upstream named "${found.shown(path, name)}"${hint} (${known})`);
}

function checkRedirect(read: NonNullable<ReadRoute["redirect"]>, pattern: string, context: RouteContext): void {
  const { path, validation: { found } } = context;
  const statusKey = `${path}.redirect.status`;
  if (!REDIRECT_STATUSES.includes(read.status) && !found.hasFailed(statusKey)) {
    found.issue(statusKey, `must be 301, 302, 303, 307 or 308, got ${read.status}`);
  }
  const toKey = `${path}.redirect.to`;
  if (read.to !== "" && !found.hasFailed(toKey)) checkTemplate(toKey, context, () => compileRedirect(read.to, pattern));
}

function checkRespond(read: NonNullable<ReadRoute["respond"]>, { path, validation }: RouteContext): void {
  const { found } = validation;
  if (BODILESS_STATUSES.includes(read.status) && read.body !== "") {
    found.issue(`${path}.respond.body`, `must be empty with status ${read.status}`);
  }
  refuseFraming(read.headers, `${path}.respond.headers`, validation);
}

/** The path has to be good for its templates to be judged. */
function checkTemplate(key: string, { path, validation: { found } }: RouteContext, compile: () => unknown): void {
  if (found.hasFailed(`${path}.path`)) return;
  const fault = faultOf(compile);
  if (fault === "") return;
  // The complaint is about parts of both.
  const isMasked = found.isMasked(key) || found.isMasked(`${path}.path`);
  found.issue(key, isMasked ? `does not fit the path, got ${found.shown(key, "")}` : withoutPosition(fault));
}

function checkEffects(read: ReadRoute, action: RouteAction, { path, validation: { found } }: RouteContext): void {
  if (action.kind === "upstream") return;
  for (const name of UPSTREAM_ONLY) {
    if (read[name] !== null) found.issue(`${path}.${name}`, `has no effect with ${action.kind}; it needs an upstream`);
  }
}

function toEdits(read: ReadEdits | null, path: string, validation: Validation): HeaderEdits {
  if (read === null) return { set: [], add: [], remove: [] };
  const remove = read.remove.map((name) => name.toLowerCase());
  refuseFraming(read.set, `${path}.set`, validation);
  refuseFraming(read.add, `${path}.add`, validation);
  const isRequest = path.endsWith("request_headers");
  for (const [index, name] of remove.entries()) {
    const key = joinIndex(`${path}.remove`, index);
    const shown = validation.found.shown(key, name);
    if (FRAMING_FIELDS.has(name)) validation.found.issue(key, `"${shown}" is made anew for each message`);
    else if (isRequest && name === "host") {
      validation.found.issue(key, `"${shown}" cannot be removed: a request needs one`);
    } else if (read.set.some(([other]) => other === name)) validation.found.issue(key, `"${shown}" is also set`);
  }
  if (isRequest) refuseHost(read, path, validation);
  return { set: read.set, add: read.add, remove };
}

function refuseFraming(fields: ReadEdits["set"], path: string, { found }: Validation): void {
  for (const [name] of fields) {
    if (!FRAMING_FIELDS.has(name)) continue;
    found.issue(writtenKey(path, name, found), `"${name}" is made anew for each message`);
  }
}

function refuseHost(read: ReadEdits, path: string, { found }: Validation): void {
  for (const part of ["set", "add"] as const) {
    if (!read[part].some(([name]) => name === "host")) continue;
    found.issue(writtenKey(`${path}.${part}`, "host", found), `"host" is set by the upstream's host setting`);
  }
}

/** A field's key as the file spells it, as far as the usual spellings go. */
function writtenKey(path: string, name: string, found: Validation["found"]): string {
  const titled = name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
  return found.isSet(joinKey(path, titled)) ? joinKey(path, titled) : joinKey(path, name);
}

function toPartialTimeouts(read: ReadRoute["timeouts"]): Partial<TimeoutsConfig> {
  const timeouts: { -readonly [K in keyof TimeoutsConfig]?: number } = {};
  if (read === null) return timeouts;
  if (read.connect !== null) timeouts.connectMs = read.connect;
  if (read.response !== null) timeouts.responseMs = read.response;
  if (read.idle !== null) timeouts.idleMs = read.idle;
  if (read.total !== null) timeouts.totalMs = read.total;
  if (read.tunnel !== null) timeouts.tunnelMs = read.tunnel;
  return timeouts;
}

/** `GET,POST api.example.com/v1/*`: what a person would call it, with `${NAME}` where it came from the environment. */
function defaultName(match: RouteConfig["match"], path: string, { found }: Validation): string {
  const methods = shownList(found.masks, `${path}.methods`, match.methods);
  const hosts = shownList(found.masks, `${path}.host`, match.hosts);
  return `${methods.length === 0 ? "" : `${methods.join(",")} `}${hosts.join(",")}${
    found.shown(`${path}.path`, match.path)
  }`;
}
