/** What reading and checking one configuration has found so far. */

import type { ConfigIssue } from "./issue.ts";
import { lineOf } from "./key_path.ts";
import type { ParsedToml } from "./parse.ts";

export class Findings {
  readonly issues: ConfigIssue[];
  readonly warnings: ConfigIssue[] = [];
  readonly #lines: ReadonlyMap<string, number>;
  readonly #failed: Set<string>;

  constructor(parsed: ParsedToml) {
    this.issues = [...parsed.issues];
    this.#lines = parsed.lines;
    this.#failed = new Set(parsed.failed);
  }

  /** Adds an issue; what is read at this path is a stand-in from now on, which later checks leave alone. */
  issue(path: string, message: string): void {
    this.#failed.add(path);
    this.issues.push({ line: this.lineOf(path), key: path, message });
  }

  /** Adds an issue with the value of an environment variable. */
  envIssue(name: string, message: string): void {
    this.issues.push({ line: 0, key: name, message });
  }

  warn(path: string, message: string): void {
    this.warnings.push({ line: this.lineOf(path), key: path, message });
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
