/**
 * Notices that the configuration or a file it names has changed.
 *
 * What counts is content: whatever the file system reports (or fails to report) only makes the watcher read the files
 * again. It is woken by events in their folders, because editors write a new file and rename it over the old one, and by
 * a poll, because a swapped symlink further up the path (Kubernetes) raises no event that `Deno.watchFs` passes on.
 * A change is told once two reads in a row agree, so that a half-written file is not looked at.
 */

import { fileNameOf, folderOf } from "../config/paths.ts";
import type { FileContents } from "./load.ts";

const POLL_MS = 2000;
const SETTLE_MS = 40;
/** A file that never stops changing is looked at all the same. */
const SETTLE_READS_MAX = 25;

export class FileWatcher {
  readonly #onChange: () => void;
  /** What is known of each file; null: it can't be read. */
  #seen: Map<string, string | null> = new Map();
  #events: Deno.FsWatcher | null = null;
  /** When each was written, while what they say was refused; else null. */
  #refused: Map<string, string> | null = null;
  #folders = "";
  #poll: ReturnType<typeof setInterval> | null = null;
  #checking: Promise<void> | null = null;
  #isClosed = false;
  #wantsAnother = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** From now on these files. What differs from `contents`, which the caller has read, is a change that came since. */
  watch(contents: FileContents): void {
    if (this.#isClosed) return;
    this.#seen = new Map(contents);
    this.#refused = null;
    this.#watchFolders();
    this.#poll ??= setInterval(() => this.#check(), POLL_MS);
    this.#check();
  }

  /**
   * These files too: what a refused configuration named may be what is mended next. The reason may also lie outside of
   * them (a port in use, a permission), so that one of them written again is a change, whatever it says.
   */
  watchRefused(contents: FileContents): void {
    this.watch(new Map([...this.#seen, ...contents]));
    this.#refused = new Map(this.#seen.keys().map((path) => [path, writtenAt(path)]));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#poll !== null) clearInterval(this.#poll);
    this.#events?.close();
    this.#events = null;
    await this.#checking;
  }

  #watchFolders(): void {
    const folders = [...new Set(this.#seen.keys().map(folderOf))].sort();
    if (folders.join("\n") === this.#folders) return;
    this.#folders = folders.join("\n");
    this.#events?.close();
    try {
      this.#events = Deno.watchFs(folders, { recursive: false });
    } catch {
      // No such folder, or the system is out of watches: the poll remains.
      this.#events = null;
      return;
    }
    this.#follow(this.#events);
  }

  async #follow(events: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of events) {
        if (event.kind !== "access" && this.#mayMatter(event)) this.#check();
      }
    } catch {
      // The watcher broke; the poll remains.
    }
  }

  /** A log that grows in the folder does not: without this, each of its lines had all files read again. */
  #mayMatter(event: Deno.FsEvent): boolean {
    if (event.kind !== "modify") return true;
    const names = new Set(this.#seen.keys().map(fileNameOf));
    return event.paths.some((path) => names.has(fileNameOf(path)));
  }

  #check(): void {
    if (this.#isClosed) return;
    if (this.#checking !== null) {
      this.#wantsAnother = true;
      return;
    }
    this.#checking = this.#compare().finally(() => {
      this.#checking = null;
      if (this.#wantsAnother) {
        this.#wantsAnother = false;
        this.#check();
      }
    });
  }

  async #compare(): Promise<void> {
    let contents = await this.#read();
    if (this.#isOld(contents)) return;
    for (let read = 0; read < SETTLE_READS_MAX && !this.#isClosed; read++) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const again = await this.#read();
      const isSettled = isSame(contents, again);
      contents = again;
      if (isSettled) break;
    }
    if (this.#isClosed || this.#isOld(contents)) return;
    this.#refused = null;
    for (const [path, text] of contents) {
      if (this.#seen.has(path)) this.#seen.set(path, text);
    }
    this.#onChange();
  }

  async #read(): Promise<FileContents> {
    return new Map(await Promise.all(this.#seen.entries().map(([path, known]) => readOrNull(path, known))));
  }

  /** Files that joined or left while they were read don't count. */
  #isOld(contents: FileContents): boolean {
    const isWrittenAgain = this.#refused?.entries().some(([path, at]) => at !== writtenAt(path)) ?? false;
    return !isWrittenAgain &&
      contents.entries().every(([path, text]) => !this.#seen.has(path) || this.#seen.get(path) === text);
  }
}

function isSame(one: FileContents, other: FileContents): boolean {
  return one.size === other.size && one.entries().every(([path, text]) => other.get(path) === text);
}

/** Changes when the file is written or replaced; "" when there is none. */
function writtenAt(path: string): string {
  try {
    const { ino, mtime } = Deno.statSync(path);
    return `${ino} ${mtime?.getTime()}`;
  } catch {
    return "";
  }
}

/** @param known What it held last: a process that is out of descriptors learns nothing new about its files. */
async function readOrNull(path: string, known: string | null): Promise<[path: string, text: string | null]> {
  try {
    return [path, await Deno.readTextFile(path)];
  } catch (error) {
    const code = (error as { code?: string } | null)?.code;
    return [path, code === "EMFILE" || code === "ENFILE" ? known : null];
  }
}
