/**
 * `deno task compile`: one binary, dist/sluice.
 *
 * `deno compile` puts the program behind a runtime base (denort) that it downloads on first use from Deno's own site, or
 * takes from `DENORT_BIN`. Where neither is to be had there is no binary, and this says so in one line instead of a
 * stack trace. A compiled program cannot be given permissions when it is started, so the binary has those that any
 * configuration may need.
 */

const ROOT = new URL("../", import.meta.url).pathname;
const OUTPUT = `${ROOT}dist/sluice`;

/** What a configuration can make sluice do; it never runs programs and never loads foreign code. */
const PERMISSIONS: readonly string[] = ["--no-prompt", "--allow-net", "--allow-read", "--allow-write", "--allow-env"];

/** Modules that only a path names (workers, pages): `deno compile` does not find them by itself. */
export const INCLUDED: readonly string[] = ["lib/runtime/workers/worker_main.ts"];

export function compileArguments(output: string): string[] {
  const includes = INCLUDED.flatMap((path) => ["--include", path]);
  return ["compile", "--frozen", ...PERMISSIONS, ...includes, "--output", output, "main.ts"];
}

/** A reason that a user can act on, from what `deno compile` printed; "" when it is not a known one. */
export function knownFailure(stderr: string): string {
  const isDownload = /denort|dl\.deno\.land|download/i.test(stderr) &&
    /error sending request|dns error|timed out|unreachable|refused|failed to lookup|status: 4|not found/i.test(stderr);
  if (!isDownload) return "";
  return "the runtime base (denort) cannot be downloaded from Deno's site here. Put a denort of the same version on this " +
    "machine and name it in DENORT_BIN, or compile where dl.deno.land can be reached.";
}

async function compile(): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: compileArguments(OUTPUT),
    cwd: ROOT,
    stdout: "inherit",
    stderr: "piped",
  });
  const { code, stderr } = await command.output();
  const text = new TextDecoder().decode(stderr);
  if (code === 0) {
    console.error(text.trimEnd());
    console.log(`compiled: ${OUTPUT}`);
    return 0;
  }
  const failure = knownFailure(text);
  console.error(failure === "" ? text.trimEnd() : `cannot compile: ${failure}`);
  return 1;
}

if (import.meta.main) Deno.exit(await compile());
