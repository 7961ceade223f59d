/** What makes the watcher of the configuration's files read them. What it then does: tests/process/reload_files_test.ts. */

import { assert, assertEquals } from "../../../support/assert.ts";
import { FileWatcher } from "../../../../lib/runtime/reload/file_watcher.ts";

const PATIENCE_MS = 10_000;

Deno.test("FileWatcher reads its files when one of them changes, not when a log beside them grows", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
  const file = `${folder}/config.toml`;
  const log = `${folder}/access.log`;
  Deno.writeTextFileSync(file, "one");
  Deno.writeTextFileSync(log, "");
  const reads = countReads();
  let changes = 0;
  const watcher = new FileWatcher({ quietMs: 30, onChange: () => changes++ });
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
  const watcher = new FileWatcher({ quietMs: 30, onChange: () => changes++ });
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

Deno.test("FileWatcher tells of what was written in two halves as a whole, each time", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
  const files = [`${folder}/config.toml`, `${folder}/site.pem`];
  const told: string[] = [];
  for (const file of files) Deno.writeTextFileSync(file, "whole 0");
  const watcher = new FileWatcher({
    quietMs: 400,
    onChange: (contents) => told.push(files.map((file) => contents.get(file)).join()),
  });
  try {
    watcher.watch(new Map(files.map((file) => [file, "whole 0"])));
    // 50 ms between the halves, and about as much between two saves; the last one may rest.
    for (let round = 1; round <= 12; round++) {
      const half = round % 2 === 0 ? "same half" : `half ${round}`;
      for (const file of files) Deno.writeTextFileSync(file, half);
      await pause(50);
      for (const file of files) Deno.writeTextFileSync(file, `: whole ${round}`, { append: true });
      await pause(round % 5 === 0 ? 450 : 50);
    }
    await until(() => told.at(-1) === "same half: whole 12,same half: whole 12");
  } finally {
    await watcher.close();
    Deno.removeSync(folder, { recursive: true });
  }
  for (const text of told) {
    const [one, other] = text.split(",");
    assert(one === other && one.includes("whole"), `half a file: ${text}`);
  }
});

Deno.test("FileWatcher tells of a symlink that is swapped further up, and of a file that takes its name", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
  const told: (string | null | undefined)[] = [];
  for (const version of ["v1", "v2"]) {
    Deno.mkdirSync(`${folder}/${version}/in`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/${version}/in/config.toml`, version);
  }
  Deno.symlinkSync("v1", `${folder}/now`);
  const file = `${folder}/now/in/config.toml`;
  const watcher = new FileWatcher({ quietMs: 50, onChange: (contents) => told.push(contents.get(file)) });
  try {
    watcher.watch(new Map([[file, "v1"]]));
    await pause(20);
    Deno.symlinkSync("v2", `${folder}/next`);
    Deno.renameSync(`${folder}/next`, `${folder}/now`);
    await until(() => told.length === 1);
    Deno.writeTextFileSync(`${folder}/v2/in/new`, "v3");
    Deno.renameSync(`${folder}/v2/in/new`, file);
    await until(() => told.length === 2);
  } finally {
    await watcher.close();
    Deno.removeSync(folder, { recursive: true });
  }
  assertEquals(told, ["v2", "v3"]);
});

Deno.test("FileWatcher takes nothing of files that never rest, and says so", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
  const file = `${folder}/config.toml`;
  Deno.writeTextFileSync(file, "0");
  const told: string[] = [];
  const time = new FakeNow();
  const watcher = new FileWatcher({
    quietMs: 250,
    onChange: (contents) => told.push(String(contents.get(file))),
    onRestless: () => told.push("restless"),
  });
  try {
    watcher.watch(new Map([[file, "0"]]));
    for (let round = 1; !told.includes("restless"); round++) {
      Deno.writeTextFileSync(file, `half ${round}`);
      time.passes(100);
      await pause(20);
      assert(round < 1000, "nothing was said");
    }
    Deno.writeTextFileSync(file, "whole");
    await until(() => {
      time.passes(20);
      return told.length > 1;
    });
  } finally {
    time.restore();
    await watcher.close();
    Deno.removeSync(folder, { recursive: true });
  }
  assertEquals(told, ["restless", "whole"]);
});

/** Lets `performance.now()` run ahead. */
class FakeNow {
  readonly #original = performance.now;
  #aheadMs = 0;

  constructor() {
    const original = this.#original.bind(performance);
    performance.now = () => original() + this.#aheadMs;
  }

  passes(ms: number): void {
    this.#aheadMs += ms;
  }

  restore(): void {
    performance.now = this.#original;
  }
}

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
