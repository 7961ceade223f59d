/** The single binary holds every module: what `deno compile` embeds is the module graph plus what is named. */

import { compileArguments, INCLUDED, knownFailure } from "../../deploy/compile.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

interface ModuleGraph {
  readonly modules: ReadonlyArray<{ readonly local?: string; readonly error?: string; readonly specifier: string }>;
}

async function moduleGraph(entry: string): Promise<ModuleGraph> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", entry], cwd: ROOT }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

function* modulesBelow(folder: string): IterableIterator<string> {
  for (const entry of Deno.readDirSync(ROOT + folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* modulesBelow(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

/** A description that no code uses so far. */
const UNUSED: readonly string[] = ["lib/admin/operator.ts", "lib/admin/views.ts"];

/** Modules that hold types only are erased and belong to no graph of code, yet `deno info` lists them; so none is missing. */
Deno.test("compile embeds every module of lib and strategies", async () => {
  const graphs = await Promise.all(["main.ts", ...INCLUDED].map(moduleGraph));
  const modules = graphs.flatMap((graph) => graph.modules);
  assertEquals(modules.filter(({ error }) => error !== undefined), []);
  const embedded = new Set(modules.map(({ local }) => local));
  const missing = [...modulesBelow("lib"), ...modulesBelow("strategies")]
    .filter((path) => !embedded.has(ROOT + path) && !UNUSED.includes(path));
  assertEquals(missing, [], "reached neither by an import nor by --include");
});

Deno.test("compile includes every module that only a path names", () => {
  const named = [...modulesBelow("lib"), "main.ts"].filter((path) =>
    /new Worker\(|import\.meta\.resolve\(|new URL\("[^"]+", import\.meta\.url\)/.test(
      Deno.readTextFileSync(ROOT + path),
    )
  );
  assertEquals(named, ["lib/runtime/workers/worker_handle.ts"], "what they name belongs into INCLUDED");
});

Deno.test("compileArguments() bakes in no permission to run programs or load foreign code", () => {
  const args = compileArguments("out");
  assert(!args.some((arg) => arg === "-A" || arg.startsWith("--allow-run") || arg.startsWith("--allow-ffi")));
  assertEquals(args.at(-1), "main.ts");
});

Deno.test("knownFailure() says what to do when the runtime base cannot be downloaded", () => {
  const stderr = "error: Setting up base binary.\n  error sending request for url " +
    "(https://dl.deno.land/release/v2.9.6/denort-x86_64-unknown-linux-gnu.zip): dns error";
  assertStringIncludes(knownFailure(stderr), "DENORT_BIN");
  assertEquals(knownFailure("error: Type checking failed."), "");
});

Deno.test("VERSION is that of deno.json", async () => {
  assertEquals(VERSION, JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)).version);
});
