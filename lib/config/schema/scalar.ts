/** Single values: from what TOML or an environment variable gives to milliseconds, bytes, numbers and checked texts. */

import { parseDuration } from "../../base/duration.ts";
import { nearestName } from "../../base/nearest.ts";
import { parseSize } from "../../base/size.ts";
import { type Format, FORMATS } from "./formats.ts";
import type { ChoiceSpec, DurationSpec, FlagSpec, NumberSpec, SizeSpec, TextSpec, ValueSpec } from "./spec.ts";

export type ScalarSpec = TextSpec | FlagSpec | NumberSpec | DurationSpec | SizeSpec | ChoiceSpec;
export type Scalar = string | number | boolean;

export interface ScalarReading {
  /** A stand-in of the right type when there is a fault. */
  readonly value: Scalar;
  /** "" when there is none. */
  readonly fault: string;
}

export function isScalar(spec: ValueSpec): spec is ScalarSpec {
  return spec.kind !== "list" && spec.kind !== "pairs" && spec.kind !== "table" && spec.kind !== "named";
}

export function readScalar(spec: ScalarSpec, raw: unknown): ScalarReading {
  switch (spec.kind) {
    case "text":
      return readText(spec, raw);
    case "flag":
      return typeof raw === "boolean" ? good(raw) : bad(false, `must be true or false, got ${describe(raw)}`);
    case "number":
      return readNumber(spec, raw);
    case "duration":
      return readMeasure(spec, raw, parseDuration, `a duration such as "250ms", "2s" or "1m30s"`);
    case "size":
      return readMeasure(spec, raw, parseSize, `a size such as "64KiB", "1MiB" or "10MB"`);
    case "choice":
      return readChoice(spec, raw);
  }
}

/** Gives the text of an environment variable the type that the same text without quotes would have in the file. */
export function scalarOfText(spec: ScalarSpec, text: string): Scalar {
  if (spec.kind === "flag" && (text === "true" || text === "false")) return text === "true";
  if (spec.kind === "number" && /^[+-]?\d+(?:\.\d+)?$/.test(text)) return Number(text);
  return text;
}

/** What a value is, for "got …". */
export function describe(raw: unknown): string {
  if (typeof raw === "string") return JSON.stringify(raw.length > 80 ? `${raw.slice(0, 79)}…` : raw);
  if (raw instanceof Date) return "a date";
  if (Array.isArray(raw)) return "a list";
  if (typeof raw === "object" && raw !== null) return "a table";
  return String(raw);
}

/**
 * The fault of a value that must not be shown. Made from the description alone; of the value it tells no more than which
 * of a few usual mistakes it has.
 */
export function maskedFault(spec: ScalarSpec, raw: unknown): string {
  switch (spec.kind) {
    case "text":
      return maskedTextFault(FORMATS[spec.format], raw);
    case "flag":
      return "must be true or false";
    case "number":
      return `must be ${numberWords(spec)}`;
    case "duration":
    case "size":
      return `must be a ${spec.kind} from "${spec.min}" to "${spec.max}"`;
    case "choice":
      return `must be ${choiceWords(spec)}`;
  }
}

function maskedTextFault({ wanted }: Format, raw: unknown): string {
  if (typeof raw !== "string") return `must be ${wanted} in quotes`;
  if (/[\r\n]/.test(raw)) return "must not hold line breaks";
  if (raw === "") return `must be ${wanted}, and is empty`;
  return raw === raw.trim() ? `must be ${wanted}` : `must be ${wanted} without outer spaces`;
}

function readText(spec: TextSpec, raw: unknown): ScalarReading {
  const text = spec.takesNumber && typeof raw === "number" && Number.isSafeInteger(raw) ? String(raw) : raw;
  const format: Format = FORMATS[spec.format];
  if (typeof text !== "string") return bad("", `must be ${format.wanted} in quotes, got ${describe(raw)}`);
  const fault = format.check(text);
  return fault === "" ? good(text) : bad("", fault);
}

function readNumber(spec: NumberSpec, raw: unknown): ScalarReading {
  if (spec.word !== "" && raw === spec.word) return good(0);
  const isGood = typeof raw === "number" && raw >= spec.min && raw <= spec.max &&
    (!spec.isWhole || Number.isInteger(raw));
  if (isGood) return good(raw);
  const got = typeof raw === "string" ? `the text ${describe(raw)}` : describe(raw);
  return bad(spec.min, `must be ${numberWords(spec)}, got ${got}`);
}

function numberWords({ isWhole, min, max, word }: NumberSpec): string {
  return `${isWhole ? "a whole number" : "a number"} from ${min} to ${max}${word === "" ? "" : ` or "${word}"`}`;
}

function readMeasure(
  spec: DurationSpec | SizeSpec,
  raw: unknown,
  parse: (text: string) => number,
  wanted: string,
): ScalarReading {
  if (typeof raw !== "string") {
    const got = typeof raw === "number" ? `${raw} without a unit` : describe(raw);
    return bad(0, `must be ${wanted}, got ${got}`);
  }
  let value: number;
  try {
    value = parse(raw);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return bad(0, error.message);
  }
  if (value >= parse(spec.min) && value <= parse(spec.max)) return good(value);
  return bad(parse(spec.min), `must be from "${spec.min}" to "${spec.max}", got "${raw}"`);
}

function readChoice(spec: ChoiceSpec, raw: unknown): ScalarReading {
  const one = choiceWords(spec);
  if (typeof raw !== "string") return bad(spec.values[0], `must be ${one}, got ${describe(raw)}`);
  if (spec.values.includes(raw)) return good(raw);
  const near = nearestName(raw, spec.values);
  const hint = near === "" ? `use ${one}` : `did you mean "${near}"?`;
  return bad(spec.values[0], `unknown ${spec.noun} ${describe(raw)}; ${hint}`);
}

function choiceWords({ values }: ChoiceSpec): string {
  const quoted = values.map((value) => `"${value}"`);
  return `${quoted.slice(0, -1).join(", ")} or ${quoted[quoted.length - 1]}`;
}

function good(value: Scalar): ScalarReading {
  return { value, fault: "" };
}

function bad(value: Scalar, fault: string): ScalarReading {
  return { value, fault };
}
