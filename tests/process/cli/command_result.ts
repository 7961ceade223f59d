/** What a command left behind: its exit status, and what it wrote. */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import type { CommandResult } from "../../support/sluice_process.ts";

export interface ExpectedResult {
  readonly code: number;
  readonly stdout: readonly RegExp[];
  readonly stderr: readonly RegExp[];
}

/** A stream that nothing is expected of has to be empty. */
export function assertResult(result: CommandResult, { code, stdout, stderr }: ExpectedResult): void {
  assertEquals(result.code, code, `${result.stdout}\n--- stderr\n${result.stderr}`);
  for (const pattern of stdout) assertMatch(result.stdout, pattern);
  for (const pattern of stderr) assertMatch(result.stderr, pattern);
  assert(stdout.length > 0 || result.stdout === "", result.stdout);
  assert(stderr.length > 0 || result.stderr === "", result.stderr);
}
