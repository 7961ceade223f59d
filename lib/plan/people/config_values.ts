/**
 * Parts of a configuration as flat lists of keys and values, spelled as in the file, for comparing two of them.
 *
 * Works from the names of `Config` (`headBytesMax` is the key `head`, in bytes), so that a section that is new there
 * takes part without being named here. Two spellings of one value ("60s", "1m") are the same value.
 */

import { formatAddress } from "../../base/address.ts";
import { formatDuration } from "../../base/duration.ts";
import { formatSize } from "../../base/size.ts";
import { maskAt, withoutUserInfo } from "../../config/masks.ts";
import type {
  BackendAddress,
  Config,
  HashConfig,
  ListenAddress,
  RetryConfig,
  StatusRange,
} from "../../config/types.ts";

export interface ConfigValue {
  /** As a file would hold it, durations and sizes without quotes: what it is compared by, never shown. */
  readonly text: string;
  /** For people: `${NAME}` where it came from the environment. */
  readonly shown: string;
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
const SKIPPED: ReadonlySet<string> = new Set(["line", "identity", "gid", "dialTimeoutMs"]);
const SECRETS: ReadonlySet<string> = new Set(["token", "secret"]);
/** Tables of header edits: their values may have come from variables that nobody should print. */
const EDITS = /^(?:request_headers|response_headers)\.|^respond\.headers\./;

const TEXT_SHOWN_MAX = 60;

/** What is shown for a key, relative to the section, instead of its value; undefined: the value may be. */
export type MaskOf = (key: string) => string | undefined;

/** @param path Key path of the section in the file; "" for the root. */
export function masksOf({ masks }: Config, path: string): MaskOf {
  return (key) => maskAt(masks, path === "" ? key : `${path}.${key}`);
}

/** @param section Any part of a `Config` that is an object. */
export function valuesOf(section: object, maskOf: MaskOf): ConfigValues {
  const values: Values = { map: new Map(), maskOf };
  collect(section, "", values);
  return values.map;
}

interface Values {
  readonly map: Map<string, ConfigValue>;
  readonly maskOf: MaskOf;
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
  if (from.isSecret || to.isSecret) return "changed, secret";
  if (from.shown === to.shown) return `changed, ${cut(to.shown)} has another value`;
  return `${cut(from.shown)} → ${cut(to.shown)}`;
}

function shown({ shown, isSecret }: ConfigValue): string {
  return isSecret ? "***" : cut(shown);
}

function cut(text: string): string {
  return text.length <= TEXT_SHOWN_MAX ? text : `${text.slice(0, TEXT_SHOWN_MAX - 1)}…`;
}

function collect(section: object, prefix: string, values: Values): void {
  for (const [name, value] of Object.entries(section)) {
    if (value === null || value === undefined || SKIPPED.has(name)) continue;
    if (name === "address" && ("addressText" in section || "url" in section)) continue; // told by its text
    if (name === "url" && "identity" in section) {
      values.map.set(`${prefix}url`, {
        text: JSON.stringify(section.identity),
        shown: JSON.stringify(value),
        isSecret: false,
      });
      continue;
    }
    if (name === "action" || name === "match") collect(actionOf(value), prefix, values);
    else put(`${prefix}${keyOf(name)}`, name, value, values);
  }
}

function put(key: string, name: string, value: unknown, values: Values): void {
  const set = (text: string, isSecret = SECRETS.has(name) || EDITS.test(key)) =>
    values.map.set(key, { text, shown: maskedText(values.maskOf(key), text), isSecret });
  if (name === "address") return void set(JSON.stringify(formatAddress(value as ListenAddress | BackendAddress)));
  if (name === "hash") return collect(hashOf(value as HashConfig), `${key}.`, values);
  if (name === "on" && key === "retry.on") return void set(retryOn(value as RetryConfig["on"])); // words of our own
  if (Array.isArray(value)) return void putList(key, value, values);
  if (typeof value === "object" && value !== null) return collect(value, `${key}.`, values);
  if (typeof value === "string" && value.startsWith("-----BEGIN")) return void set(value, true);
  if (typeof value !== "number") return void set(JSON.stringify(value));
  if (/Ms(Max)?$/.test(name)) return void set(formatDuration(value));
  set(/Bytes(Max)?$/.test(name) ? formatSize(value) : String(value));
}

function maskedText(mask: string | undefined, text: string): string {
  return mask === undefined ? withoutUserInfo(text) : JSON.stringify(mask);
}

function putList(key: string, list: readonly unknown[], values: Values): void {
  if (list.length === 0) return;
  if (list.every(isPair)) return collect(Object.fromEntries(list.map(quotedPair)), `${key}.`, values);
  if (list.every(isRange)) {
    const text = JSON.stringify(rangesText(list));
    values.map.set(key, { text, shown: maskedText(values.maskOf(key), text), isSecret: false });
    return;
  }
  const texts = list.map((element) => JSON.stringify(element));
  const shown = texts.map((text, index) => maskedText(values.maskOf(`${key}[${index}]`) ?? values.maskOf(key), text));
  values.map.set(key, { text: `[${texts.join(", ")}]`, shown: `[${shown.join(", ")}]`, isSecret: false });
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
