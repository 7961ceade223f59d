/**
 * White space as RFC 9110 §5.6.3 has it around the parts of a field's value: spaces and tabs, and none of what `trim()` takes
 * besides. A loop, since an expression that trims tries again at each blank of a run in the middle: 31,000 took 0.9 s.
 */

/** @returns `text` from `start` to `end` without the blanks around it. */
export function trimOws(text: string, start: number = 0, end: number = text.length): string {
  let from = start;
  let to = end;
  while (from < to && isOws(text.charCodeAt(from))) from++;
  while (to > from && isOws(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

export function isOws(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
