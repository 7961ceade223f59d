/**
 * What the system says of a file, as a text that differs when the file was written or replaced: cheaper to look at than
 * what it holds, and it tells of a change back and forth as well.
 */

/** By path. */
export type Stamps = ReadonlyMap<string, string>;

export async function stampsOf(paths: Iterable<string>): Promise<Stamps> {
  return new Map(await Promise.all([...paths].map(async (path) => [path, await stampOf(path)] as const)));
}

export function isSameStamps(one: Stamps, other: Stamps): boolean {
  return one.size === other.size && one.entries().every(([path, stamp]) => other.get(path) === stamp);
}

/** The stamp of what a symlink leads to; "" when there is nothing. */
export async function stampOf(path: string): Promise<string> {
  try {
    return textOf(await Deno.stat(path));
  } catch {
    return "";
  }
}

export function stampOfSync(path: string): string {
  try {
    return textOf(Deno.statSync(path));
  } catch {
    return "";
  }
}

/**
 * A file's text once it has been still for `quietMs`, as far as can be told without having watched it.
 *
 * @throws What reading throws.
 */
export async function readStill(path: string, quietMs: number): Promise<string> {
  let stamp = await stampOf(path);
  let sinceMs = performance.now();
  for (;;) {
    const text = await Deno.readTextFile(path);
    const now = await stampOf(path);
    if (now !== stamp) {
      stamp = now;
      sinceMs = performance.now();
    } else if (performance.now() - sinceMs >= quietMs || await ageMs(path) >= quietMs) return text;
    await new Promise((resolve) => setTimeout(resolve, Math.min(quietMs, PAUSE_MS)));
  }
}

const PAUSE_MS = 40;

async function ageMs(path: string): Promise<number> {
  return Date.now() - ((await Deno.stat(path)).mtime?.getTime() ?? Infinity);
}

function textOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${size} ${mtime?.getTime()} ${ctime?.getTime()}`;
}
