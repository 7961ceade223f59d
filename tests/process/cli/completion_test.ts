/** Completion, as shells do it: bash by running the script, zsh and fish by their own syntax check where they are. */

import { main } from "../../../lib/cli/main.ts";
import { PATIENCE_MS } from "../../support/proxy_stage.ts";
import { assert, assertEquals, assertStringIncludes } from "../../support/assert.ts";
import { runSluice } from "../../support/sluice_process.ts";
import { withDeadline } from "../../support/waiting.ts";

const COMMANDS = "run check plan explain permissions schema demo status drain enable disable weight reload completion";

/** `sluice` for the script: answers the one question that it asks. */
const STAND_IN = `sluice() { [ "$*" = "status --names" ] && printf '%s\\n' api/b1 api/127.0.0.1:9001 web/b2; }`;

/** Words as bash splits them (":" ends one), and what is offered for the last. */
const CASES: ReadonlyArray<readonly [words: readonly string[], expected: string]> = [
  [["sluice", "dr"], "drain"],
  [["sluice", ""], `${COMMANDS} --help --version`],
  [["sluice", "status", "--he"], "--health --help"],
  [["sluice", "drain", ""], "api/b1 api/127.0.0.1:9001 web/b2"],
  [["sluice", "enable", "api/b"], "api/b1"],
  [["sluice", "drain", "api/127.0.0.1", ":"], "9001"],
  [["sluice", "drain", "api/127.0.0.1", ":", "90"], "9001"],
  [["sluice", "status", "w"], "web"],
  [["sluice", "completion", "z"], "zsh"],
  [["sluice", "explain", "PU"], "PUT"],
  [["sluice", "drain", "--timeout", ""], ""],
  [["sluice", "plan", "--against", "main."], "main.ts"],
  [["sluice", "check", "deno.j"], "deno.json"],
  [["sluice", "nothing", ""], ""],
];

Deno.test("sluice completion bash completes commands, options, backends and files", async (t) => {
  const script = await scriptFor("bash");
  for (const [words, expected] of CASES) {
    await t.step(words.join(" "), async () => {
      const quoted = words.map((word) => `'${word}'`).join(" ");
      const test = `${STAND_IN}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${
        words.length - 1
      }; _sluice; echo "\${COMPREPLY[*]}"`;
      assertEquals(await run("bash", ["--norc", "-c", `${script}\n${test}`]), `${expected}\n`);
    });
  }
});

for (const shell of ["zsh", "fish"] as const) {
  Deno.test(`sluice completion ${shell} knows every command, and the shell takes it`, async () => {
    const script = await scriptFor(shell);
    for (const command of COMMANDS.split(" ")) assertStringIncludes(script, command);
    for (const option of ["exit-code", "effective", "against"]) assertStringIncludes(script, option);
    assertEquals(script.split("'").length % 2, 1, "quotes come in pairs");
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, script);
      await run(shell, ["-n", file]);
    } catch (error) {
      // A machine without that shell: its syntax was checked where there is one.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    } finally {
      await Deno.remove(file);
    }
  });
}

Deno.test("sluice completion needs a shell that it knows", async () => {
  const { code, stderr } = await runSluice(["completion", "tcsh"], { deadlineMs: PATIENCE_MS });
  assertEquals(code, 2);
  assertStringIncludes(stderr, "completion needs a shell: bash, zsh, fish");
});

/** What the command prints, made in this process. */
async function scriptFor(shell: string): Promise<string> {
  const printed: string[] = [];
  const { log } = console;
  console.log = (text: string) => printed.push(text);
  try {
    assertEquals(await main(["completion", shell]), 0);
  } finally {
    console.log = log;
  }
  return printed.join("\n");
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const output = new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  const { success, stdout, stderr } = await withDeadline(output, PATIENCE_MS, () => `the end of ${program}`);
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
