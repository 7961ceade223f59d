/** Text in columns that fit a terminal: columns that matter least go first, then the longest texts are cut. */

import { PLAIN, type Style } from "./style.ts";

export interface Column {
  readonly title: string;
  /** Numbers are set right. */
  readonly isNumber?: boolean;
  /** The highest goes first when there is no room; 0 always stays. */
  readonly expendable?: number;
  /** May be cut to so many characters, once no column is left to leave out. */
  readonly cutTo?: number;
}

export interface Cell {
  readonly text: string;
  readonly style?: keyof Style;
}

const GAP = 2;

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

/** Leaves out columns, then makes `widths` smaller. @returns Indexes of the columns that stay. */
function fitted(columns: readonly Column[], widths: number[], width: number): readonly number[] {
  let shown = columns.map((_, at) => at);
  const total = () => shown.reduce((sum, at) => sum + widths[at] + GAP, -GAP);
  while (total() > width) {
    const least = shown.reduce((worst, at) => rank(columns[at]) > rank(columns[worst]) ? at : worst, shown[0]);
    if (rank(columns[least]) === 0) break;
    shown = shown.filter((at) => at !== least);
  }
  for (const at of [...shown].reverse()) {
    const { cutTo: least } = columns[at];
    const excess = total() - width;
    if (least !== undefined && excess > 0) widths[at] = Math.max(Math.min(widths[at], least), widths[at] - excess);
  }
  return shown;
}

function rank({ expendable = 0 }: Column): number {
  return expendable;
}

function lengthOf(text: string): number {
  return [...text].length;
}
