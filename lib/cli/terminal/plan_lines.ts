/** What `sluice plan` prints. Pure. */

import type { ChangeView, PlanView } from "../../admin/views.ts";
import type { Style } from "./style.ts";

export interface PlanLinesOptions {
  readonly next: string;
  /** What it was compared with, in words. */
  readonly against: string;
  readonly style: Style;
}

const AREAS: ReadonlyArray<readonly [area: ChangeView["area"], title: string]> = [
  ["listener", "Listeners"],
  ["route", "Routes"],
  ["upstream", "Upstreams"],
  ["backend", "Backends"],
  ["setting", "Settings"],
];
const MARKS = { added: "+", removed: "-", changed: "~" } as const;
const COLOURS = { added: "green", removed: "red", changed: "yellow" } as const;

export function planLines(view: PlanView, { next, against, style }: PlanLinesOptions): readonly string[] {
  const lines: string[] = [];
  const section = (title: string, entries: readonly string[]) => {
    if (entries.length > 0) lines.push("", style.bold(title), ...entries.map((entry) => `  ${entry}`));
  };
  lines.push(headline(view, next, against));
  section("A reload would refuse it", view.ok ? [] : view.problems.map(style.red));
  for (const [area, title] of AREAS) {
    section(title, view.changes.filter((change) => change.area === area).map((change) => changeLine(change, style)));
  }
  section("Needs a restart", view.restartNeeded.map(style.yellow));
  section("Warnings", view.warnings.map(style.yellow));
  if (view.changes.length > 0) lines.push("", countLine(view.changes));
  return lines;
}

function headline({ ok, changes }: PlanView, next: string, against: string): string {
  if (!ok) return `${next} cannot replace ${against}:`;
  return changes.length === 0 ? `${next} changes nothing in ${against}` : `${next} would change ${against}:`;
}

function changeLine({ kind, name, detail }: ChangeView, style: Style): string {
  const colour = style[COLOURS[kind]];
  return `${colour(`${MARKS[kind]} ${name}`)}: ${detail}`;
}

/** `2 added, 1 changed, 1 removed; 12 exchanges in flight end on the old plan`. */
function countLine(changes: readonly ChangeView[]): string {
  const counts = (["added", "changed", "removed"] as const)
    .map((kind) => [kind, changes.filter((change) => change.kind === kind).length] as const)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  const inFlight = changes.reduce((sum, change) => sum + change.inFlight, 0);
  return counts.join(", ") + (inFlight === 0 ? "" : `; ${inFlight} in flight end on the old plan`);
}
