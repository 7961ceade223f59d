/** What reading and checking one configuration has found so far. */

import type { ConfigIssue } from "../issue.ts";
import { lineOf } from "../toml/key_path.ts";
import { maskAt, type Masks, withoutUserInfo } from "../masks.ts";
import type { ParsedToml } from "../toml/parse.ts";

export class Findings {
  readonly issues: ConfigIssue[];
  readonly warnings: ConfigIssue[] = [];
  readonly #lines: ReadonlyMap<string, number>;
  readonly #failed: Set<string>;
  readonly masks: Masks;

  constructor(parsed: ParsedToml) {
    this.issues = [...parsed.issues];
    this.masks = parsed.masks;
    this.#lines = parsed.lines;
    this.#failed = new Set(parsed.failed);
  }

  /** Adds an issue; what is read at this path is a stand-in from now on, which later checks leave alone. */
  issue(path: string, message: string): void {
    this.#failed.add(path);
    this.issues.push({ line: this.lineOf(path), key: path, message: withoutUserInfo(message) });
  }

  /** Adds an issue with the value of an environment variable. */
  envIssue(name: string, message: string): void {
    this.issues.push({ line: 0, key: name, message: withoutUserInfo(message) });
  }

  warn(path: string, message: string): void {
    this.warnings.push({ line: this.lineOf(path), key: path, message: withoutUserInfo(message) });
  }

  /** What a message may print for the value of this key: `${NAME}` where it came from the environment. */
  shown(path: string, value: string): string {
    return maskAt(this.masks, path) ?? value;
  }

  /** Whether the value of this key came from the environment, at least in part. */
  isMasked(path: string): boolean {
    return maskAt(this.masks, path) !== undefined;
  }

  /** Whether the value at this path is a stand-in. */
  hasFailed(path: string): boolean {
    return this.#failed.has(path);
  }

  /** Whether the file has this key: then its value is no default. */
  isSet(path: string): boolean {
    return this.#lines.has(path);
  }

  lineOf(path: string): number {
    return lineOf(this.#lines, path);
  }
}
