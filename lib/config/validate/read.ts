/**
 * Reads a tree of unknown values by the description: types, ranges, unknown and missing keys, defaults. Never stops at
 * a problem: a stand-in of the right type takes the value's place, so that everything else is read as well.
 */

import { nearestName } from "../../base/nearest.ts";
import { DEFAULTS } from "../defaults.ts";
import { type InstalledDefaults } from "../schema/env_defaults.ts";
import type { Findings } from "./findings.ts";
import { type Format, FORMATS } from "../schema/formats.ts";
import { joinIndex, joinKey } from "../toml/key_path.ts";
import type { ParsedToml } from "../toml/parse.ts";
import { maskAt, secretMask } from "../masks.ts";
import { describe, isScalar, maskedFault, readScalar, type ScalarSpec } from "../schema/scalar.ts";
import type { KeySpec, ListSpec, NamedSpec, PairsSpec, Read, TableSpec, ValueSpec } from "../schema/spec.ts";

/** One value as it takes effect, for `sluice check --effective`. */
export interface Setting {
  readonly path: string;
  /** As a file would hold it; what is secret or came from a variable is masked. */
  readonly shown: unknown;
  /** `config.toml:14`, `env NAME` or `default`. */
  readonly origin: string;
}

/** Fields whose values are credentials more often than not. */
const CREDENTIALS = /auth|cookie|credential|key|passw|secret|token/i;

export interface ReadOptions {
  readonly defaults: InstalledDefaults;
  /** See `unsupported.ts`. */
  readonly unsupported: ReadonlySet<string>;
}

interface KeyContext {
  readonly path: string;
  readonly schemaPath: string;
  /** Anything but the default is not supported yet. */
  readonly isFrozen: boolean;
  readonly isSecret: boolean;
}

export class Reader {
  readonly settings: Setting[] = [];
  readonly #parsed: ParsedToml;
  readonly #found: Findings;
  readonly #options: ReadOptions;

  constructor(parsed: ParsedToml, found: Findings, options: ReadOptions) {
    this.#parsed = parsed;
    this.#found = found;
    this.#options = options;
  }

  read<T extends TableSpec>(spec: T): Read<T> {
    const root = { path: "", schemaPath: "", isFrozen: false, isSecret: false };
    return this.#table(spec, this.#parsed.value, root) as Read<T>;
  }

