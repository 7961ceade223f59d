/**
 * Notices that the configuration or a file it names has changed.
 *
 * What counts is content: whatever the file system reports (or fails to report) only makes the watcher read the files
 * again. It is woken by events in their folders, because editors write a new file and rename it over the old one, and by
 * a poll, because a swapped symlink further up the path (Kubernetes) raises no event that `Deno.watchFs` passes on.
 * A change is told once two reads in a row agree, so that a half-written file is not looked at.
 */

const POLL_MS = 2000;
const SETTLE_MS = 40;
/** A file that never stops changing is looked at all the same. */
const SETTLE_READS_MAX = 25;

export class FileWatcher {
  readonly #onChange: () => void;
  #paths: readonly string[] = [];
  #seen = "";
  #events: Deno.FsWatcher | null = null;
  #folders = "";
  #poll: ReturnType<typeof setInterval> | null = null;
  #checking: Promise<void> | null = null;
  #isClosed = false;
  #wantsAnother = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** From now on these files. What they hold at this moment counts as known. */
  async watch(paths: readonly string[]): Promise<void> {
    this.#paths = [...paths];
    this.#seen = await contentOf(this.#paths);
    if (this.#isClosed) return;
    this.#watchFolders();
    this.#poll ??= setInterval(() => this.#check(), POLL_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#poll !== null) clearInterval(this.#poll);
    this.#events?.close();
    this.#events = null;
    await this.#checking;
  }

  #watchFolders(): void {
    const folders = [...new Set(this.#paths.map((path) => path.slice(0, path.lastIndexOf("/")) || "/"))].sort();
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
        if (event.kind !== "access") this.#check();
      }
    } catch {
      // The watcher broke; the poll remains.
    }
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
    let content = await contentOf(this.#paths);
    if (content === this.#seen) return;
    for (let read = 0; read < SETTLE_READS_MAX && !this.#isClosed; read++) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const again = await contentOf(this.#paths);
      if (again === content) break;
      content = again;
    }
    if (this.#isClosed || content === this.#seen) return;
    this.#seen = content;
    this.#onChange();
  }
}

/** All files in one text; one that can't be read has a mark in place of its content. */
async function contentOf(paths: readonly string[]): Promise<string> {
  const parts = await Promise.all(paths.map(async (path) => {
    try {
      return "=" + await Deno.readTextFile(path);
    } catch {
      return "!";
    }
  }));
  return parts.join("\0");
}
