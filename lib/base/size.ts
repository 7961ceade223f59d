/** Sizes as people write them: `"64KiB"`, `"10MB"`, `"0B"`. Never a bare number: its unit would be a guess. */

/** Texts whose result is remembered. A configuration holds a few dozen different ones. */
const CACHE_ENTRIES_MAX = 256;

const FORM = /^(\d{1,15})(B|KiB|MiB|GiB|TiB|KB|kB|MB|GB|TB)$/;

const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Largest first; the binary unit before the decimal one, as the exact form of a power of two. */
const FORMATS: readonly string[] = ["TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "KB"];

const cache = new Map<string, number>();

/**
 * @returns Bytes, a safe integer.
 * @throws {SyntaxError} When the text is no size. The message starts at the fault, without the text's position.
 */
export function parseSize(text: string): number {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const match = FORM.exec(text);
  if (match === null) throw new SyntaxError(fault(text));
  const bytes = Number(match[1]) * UNIT_BYTES[match[2]];
  if (!Number.isSafeInteger(bytes)) throw new SyntaxError(`must be a size below 8 PiB, got "${text}"`);
  if (cache.size >= CACHE_ENTRIES_MAX) cache.clear();
  cache.set(text, bytes);
  return bytes;
}

/** In the largest unit that divides it: `65536` is `"64KiB"`, 0 is `"0B"`. @param bytes A whole number, 0 or more. */
export function formatSize(bytes: number): string {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`Cannot format a size of ${bytes} bytes`);
  if (bytes === 0) return "0B";
  const unit = FORMATS.find((name) => bytes % UNIT_BYTES[name] === 0) ?? "B";
  return `${bytes / UNIT_BYTES[unit]}${unit}`;
}

function fault(text: string): string {
  const wanted = `must be a size such as "64KiB", "1MiB" or "10MB"`;
  if (/^\d+$/.test(text)) return `${wanted}, got "${text}" without a unit`;
  return `${wanted}, got ${JSON.stringify(text)}`;
}