  #value(spec: ValueSpec, raw: unknown, context: KeyContext): unknown {
    switch (spec.kind) {
      case "table":
        return this.#table(spec, raw, context);
      case "named":
        return this.#named(spec, raw, context);
      case "list":
        return this.#list(spec, raw, context);
      case "pairs":
        return this.#pairs(spec, raw, context);
      default:
        return this.#scalar(spec, raw, context);
    }
  }

  #table(spec: TableSpec, raw: unknown, context: KeyContext): Record<string, unknown> {
    const given = this.#asTable(raw, context);
    const names = Object.keys(spec.keys);
    for (const name of Object.keys(given)) {
      if (!Object.hasOwn(spec.keys, name)) this.#unknownKey(joinKey(context.path, name), name, names);
    }
    const result: Record<string, unknown> = {};
    for (const name of names) {
      const key = spec.keys[name];
      const path = joinKey(context.path, name);
      const schemaPath = context.schemaPath === "" ? name : `${context.schemaPath}.${name}`;
      const isUnsupported = this.#options.unsupported.has(schemaPath);
      if (isUnsupported && key.presence === "optional" && given[name] !== undefined) {
        this.#found.issue(path, "not supported yet");
      }
      const isFrozen = context.isFrozen || (isUnsupported && key.presence !== "optional");
      result[name] = this.#key(key, given[name], { path, schemaPath, isFrozen, isSecret: key.isSecret });
    }
    return result;
  }

  #key(key: KeySpec, raw: unknown, context: KeyContext): unknown {
    if (raw !== undefined) {
      const isDefault = key.default === "" || JSON.stringify(raw) === JSON.stringify(DEFAULTS[key.default]);
      const value = this.#value(key.spec, raw, context);
      // Reported last: what it says is still read as it is, so that other checks do not complain about a stand-in.
      const isRefused = context.isFrozen && !isDefault && !this.#found.hasFailed(context.path);
      if (isRefused) this.#found.issue(context.path, "not supported yet");
      return value;
    }
    if (key.presence === "optional") return null;
    if (key.presence === "required") {
      const isFailed = this.#found.hasFailed(context.path) || this.#parsed.isBroken;
      if (!isFailed) {
        this.#found.issue(context.path, key.spec.kind === "list" ? "at least one is required" : "is required");
      }
      return standIn(key.spec);
    }
    if (key.spec.kind === "table") return this.#table(key.spec, {}, context);
    if (key.presence === "empty" || key.default === "") return standIn(key.spec);
    return this.#default(key, context);
  }

  #default(key: KeySpec, context: KeyContext): unknown {
    const installed = key.default === "" ? undefined : this.#options.defaults.get(key.default);
    if (installed === undefined) return standIn(key.spec);
    this.#setting(
      context,
      context.isSecret && installed.raw !== "" ? secretMask(undefined) : installed.raw,
      installed.origin,
    );
    return isScalar(key.spec) ? readScalar(key.spec, installed.raw).value : installed.raw;
  }

  #named(spec: NamedSpec, raw: unknown, context: KeyContext): ReadonlyMap<string, unknown> {
    const result = new Map<string, unknown>();
    for (const [name, value] of Object.entries(this.#asTable(raw, context))) {
      const path = joinKey(context.path, name);
      const fault = FORMATS[spec.names].check(name);
      if (fault !== "") this.#found.issue(path, `name ${fault}`);
      result.set(name, this.#table(spec.of, value, { ...context, path, schemaPath: `${context.schemaPath}.*` }));
    }
    return result;
  }

  #list(spec: ListSpec, raw: unknown, context: KeyContext): readonly unknown[] {
    if (!Array.isArray(raw) && !(spec.takesOne && typeof raw === "string")) {
      const wanted = spec.of.kind === "table"
        ? `a list of tables, as [[${context.path}]] makes it`
        : "a list in brackets";
      this.#found.issue(context.path, `must be ${wanted}, got ${this.#described(context, raw)}`);
      return [];
    }
    const elements: unknown[] = Array.isArray(raw) ? raw : [raw];
    if (elements.length < spec.lengthMin) this.#found.issue(context.path, "at least one is required");
    if (isScalar(spec.of)) return this.#scalars(spec, spec.of, elements, context);
    return elements.map((element, index) =>
      this.#value(spec.of, element, {
        ...context,
        path: joinIndex(context.path, index),
        schemaPath: `${context.schemaPath}[]`,
      })
    );
  }

  #scalars(spec: ListSpec, of: ScalarSpec, elements: readonly unknown[], context: KeyContext): readonly unknown[] {
    const values: unknown[] = [];
    const shown: unknown[] = [];
    elements.forEach((element, index) => {
      const path = spec.takesOne && elements.length === 1 && !this.#found.isSet(joinIndex(context.path, 0))
        ? context.path
        : joinIndex(context.path, index);
      if (this.#found.hasFailed(path)) return;
      const { value, fault } = readScalar(of, element);
      if (fault !== "") this.#refuse(of, element, { ...context, path }, fault);
      else if (spec.isSet && values.includes(value)) {
        this.#found.issue(path, `${describe(maskAt(this.#found.masks, path) ?? element)} is listed twice`);
      } else {
        values.push(value);
        shown.push(this.#shown({ ...context, path }, value));
      }
    });
    this.#setting(context, shown, this.#origin(context.path));
    return values;
  }

  #pairs(spec: PairsSpec, raw: unknown, context: KeyContext): ReadonlyArray<readonly [string, string]> {
    const result: Array<readonly [string, string]> = [];
    const names = new Map<string, string>();
    const format: Format = FORMATS[spec.names];
    for (const [name, value] of Object.entries(this.#asTable(raw, context))) {
      const path = joinKey(context.path, name);
      const nameFault = format.check(name);
      // Names of fields are the same in any case; those of parameters are not.
      const folded = spec.names === "field_name" ? name.toLowerCase() : name;
      const twin = names.get(folded);
      names.set(folded, name);
      if (nameFault !== "") this.#found.issue(path, nameFault);
      else if (twin !== undefined) this.#found.issue(path, `is the same header as "${twin}"`);
      else if (!this.#found.hasFailed(path)) {
        const of: ScalarSpec = { kind: "text", format: spec.values, takesNumber: false };
        const isSecret = context.isSecret || CREDENTIALS.test(name);
        const { value: text, fault } = readScalar(of, value);
        if (fault !== "") this.#refuse(of, value, { ...context, path, isSecret }, fault);
        else result.push([folded, text as string]);
        this.#setting({ ...context, path }, this.#shown({ ...context, path, isSecret }, value), this.#origin(path));
      }
    }
    return result;
  }

  #scalar(spec: ScalarSpec, raw: unknown, context: KeyContext): unknown {
    if (this.#found.hasFailed(context.path)) return standIn(spec);
    const { value, fault } = readScalar(spec, raw);
    if (fault !== "") this.#refuse(spec, raw, context, fault);
    const shown = this.#shown(context, raw);
    this.#setting(context, shown, this.#origin(context.path));
    return spec.kind === "text" && spec.isShown && fault === "" ? this.#name(context.path, value as string) : value;
  }

  /** A name is there to be shown, so it may not hold what must not be: it is the name of the variable then. */
  #name(path: string, name: string): string {
    const mask = maskAt(this.#found.masks, path);
    if (mask === undefined) return name;
    this.#found.warn(path, `is shown as "${mask}", as what a variable holds is never shown; write the name here`);
    return mask;
  }

  #refuse(spec: ScalarSpec, raw: unknown, context: KeyContext, fault: string): void {
    const mask = maskAt(this.#found.masks, context.path);
    if (mask === undefined && !context.isSecret) return this.#found.issue(context.path, fault);
    const shown = context.isSecret ? secretMask(mask) : mask;
    const got = mask === undefined || shown !== mask ? "" : `, got ${JSON.stringify(mask)}`;
    this.#found.issue(context.path, maskedFault(spec, raw) + got);
  }

  #described(context: KeyContext, raw: unknown): string {
    return describe(this.#shown(context, raw));
  }

  #shown(context: KeyContext, value: unknown): unknown {
    const mask = maskAt(this.#found.masks, context.path);
    return context.isSecret && value !== "" ? secretMask(mask) : mask ?? value;
  }

  #asTable(raw: unknown, context: KeyContext): Record<string, unknown> {
    if (typeof raw === "object" && raw !== null && !Array.isArray(raw) && !(raw instanceof Date)) {
      return raw as Record<string, unknown>;
    }
    const hint = Array.isArray(raw) ? `; write [${context.path}] once, without doubled brackets` : "";
    this.#found.issue(context.path, `must be a table, got ${this.#described(context, raw)}${hint}`);
    return {};
  }

  #unknownKey(path: string, name: string, known: readonly string[]): void {
    const near = nearestName(name, known);
    const hint = near === "" ? `known here: ${known.join(", ")}` : `did you mean "${near}"?`;
    this.#found.issue(path, `unknown key; ${hint}`);
  }

  #setting({ path }: KeyContext, shown: unknown, origin: string): void {
    this.settings.push({ path, shown, origin });
  }

  #origin(path: string): string {
    return `${this.#parsed.path}:${this.#found.lineOf(path)}`;
  }
}

/** A value of the right type, for what is missing or wrong. */
function standIn(spec: ValueSpec): unknown {
  switch (spec.kind) {
    case "list":
    case "pairs":
      return [];
    case "named":
      return new Map();
    case "table":
      return Object.fromEntries(Object.entries(spec.keys).map(([name, key]) => [name, standIn(key.spec)]));
    default:
      return readScalar(spec, null).value;
  }
}
