/** What makes the watcher of the configuration's files read them. What it then does: tests/reload_files_test.ts. */

import { assert, assertEquals } from "./support/assert.ts";
import { FileWatcher } from "../lib/runtime/file_watcher.ts";

const PATIENCE_MS = 10_000;

Deno.test("FileWatcher reads its files when one of them changes, not when a log beside them grows", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
  const file = `${folder}/config.toml`;
  const log = `${folder}/access.log`;
  Deno.writeTextFileSync(file, "one");
  Deno.writeTextFileSync(log, "");
  const reads = countReads();
  let changes = 0;
  const watcher = new FileWatcher(() => changes++);
  try {
    watcher.watch(new Map([[file, "one"]]));
    await until(() => reads.count > 0);
    for (let line = 0; line < 200; line++) {
      Deno.writeTextFileSync(log, "a line\n", { append: true });
      if (line % 10 === 0) await pause(2);
    }
    Deno.writeTextFileSync(file, "two");
    await until(() => changes === 1); // events come in order: those of the log are through
    assert(reads.count < 20, `${reads.count} reads`);

    Deno.writeTextFileSync(`${folder}/new.toml`, "three");
    Deno.renameSync(`${folder}/new.toml`, file);
    await until(() => changes === 2);
  } finally {
    await watcher.close();
    reads.stop();
    Deno.removeSync(folder, { recursive: true });
  }
  assertEquals(changes, 2);
});

Deno.test("FileWatcher tells of a file that is written again unchanged only while what it says was refused", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
  const file = `${folder}/config.toml`;
  Deno.writeTextFileSync(file, "one");
  let changes = 0;
  const watcher = new FileWatcher(() => changes++);
  let writes = 0;
  const save = () => {
    Deno.writeTextFileSync(`${folder}/new.toml`, "one");
    Deno.utimeSync(`${folder}/new.toml`, 1000 + ++writes, 1000 + writes);
    Deno.renameSync(`${folder}/new.toml`, file);
  };
  try {
    watcher.watchRefused(new Map([[file, "one"]]));
    save();
    await until(() => changes === 1);
    watcher.watchRefused(new Map([[file, "one"]]));
    Deno.utimeSync(file, 5000, 5000);
    await until(() => changes === 2);
    watcher.watch(new Map([[file, "one"]]));
    save();
    await pause(300);
    Deno.writeTextFileSync(file, "two");
    await until(() => changes > 2);
  } finally {
    await watcher.close();
    Deno.removeSync(folder, { recursive: true });
  }
  assertEquals(changes, 3);
});

/** Counts the files that are read in this process. */
function countReads(): { count: number; stop(): void } {
  const original = Deno.readTextFile;
  const reads = { count: 0, stop: () => void (Deno.readTextFile = original) };
  Deno.readTextFile = (...args) => {
    reads.count++;
    return original(...args);
  };
  return reads;
}

async function until(isSo: () => boolean): Promise<void> {
  for (const startedMs = performance.now(); !isSo();) {
    assert(performance.now() - startedMs < PATIENCE_MS, "it takes too long");
    await pause(5);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
