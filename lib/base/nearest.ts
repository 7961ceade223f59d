/**
 * The known name that a misspelled one most likely meant: optimal string alignment distance, so that a swap of two
 * letters counts once. Case and the choice between `-` and `_` count nothing.
 */

/** Words longer than this are not compared: nobody means a name of that length, and the distance is quadratic. */
const COMPARED_LENGTH_MAX = 64;

/** A name cut off after so many letters is still that name. */
const PREFIX_LENGTH_MIN = 4;

/** @returns The nearest of `names`, or "" when none is near enough to suggest. The earlier one wins a tie. */
export function nearestName(word: string, names: Iterable<string>): string {
  const wanted = fold(word);
  if (wanted.length === 0 || wanted.length > COMPARED_LENGTH_MAX) return "";
  let best = "";
  let bestDistance = Infinity;
  for (const name of names) {
    const known = fold(name);
    if (known.length > COMPARED_LENGTH_MAX) continue;
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, known.length) / 3));
    const distance = isLonger(wanted, known) ? 1 : editDistance(wanted, known);
    if (distance <= allowed && distance < bestDistance && distance < known.length) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforePrevious = new Array<number>(b.length + 1).fill(0);
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = new Array<number>(b.length + 1).fill(0);
    current[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      current[j] = Math.min(replaced, previous[j] + 1, current[j - 1] + 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) current[j] = Math.min(current[j], beforePrevious[j - 2] + 1);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length];
}

/** "warning" for "warn", "max_conn" for "max_connections". */
function isLonger(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= PREFIX_LENGTH_MIN && short.length < long.length && long.startsWith(short);
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll("-", "_");
}
