/** Sets of status codes as people write them: `"502-504"`, `"200,204,300-399"`. */

import type { StatusRange } from "../types.ts";

const WANTED = `must be status codes such as "200-399" or "502,504"`;

/**
 * @returns The ranges in the order of the text, bounds inclusive.
 * @throws {SyntaxError} The message starts at the fault, without the text's position.
 */
export function parseStatusRanges(text: string): readonly StatusRange[] {
  return text.split(",").map((part) => {
    const match = /^ *(\d{3})(?:-(\d{3}))? *$/.exec(part);
    if (match === null) throw new SyntaxError(`${WANTED}, got ${JSON.stringify(text)}`);
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    if (from < 100 || to > 599) throw new SyntaxError(`must be status codes from 100 to 599, got "${part.trim()}"`);
    if (from > to) throw new SyntaxError(`must count upwards, got "${part.trim()}"; use "${to}-${from}"`);
    return { from, to };
  });
}
