/** Paths of keys as messages print them: `upstreams.api.backends[1].weight`, `upstreams."a b".pool`. */

const BARE_KEY = /^[A-Za-z0-9_-]+$/;

export function joinKey(parent: string, key: string): string {
  const text = BARE_KEY.test(key) ? key : JSON.stringify(key);
  return parent === "" ? text : `${parent}.${text}`;
}

export function joinIndex(parent: string, index: number): string {
  return `${parent}[${index}]`;
}

/**
 * The line of a key, or of the nearest part of its path that is in the file: where a missing key is missing.
 *
 * @returns 1 when nothing of it is.
 */
export function lineOf(lines: ReadonlyMap<string, number>, path: string): number {
  let at = path;
  while (at !== "") {
    const line = lines.get(at);
    if (line !== undefined) return line;
    at = parentOf(at);
  }
  return 1;
}

function parentOf(path: string): string {
  if (path.endsWith("]")) return path.slice(0, path.lastIndexOf("["));
  if (!path.endsWith('"')) return path.slice(0, Math.max(0, path.lastIndexOf(".")));
  let at = path.length - 2; // to the quote that opens the last key
  while (at >= 0 && (path[at] !== '"' || isEscaped(path, at))) at--;
  return path.slice(0, Math.max(0, at - 1));
}

function isEscaped(path: string, at: number): boolean {
  let slashes = 0;
  while (path[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}
