/** What a reload would do, found out without doing it: loaded, compiled, compared, and let go. */

import type { PlanView } from "../../admin/views.ts";
import { formatIssue } from "../../config/issue.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { redactor } from "../../config/masks.ts";
import type { Config } from "../../config/types.ts";
import { planDiff } from "../../plan/people/diff.ts";
import type { PlanFacts } from "../../plan/people/plan_change.ts";
import { filterNamesOf } from "../../proxy/filters/list.ts";
import { dryCompile } from "./dry_compile.ts";
import { restartNeeded } from "./restart_needed.ts";

export interface PreviewOptions {
  readonly running: Config;
  readonly facts: PlanFacts;
  /** Looks at what only a running process can say of it (permissions), and throws why it would refuse. */
  readonly examine?: (loaded: LoadedConfig) => Promise<void>;
  /** Says what `load` or `examine` threw, one line a problem, for people. */
  readonly problemsOf: (error: unknown) => readonly string[];
}

/** For offline use: nothing is in flight. */
export const NOTHING_RUNS: PlanFacts = { inFlight: () => 0, filtersOf: filterNamesOf };

/** @param load What would be loaded; its errors are the problems of the answer. Never rejects. */
export async function previewReload(
  load: () => Promise<LoadedConfig>,
  { running, facts, examine, problemsOf }: PreviewOptions,
): Promise<PlanView> {
  const redactOld = redactor(running.masks);
  let redact = redactOld;
  try {
    const loaded = await load();
    const redactNew = redactor(loaded.config.masks);
    redact = (text) => redactNew(redactOld(text));
    await dryCompile(loaded.config);
    const { changes, warnings, refusals } = planDiff(running, loaded.config, facts);
    if (refusals.length === 0) await examine?.(loaded);
    return {
      ok: refusals.length === 0,
      problems: refusals.map(redact),
      changes: changes.map((change) => ({ ...change, detail: redact(change.detail) })),
      warnings: [...loaded.warnings.map((issue) => formatIssue(loaded.config.path, issue)), ...warnings].map(redact),
      restartNeeded: restartNeeded(running, loaded.config),
    };
  } catch (error) {
    return { ok: false, problems: problemsOf(error).map(redact), changes: [], warnings: [], restartNeeded: [] };
  }
}
