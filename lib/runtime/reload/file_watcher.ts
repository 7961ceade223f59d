/**
 * Notices that the configuration or a file it names has changed, and has been written to its end.
 *
 * What counts is content: whatever the file system reports (or fails to report) only makes the watcher look. It is woken by
 * events in the files' folders, because editors write a new file and rename it over the old one, and by a look at what the
 * paths lead to, because a symlink swapped further up (Kubernetes) raises no event that `Deno.watchFs` passes on. Now and
 * then it reads the files without being asked, for file systems that tell of neither.
 *
 * A file may be written in pieces, and each piece may be a valid configuration. So a change is told once the files have
 * been still: nothing about them, neither content nor what the system says of it, has differed for `quietMs`. What is told
 * is what they held then; one that is written again at that moment is another change. There is no bound on how long that
 * may take, as any would have half of a file taken for the whole.
 */

import { fileNameOf, folderOf } from "../../config/paths.ts";
import type { FileContents } from "./load.ts";
import { isSameStamps, stampOfSync, type Stamps, stampsOf } from "./file_stamps.ts";

/** How often it is looked at what the paths lead to: one call a file, in another thread. With the wait for stillness less than 500 ms. */
const LOOK_MS = 150;
/** As often, files are read without a sign of change. */
const READ_EACH_LOOKS = 14;
/** While files change. */
const SETTLE_LOOK_MS = 40;
/** Files that have been changing for so long are worth a word. */
const RESTLESS_MS = 10_000;

export interface FileWatcherOptions {
  /** How long files must have been still. */
  readonly quietMs: number;
  /** @param contents What they held. */
  readonly onChange: (contents: FileContents) => void;
  /** They have not been still for a long time. */
  readonly onRestless?: () => void;
}

export class FileWatcher {
  /** How long it is quiet before a change counts that begins from now on. */
  quietMs: number;
  readonly #options: FileWatcherOptions;
  /** What is known of each file; null: it can't be read. */
  #seen: Map<string, string | null> = new Map();
  #stamps: Stamps = new Map();
  #events: Deno.FsWatcher | null = null;
  /** What each was like while what they say was refused; else null. */
  #refused: Stamps | null = null;
  #folders = "";
  #looking: ReturnType<typeof setTimeout> | null = null;
  #looks = 0;
  #checking: Promise<void> | null = null;
  #isClosed = false;
  #wantsAnother = false;

  constructor(options: FileWatcherOptions) {
    this.#options = options;
    this.quietMs = options.quietMs;
  }

  /** From now on these files. What differs from `contents`, which the caller has read, is a change that came since. */
  watch(contents: FileContents): void {
    if (this.#isClosed) return;
    this.#seen = new Map(contents);
    this.#refused = null;
    this.#watchFolders();
    if (this.#looking === null) this.#lookLater();
    this.#check();
  }

  /**
   * These files too: what a refused configuration named may be what is mended next. The reason may also lie outside of
   * them (a port in use, a permission), so that one of them written again is a change, whatever it says.
   */
  watchRefused(contents: FileContents): void {
    this.watch(new Map([...this.#seen, ...contents]));
    this.#refused = new Map(this.#seen.keys().map((path) => [path, stampOfSync(path)]));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#looking !== null) clearTimeout(this.#looking);
    this.#events?.close();
    this.#events = null;
    await this.#checking;
  }

  #watchFolders(): void {
    const folders = [...new Set(this.#seen.keys().map(folderOf))].filter(mayRead).sort();
    if (folders.join("\n") === this.#folders) return;
    this.#folders = folders.join("\n");
    this.#events?.close();
    try {
      this.#events = Deno.watchFs(folders, { recursive: false });
    } catch {
      // No such folder, none that may be read, or the system is out of watches: the looks remain.
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
      // The watcher broke; the looks remain.
    }
  }

  /** A log that grows in the folder does not: without this, each of its lines had all files read again. */
  #mayMatter(event: Deno.FsEvent): boolean {
    if (event.kind !== "modify") return true;
    const names = new Set(this.#seen.keys().map(fileNameOf));
    return event.paths.some((path) => names.has(fileNameOf(path)));
  }

  #lookLater(): void {
    this.#looking = setTimeout(() => this.#look(), LOOK_MS);
  }

  async #look(): Promise<void> {
    const stamps = await stampsOf(this.#seen.keys());
    if (this.#isClosed) return;
    this.#looks++;
    if (!isSameStamps(stamps, this.#stamps) || this.#looks % READ_EACH_LOOKS === 0) this.#check();
    this.#stamps = stamps;
    this.#lookLater();
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
    if (this.#isOld(await this.#read())) return;
    const contents = await this.#settled();
    if (contents === null || this.#isOld(contents)) return;
    this.#refused = null;
    for (const [path, text] of contents) {
      if (this.#seen.has(path)) this.#seen.set(path, text);
    }
    this.#options.onChange(contents);
  }

  /** @returns What the files hold once they have been still for so long; null: closed meanwhile. */
  async #settled(): Promise<FileContents | null> {
    const { quietMs } = this;
    const beganMs = performance.now();
    let isTold = false;
    let stamps = await stampsOf(this.#seen.keys());
    let contents = await this.#read();
    let sinceMs = performance.now();
    while (!this.#isClosed) {
      const leftMs = sinceMs + quietMs - performance.now();
      if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(leftMs, SETTLE_LOOK_MS)));
      const again = leftMs > 0 ? contents : await this.#read();
      const now = await stampsOf(this.#seen.keys());
      if (!isSameStamps(stamps, now) || !isSame(contents, again)) {
        stamps = now;
        contents = await this.#read();
        sinceMs = performance.now();
      } else if (leftMs <= 0) return again;
      if (isTold || performance.now() - beganMs < RESTLESS_MS) continue;
      isTold = true;
      this.#options.onRestless?.();
    }
    return null;
  }

  async #read(): Promise<FileContents> {
    return new Map(await Promise.all(this.#seen.entries().map(([path, known]) => readOrNull(path, known))));
  }

  /** Files that joined or left while they were read don't count. */
  #isOld(contents: FileContents): boolean {
    const isWrittenAgain = this.#refused?.entries().some(([path, stamp]) => stamp !== stampOfSync(path)) ?? false;
    return !isWrittenAgain &&
      contents.entries().every(([path, text]) => !this.#seen.has(path) || this.#seen.get(path) === text);
  }
}

/** A file elsewhere may be readable without its folder, which must not take the others' events away. */
function mayRead(folder: string): boolean {
  return Deno.permissions.querySync({ name: "read", path: folder }).state === "granted";
}

function isSame(one: FileContents, other: FileContents): boolean {
  return one.size === other.size && one.entries().every(([path, text]) => other.get(path) === text);
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
