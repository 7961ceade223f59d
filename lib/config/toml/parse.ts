/**
 * Text to values, with the line of every key. Knows TOML and `${NAME}`, and nothing about what the keys mean.
 */

import { parse as parseTomlText } from "@std/toml";
import { type AllowedNames, type Environment, interpolate, type Interpolation } from "./interpolate.ts";
import type { ConfigIssue } from "../issue.ts";
import { joinIndex, joinKey, lineOf } from "./key_path.ts";
import { foldPath, type Masks } from "../masks.ts";
import { scanToml } from "./scan.ts";

export interface ParsedToml {
  /** As given. */
  readonly path: string;
  /** The root table; empty when the text is no TOML. */
  readonly value: Readonly<Record<string, unknown>>;
  /** From key path to line. A path that is missing is not in the file. */
  readonly lines: ReadonlyMap<string, number>;
  readonly issues: readonly ConfigIssue[];
  /** The text is no TOML, so that nothing can be said about what it lacks. */
  readonly isBroken: boolean;
  /** Key paths whose value could not be completed; an issue says why. */
  readonly failed: ReadonlySet<string>;
  /** What holds the content of an environment variable. */
  readonly masks: Masks;
  /** Environment variables that were read. */
  readonly envNames: readonly string[];
}

/** Never throws: what is wrong is in `issues`. */
export function parseToml(
  text: string,
  path: string,
  env: Environment = () => undefined,
  allowed: AllowedNames = null,
): ParsedToml {
  const bare = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const scan = scanToml(bare);
  const issues: ConfigIssue[] = [...scan.clashes];
  if (scan.fault !== null) issues.push({ line: scan.fault.line, key: "", message: scan.fault.message });
  let value: Record<string, unknown> = {};
  let isBroken = scan.fault !== null;
  if (!isBroken) {
    try {
      value = parseTomlText(bare) as Record<string, unknown>;
    } catch (error) {
      isBroken = true;
      // After a clash the parser's complaint is about the same clash, in other words.
      if (issues.length === 0) issues.push(syntaxIssue(error));
    }
  }
  const interpolator = new Interpolator(scan.lines, (written) => interpolate(written, env, allowed), issues);
  return {
    path,
    value: interpolator.table("", value),
    lines: scan.lines,
    issues,
    isBroken,
    failed: interpolator.failed,
    masks: interpolator.masks(),
    envNames: [...interpolator.names],
  };
}

/** Copies a tree of values, with the strings completed. */
class Interpolator {
  readonly failed = new Set<string>();
  readonly #shown = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  readonly #contents = new Map<string, string>();
  readonly names = new Set<string>();
  readonly #lines: ReadonlyMap<string, number>;
  readonly #complete: (text: string) => Interpolation;
  readonly #issues: ConfigIssue[];

  constructor(lines: ReadonlyMap<string, number>, complete: (text: string) => Interpolation, issues: ConfigIssue[]) {
    this.#lines = lines;
    this.#complete = complete;
    this.#issues = issues;
  }

  masks(): Masks {
    return { shown: this.#shown, texts: [...this.#texts], contents: [...this.#contents] };
  }

  table(path: string, table: object): Record<string, unknown> {
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, value] of Object.entries(table)) copy[key] = this.#value(joinKey(path, key), value);
    return copy;
  }

  #value(path: string, value: unknown): unknown {
    if (typeof value === "string") return this.#text(path, value);
    if (Array.isArray(value)) return value.map((element, index) => this.#value(joinIndex(path, index), element));
    if (typeof value === "object" && value !== null && !(value instanceof Date)) return this.table(path, value);
    return value;
  }

  #text(path: string, text: string): string {
    const result = this.#complete(text);
    for (const name of result.names) this.names.add(name);
    if (result.contents.length > 0) {
      this.#shown.set(foldPath(path), result.shown);
      this.#texts.set(result.text, result.shown);
    }
    for (const [name, content] of result.contents) this.#contents.set(content, `\${${name}}`);
    if (result.faults.length > 0) this.failed.add(path);
    for (const message of result.faults) this.#issues.push({ line: lineOf(this.#lines, path), key: path, message });
    return result.text;
  }
}

/** The parser's message, without the position that it repeats. */
function syntaxIssue(error: unknown): ConfigIssue {
  const text = error instanceof Error ? error.message : String(error);
  const match = /^Parse error on line (\d+), column \d+: (.*)$/s.exec(text);
  const message = (match === null ? text : match[2]).split("\n")[0];
  return { line: match === null ? 1 : Number(match[1]), key: "", message: `not valid TOML: ${message}` };
}
