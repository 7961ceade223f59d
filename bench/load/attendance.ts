/** Who takes part: every contender is asked once. */

import type { Contender } from "./contender.ts";

export class Attendance {
  readonly versions: Record<string, string> = {};
  readonly skipped: Record<string, string> = {};

  async isPresent({ name, availability }: Contender): Promise<boolean> {
    if (!(name in this.versions) && !(name in this.skipped)) {
      const answer = await availability();
      if ("version" in answer) this.versions[name] = answer.version;
      else {
        this.skipped[name] = answer.missing;
        console.error(`${name} is left out: ${answer.missing}`);
      }
    }
    return name in this.versions;
  }
}
