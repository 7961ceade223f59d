/**
 * The language in which `schema.ts` describes the configuration: kinds of values and of keys. Validation, JSON schema,
 * effective print-out and reference all read that one description; `Read<S>` gives its result a type.
 */

import type { DefaultName } from "../defaults.ts";
import type { FormatName } from "./formats.ts";

/** A string; what it may hold is for the format to say. */
export interface TextSpec {
  readonly kind: "text";
  readonly format: FormatName;
  /** A whole number is taken as its digits (`on = ["reset", 502]`). */
  readonly takesNumber: boolean;
  /** Made to be shown, in logs and metrics: never holds what a variable does. */
  readonly isShown?: boolean;
}

export interface FlagSpec {
  readonly kind: "flag";
}

/** A number; `isWhole` excludes fractions. Bounds are inclusive. */
export interface NumberSpec {
  readonly kind: "number";
  readonly isWhole: boolean;
  readonly min: number;
  readonly max: number;
  /** A word that stands for a number that the validator knows; "" for none. It reads as 0. */
  readonly word: string;
}

/** Read as milliseconds; bounds as they are written. */
export interface DurationSpec {
  readonly kind: "duration";
  readonly min: string;
  readonly max: string;
}

/** Read as bytes; bounds as they are written. */
export interface SizeSpec {
  readonly kind: "size";
  readonly min: string;
  readonly max: string;
}

export interface ChoiceSpec<V extends string = string> {
  readonly kind: "choice";
  /** What is chosen, for messages: `unknown strategy "…"`. */
  readonly noun: string;
  readonly values: readonly V[];
}

export interface ListSpec<E extends ValueSpec = ValueSpec> {
  readonly kind: "list";
  readonly of: E;
  readonly lengthMin: number;
  /** One value may stand without brackets. */
  readonly takesOne: boolean;
  /** An element that repeats an earlier one is an issue. */
  readonly isSet: boolean;
}

/** A table with keys of the user's choice and texts as values; read as pairs in the order of the file. */
export interface PairsSpec {
  readonly kind: "pairs";
  readonly names: FormatName;
  readonly values: FormatName;
}

export interface TableSpec<K extends KeySpecs = KeySpecs> {
  readonly kind: "table";
  readonly keys: K;
}

/** Tables under names of the user's choice: `[upstreams.NAME]`. */
export interface NamedSpec<T extends TableSpec = TableSpec> {
  readonly kind: "named";
  readonly names: FormatName;
  readonly of: T;
}

export type ValueSpec =
  | TextSpec
  | FlagSpec
  | NumberSpec
  | DurationSpec
  | SizeSpec
  | ChoiceSpec
  | ListSpec
  | PairsSpec
  | TableSpec
  | NamedSpec;

export type KeySpecs = Readonly<Record<string, KeySpec>>;

/**
 * What becomes of a key that is absent: `default` takes the named default (a table: those of its keys), `required` is
 * an issue, `optional` reads as null, `empty` as an empty list or table.
 */
export type Presence = "default" | "required" | "optional" | "empty";

export interface KeySpec<S extends ValueSpec = ValueSpec, P extends Presence = Presence> {
  readonly spec: S;
  readonly presence: P;
  /** "" when there is none. */
  readonly default: DefaultName | "";
  /** For the reference and editors: one sentence or less. */
  readonly doc: string;
  /** Never printed. */
  readonly isSecret: boolean;
  /** Only the wire engine can hold to it. */
  readonly isWireOnly: boolean;
}

/** What reading a value gives. Lists of texts and the like are read-only; pairs keep the file's order. */
export type Read<S extends ValueSpec> = S extends TextSpec ? string
  : S extends FlagSpec ? boolean
  : S extends NumberSpec | DurationSpec | SizeSpec ? number
  : S extends ChoiceSpec<infer V> ? V
  : S extends ListSpec<infer E> ? readonly Read<E>[]
  : S extends PairsSpec ? ReadonlyArray<readonly [name: string, value: string]>
  : S extends TableSpec<infer K> ? ReadTable<K>
  : S extends NamedSpec<infer T> ? ReadonlyMap<string, Read<T>>
  : never;

export type ReadTable<K extends KeySpecs> = { readonly [P in keyof K]: ReadKey<K[P]> };

type ReadKey<K extends KeySpec> = K extends KeySpec<infer S, infer P> ? Read<S> | (P extends "optional" ? null : never)
  : never;

// Kinds of values.

export function text(format: FormatName): TextSpec {
  return { kind: "text", format, takesNumber: false };
}

/** What a thing is called in logs, metrics and views. */
export function displayName(): TextSpec {
  return { kind: "text", format: "display_name", takesNumber: false, isShown: true };
}

export function flag(): FlagSpec {
  return { kind: "flag" };
}

export function whole(min: number, max: number): NumberSpec {
  return { kind: "number", isWhole: true, min, max, word: "" };
}

export function fraction(min: number, max: number): NumberSpec {
  return { kind: "number", isWhole: false, min, max, word: "" };
}

export function duration(min: string, max: string): DurationSpec {
  return { kind: "duration", min, max };
}

export function size(min: string, max: string): SizeSpec {
  return { kind: "size", min, max };
}

export function choice<const T extends readonly string[]>(noun: string, values: T): ChoiceSpec<T[number]> {
  return { kind: "choice", noun, values };
}

export function list<E extends ValueSpec>(of: E, options: Partial<Omit<ListSpec, "kind" | "of">> = {}): ListSpec<E> {
  return { kind: "list", of, lengthMin: 0, takesOne: false, isSet: true, ...options };
}

export function pairs(names: FormatName, values: FormatName): PairsSpec {
  return { kind: "pairs", names, values };
}

export function table<K extends KeySpecs>(keys: K): TableSpec<K> {
  return { kind: "table", keys };
}

export function named<T extends TableSpec>(names: FormatName, of: T): NamedSpec<T> {
  return { kind: "named", names, of };
}

// Kinds of keys.

interface KeyOptions {
  readonly isSecret?: boolean;
  readonly isWireOnly?: boolean;
}

export function withDefault<S extends ValueSpec>(
  name: DefaultName,
  spec: S,
  doc: string,
  options: KeyOptions = {},
): KeySpec<S, "default"> {
  return key(spec, "default", doc, { ...options, default: name });
}

/** A table whose keys all have defaults, so that it is always there. */
export function section<T extends TableSpec>(spec: T, doc: string): KeySpec<T, "default"> {
  return key(spec, "default", doc);
}

export function required<S extends ValueSpec>(spec: S, doc: string): KeySpec<S, "required"> {
  return key(spec, "required", doc);
}

export function optional<S extends ValueSpec>(spec: S, doc: string, options: KeyOptions = {}): KeySpec<S, "optional"> {
  return key(spec, "optional", doc, options);
}

export function orEmpty<S extends ListSpec | PairsSpec | NamedSpec>(spec: S, doc: string): KeySpec<S, "empty"> {
  return key(spec, "empty", doc);
}

function key<S extends ValueSpec, P extends Presence>(
  spec: S,
  presence: P,
  doc: string,
  options: KeyOptions & { readonly default?: DefaultName } = {},
): KeySpec<S, P> {
  return { spec, presence, default: "", doc, isSecret: false, isWireOnly: false, ...options };
}
