/** The defaults of this installation: the built-in ones, moved by `SLUICE_*` variables. */

import { type DefaultName, DEFAULTS, type DefaultValue, envNameOf } from "../defaults.ts";
import type { Findings } from "../validate/findings.ts";
import type { Environment } from "../toml/interpolate.ts";
import { isScalar, maskedFault, readScalar, scalarOfText } from "./scalar.ts";
import { SCHEMA } from "./schema.ts";
import type { KeySpec, TableSpec, ValueSpec } from "./spec.ts";

export interface InstalledDefault {
  /** As a file would hold it. */
  readonly raw: DefaultValue;
  /** "default" or "env NAME". */
  readonly origin: string;
}

export type InstalledDefaults = ReadonlyMap<DefaultName, InstalledDefault>;

/** Reads every variable that can move a default. What it cannot use becomes an issue, and the built-in value stays. */
export function installDefaults(
  env: Environment,
  unsupported: ReadonlySet<string>,
  found: Findings,
): InstalledDefaults {
  const installed = new Map<DefaultName, InstalledDefault>();
  for (const { key, schemaPath, isOptional } of describedKeys(SCHEMA)) {
    if (key.default === "" || installed.has(key.default)) continue;
    const raw: DefaultValue = DEFAULTS[key.default];
    installed.set(key.default, { raw, origin: "default" });
    const name = envNameOf(key.default);
    const text = name === "" ? undefined : env(name);
    if (text === undefined || text === "" || !isScalar(key.spec)) continue;
    const moved = scalarOfText(key.spec, text);
    const { fault } = readScalar(key.spec, moved);
    if (fault !== "") found.envIssue(name, key.isSecret ? maskedFault(key.spec, moved) : fault);
    else if (!isOptional && moved !== raw && isUnder(schemaPath, unsupported)) {
      found.envIssue(name, "not supported yet");
    } else installed.set(key.default, { raw: moved, origin: `env ${name}` });
  }
  return installed;
}

export interface DescribedKey {
  readonly key: KeySpec;
  readonly name: string;
  /** `upstreams.*.backends[].weight`. */
  readonly schemaPath: string;
  /** It stands in a section that may be absent altogether. */
  readonly isOptional: boolean;
}

/** Every key of a table and of what is in it, in the order of the description; a section before its keys. */
export function* describedKeys(spec: TableSpec, parent = "", isOptional = false): Generator<DescribedKey> {
  for (const [name, key] of Object.entries(spec.keys)) {
    const schemaPath = parent === "" ? name : `${parent}.${name}`;
    yield { key, name, schemaPath, isOptional };
    const inner = innerTable(key.spec);
    const isInnerOptional = isOptional || key.presence === "optional";
    if (inner !== null) yield* describedKeys(inner, schemaPath + suffixOf(key.spec), isInnerOptional);
  }
}

/** The table that a value is, or holds many of; null when there is none. */
export function innerTable(spec: ValueSpec): TableSpec | null {
  if (spec.kind === "table") return spec;
  if (spec.kind === "named") return spec.of;
  return spec.kind === "list" && spec.of.kind === "table" ? spec.of : null;
}

/** Whether a path or a section it is in does not work yet. */
export function isUnder(schemaPath: string, sections: ReadonlySet<string>): boolean {
  for (let at = schemaPath.length; at > 0; at = schemaPath.lastIndexOf(".", at - 1)) {
    if (sections.has(schemaPath.slice(0, at))) return true;
  }
  return false;
}

function suffixOf(spec: ValueSpec): string {
  return spec.kind === "list" ? "[]" : spec.kind === "named" ? ".*" : "";
}
