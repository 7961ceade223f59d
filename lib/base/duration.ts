/** Durations as people write them: `"250ms"`, `"2s"`, `"1m30s"`. Never a bare number: its unit would be a guess. */

/** Texts whose result is remembered. A configuration holds a few dozen different ones. */
const CACHE_ENTRIES_MAX = 256;

const FORM = /^(?:(\d{1,6})d)?(?:(\d{1,7})h)?(?:(\d{1,9})m)?(?:(\d{1,10})s)?(?:(\d{1,12})ms)?$/;

const UNITS: ReadonlyArray<readonly [unit: string, ms: number]> = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

const cache = new Map<string, number>();

/**
 * @returns Milliseconds, a safe integer.
 * @throws {SyntaxError} When the text is no duration. The message starts at the fault, without the text's position.
 */
export function parseDuration(text: string): number {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const match = FORM.exec(text);
  if (match === null || text === "") throw new SyntaxError(fault(text));
  let ms = 0;
  for (let index = 0; index < UNITS.length; index++) ms += Number(match[index + 1] ?? 0) * UNITS[index][1];
  if (cache.size >= CACHE_ENTRIES_MAX) cache.clear();
  cache.set(text, ms);
  return ms;
}

/** The shortest exact form: `90000` is `"1m30s"`, 0 is `"0s"`. @param ms A whole number, 0 or more. */
export function formatDuration(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`Cannot format a duration of ${ms} ms`);
  if (ms === 0) return "0s";
  let text = "";
  let rest = ms;
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

function fault(text: string): string {
  const wanted = `must be a duration such as "250ms", "2s" or "1m30s"`;
  if (/^\d+$/.test(text)) return `${wanted}, got "${text}" without a unit`;
  if (/^\d*\.\d+[a-z]+$/.test(text)) return `${wanted}, got the fraction "${text}"; write it in a smaller unit`;
  return `${wanted}, got ${JSON.stringify(text)}`;
}
