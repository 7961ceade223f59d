/**
 * Parts of a configuration as flat lists of keys and values, spelled as in the file, for comparing two of them.
 *
 * Works from the names of `Config` (`headBytesMax` is the key `head`, in bytes), so that a section that is new there
 * takes part without being named here. Two spellings of one value ("60s", "1m") are the same value.
 */

import { formatAddress } from "../base/address.ts";
import { formatDuration } from "../base/duration.ts";
import { formatSize } from "../base/size.ts";
import type { BackendAddress, HashConfig, ListenAddress, RetryConfig, StatusRange } from "../config/types.ts";

export interface ConfigValue {
  /** As a file would hold it, durations and sizes without quotes; of a secret, what it is compared by. */
  readonly text: string;
  /** Never to be shown. */
  readonly isSecret: boolean;
}

/** By key, relative to the section: `pool.max_idle`. What is absent, and an empty list, is not in. */
export type ConfigValues = ReadonlyMap<string, ConfigValue>;

export interface ValueChange {
  readonly key: string;
  readonly kind: "added" | "removed" | "changed";
  /** For people: `64 → 32`. */
  readonly detail: string;
}

/** Where a thing is told by its place or its parts, not by a value of its own. */
const SKIPPED: ReadonlySet<string> = new Set(["line"]);
const SECRETS: ReadonlySet<string> = new Set(["token", "secret"]);
/** Tables of header edits: their values may have come from variables that nobody should print. */
const EDITS = /^(?:request_headers|response_headers)\.|^respond\.headers\./;

const TEXT_SHOWN_MAX = 60;

/** @param section Any part of a `Config` that is an object. */
export function valuesOf(section: object): ConfigValues {
  const values = new Map<string, ConfigValue>();
  collect(section, "", values);
  return values;
}

/** In the order of `next`, then what is gone. A section that comes or goes as a whole is one change. */
export function compareValues(running: ConfigValues, next: ConfigValues): readonly ValueChange[] {
  const changes: ValueChange[] = [];
  const grouped = new Set<string>();
  for (const [key, to] of next) {
    const from = running.get(key);
    if (from === undefined) changes.push(...oneSided("added", key, { values: next, other: running, grouped }));
    else if (from.text !== to.text) changes.push({ key, kind: "changed", detail: changed(from, to) });
  }
  for (const key of running.keys()) {
    if (!next.has(key)) changes.push(...oneSided("removed", key, { values: running, other: next, grouped }));
  }
  return changes;
}

interface Side {
  readonly values: ConfigValues;
  readonly other: ConfigValues;
  /** Sections already told of as a whole. */
  readonly grouped: Set<string>;
}

function oneSided(kind: "added" | "removed", key: string, { values, other, grouped }: Side): readonly ValueChange[] {
  const verb = kind === "added" ? "" : "was ";
  const section = key.includes(".") ? key.slice(0, key.indexOf(".")) : "";
  if (section === "" || keysUnder(section, other).length > 0) {
    return [{ key, kind, detail: verb + shown(values.get(key)!) }];
  }
  if (grouped.has(section)) return [];
  grouped.add(section);
  const parts = keysUnder(section, values).map((name) =>
    `${name.slice(section.length + 1)} ${shown(values.get(name)!)}`
  );
  return [{ key: section, kind, detail: verb + parts.join(", ") }];
}

function keysUnder(section: string, values: ConfigValues): string[] {
  return [...values.keys()].filter((name) => name.startsWith(`${section}.`));
}

function changed(from: ConfigValue, to: ConfigValue): string {
  return from.isSecret || to.isSecret ? "changed, secret" : `${cut(from.text)} → ${cut(to.text)}`;
}

function shown({ text, isSecret }: ConfigValue): string {
  return isSecret ? "***" : cut(text);
}

function cut(text: string): string {
  return text.length <= TEXT_SHOWN_MAX ? text : `${text.slice(0, TEXT_SHOWN_MAX - 1)}…`;
}

function collect(section: object, prefix: string, values: Map<string, ConfigValue>): void {
  for (const [name, value] of Object.entries(section)) {
    if (value === null || value === undefined || SKIPPED.has(name)) continue;
    if (name === "address" && ("addressText" in section || "url" in section)) continue; // told by its text
    if (name === "action" || name === "match") collect(actionOf(value), prefix, values);
    else put(`${prefix}${keyOf(name)}`, name, value, values);
  }
}

function put(key: string, name: string, value: unknown, values: Map<string, ConfigValue>): void {
  const set = (text: string, isSecret = SECRETS.has(name) || EDITS.test(key)) => values.set(key, { text, isSecret });
  if (name === "address") return void set(JSON.stringify(formatAddress(value as ListenAddress | BackendAddress)));
  if (name === "hash") return collect(hashOf(value as HashConfig), `${key}.`, values);
  if (name === "on" && key === "retry.on") return void set(retryOn(value as RetryConfig["on"]));
  if (Array.isArray(value)) return void putList(key, value, values);
  if (typeof value === "object" && value !== null) return collect(value, `${key}.`, values);
  if (typeof value === "string" && value.startsWith("-----BEGIN")) return void set(value, true);
  if (typeof value !== "number") return void set(JSON.stringify(value));
  if (/Ms(Max)?$/.test(name)) return void set(formatDuration(value));
  set(/Bytes(Max)?$/.test(name) ? formatSize(value) : String(value));
}

function putList(key: string, list: readonly unknown[], values: Map<string, ConfigValue>): void {
  if (list.length === 0) return;
  if (list.every(isPair)) return collect(Object.fromEntries(list.map(quotedPair)), `${key}.`, values);
  const text = list.every(isRange)
    ? JSON.stringify(rangesText(list))
    : `[${list.map((element) => JSON.stringify(element)).join(", ")}]`;
  values.set(key, { text, isSecret: false });
}

/** `headBytesMax` → `head`, `maxOpenMs` → `max_open`, `certPath` → `cert`. Names of the user's own stay. */
function keyOf(name: string): string {
  if (name === "addressText") return "address";
  if (name.startsWith(OWN)) return name.slice(OWN.length);
  return name.replace(/(?:(?:Bytes|Ms)?Max|Bytes|Ms|Percent|Path)$/, "")
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Marks a name that the user chose, which is no name of `Config`. */
const OWN = "\0";

function quotedPair([name, value]: readonly [string, string]): [string, string] {
  return [OWN + name, value];
}

/** Actions and conditions stand among the route's own keys in the file. */
function actionOf(value: object): object {
  if (!("kind" in value)) {
    const { hosts, ...rest } = value as { hosts?: readonly string[] };
    return { host: hosts, ...rest };
  }
  const { kind, ...parts } = value as { kind: string };
  return kind === "redirect" || kind === "respond" ? { [kind]: parts } : parts;
}

function hashOf({ source, name, fallback }: HashConfig): object {
  return { key: name === "" ? source : `${source}:${name}`, fallback };
}

function retryOn({ connect, reset, timeout, statuses }: RetryConfig["on"]): string {
  const named = Object.entries({ connect, reset, timeout }).filter(([, isOn]) => isOn).map(([name]) => `"${name}"`);
  return `[${[...named, ...statuses].join(", ")}]`;
}

function rangesText(ranges: readonly StatusRange[]): string {
  return ranges.map(({ from, to }) => from === to ? String(from) : `${from}-${to}`).join(",");
}

function isRange(element: unknown): element is StatusRange {
  return typeof element === "object" && element !== null && "from" in element && "to" in element;
}

function isPair(element: unknown): element is readonly [string, string] {
  return Array.isArray(element) && element.length === 2;
}
