/** Text in columns that fit a terminal: columns that matter least go first, then the longest texts are cut. */

import { PLAIN, type Style } from "./style.ts";

export interface Column {
  readonly title: string;
  /** Numbers are set right. */
  readonly isNumber?: boolean;
  /** The highest goes first when there is no room, from 3 on before any text is cut; 0 always stays. */
  readonly expendable?: number;
  /** May be cut to so many characters. */
  readonly cutTo?: number;
}

export interface Cell {
  readonly text: string;
  readonly style?: keyof Style;
}

const GAP = 2;
/** Columns with this value of `expendable`, or a higher one, are left out first. */
const EASILY_MISSED = 3;

/**
 * @param rows A cell a column.
 * @param width Of the terminal; `Infinity` for none.
 * @returns Lines, the titles first.
 */
export function tableLines(
  columns: readonly Column[],
  rows: ReadonlyArray<readonly Cell[]>,
  { width = Infinity, style = PLAIN }: { width?: number; style?: Style } = {},
): readonly string[] {
  const widths = columns.map(({ title }, at) =>
    Math.max(lengthOf(title), ...rows.map((row) => lengthOf(row[at].text)))
  );
  const shown = fitted(columns, widths, width);
  const line = (row: readonly Cell[]) =>
    shown.map((at) => {
      const { text, style: name } = row[at];
      const cut = cutTo(text, widths[at]);
      const space = " ".repeat(widths[at] - lengthOf(cut));
      const styled = name === undefined ? cut : style[name](cut);
      return columns[at].isNumber ? space + styled : styled + space;
    }).join(" ".repeat(GAP)).trimEnd();
  return [line(columns.map(({ title }) => ({ text: title, style: "dim" }))), ...rows.map(line)];
}

/** Cuts to `length` characters, with an ellipsis. */
export function cutTo(text: string, length: number): string {
  return lengthOf(text) <= length ? text : `${[...text].slice(0, Math.max(0, length - 1)).join("")}…`;
}

/**
 * Leaves out what is easily missed, then cuts texts (making `widths` smaller), then leaves out the rest.
 *
 * @returns Indexes of the columns that stay.
 */
function fitted(columns: readonly Column[], widths: number[], width: number): readonly number[] {
  const all = columns.map((_, at) => at);
  const few = cutTexts(leaveOut(all, EASILY_MISSED));
  return leaveOut(few, 1);

  function total(shown: readonly number[]): number {
    return shown.reduce((sum, at) => sum + widths[at] + GAP, -GAP);
  }

  /** Those of at least that rank, the highest first, as long as there is no room. */
  function leaveOut(shown: readonly number[], least: number): readonly number[] {
    const next = shown.reduce((worst, at) => rank(columns[at]) > rank(columns[worst]) ? at : worst, shown[0]);
    if (total(shown) <= width || rank(columns[next]) < least) return shown;
    return leaveOut(shown.filter((at) => at !== next), least);
  }

  function cutTexts(shown: readonly number[]): readonly number[] {
    for (const at of [...shown].reverse()) {
      const excess = total(shown) - width;
      const { cutTo: least } = columns[at];
      if (least === undefined || excess <= 0) continue;
      widths[at] = Math.max(Math.min(widths[at], least), widths[at] - excess);
    }
    return shown;
  }
}

function rank({ expendable = 0 }: Column): number {
  return expendable;
}

function lengthOf(text: string): number {
  return [...text].length;
}
