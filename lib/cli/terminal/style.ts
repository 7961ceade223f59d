/** Colours, on a terminal only, and never with NO_COLOR (no-color.org) or on a terminal that calls itself dumb. */

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

const plain = (text: string) => text;

export const PLAIN: Style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain };

export const COLOURED: Style = {
  bold: (text) => `\x1b[1m${text}\x1b[22m`,
  dim: (text) => `\x1b[2m${text}\x1b[22m`,
  red: (text) => `\x1b[31m${text}\x1b[39m`,
  green: (text) => `\x1b[32m${text}\x1b[39m`,
  yellow: (text) => `\x1b[33m${text}\x1b[39m`,
};

export interface Output {
  isTerminal(): boolean;
}

/** @param noColor Whether NO_COLOR is set to anything but "". */
export function styleFor(output: Output, noColor: boolean = Deno.noColor, terminal: string = terminalName()): Style {
  return !noColor && terminal !== "dumb" && output.isTerminal() ? COLOURED : PLAIN;
}

function terminalName(): string {
  try {
    return Deno.env.get("TERM") ?? "";
  } catch {
    return ""; // the variable may not be read
  }
}
