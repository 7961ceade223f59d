/** deploy/systemd: what the unit and the launcher promise; and systemd's own verdict, where its tool is installed. */

import { parseDuration } from "../../../lib/base/duration.ts";
import { DEFAULTS } from "../../../lib/config/defaults.ts";
import { assert, assertEquals, assertStringIncludes } from "../../support/assert.ts";
import { execForm, parseContainerfile } from "./containerfile.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const UNIT = Deno.readTextFileSync(`${ROOT}deploy/systemd/sluice.service`);
const LAUNCHER = Deno.readTextFileSync(`${ROOT}deploy/systemd/sluice`);
/** Exposure that `systemd-analyze security` calls "OK" begins below 5 (0: none, 10: all); ours is 1.7 with systemd 252. */
const EXPOSURE_MAX = 2;

/** @returns Every value of a setting, in order. */
function settings(name: string): string[] {
  return [...UNIT.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value);
}

Deno.test("sluice.service waits for longer than a drain takes before it kills", () => {
  const drainMs = parseDuration(DEFAULTS["server.drain"]);
  assertEquals(settings("KillSignal"), ["SIGTERM"]);
  assert(Number(settings("TimeoutStopSec")[0]) * 1000 >= drainMs + 10_000);
});

Deno.test("sluice.service restarts after a crash, and not for a wrong configuration", () => {
  assertEquals([settings("Restart"), settings("RestartPreventExitStatus")], [["on-failure"], ["2"]]);
  assertEquals(settings("ExecStartPre"), [], "a failed one is restarted whatever its status");
});

Deno.test("sluice.service reloads by SIGHUP what passes the check", () => {
  const [check, signal] = settings("ExecReload");
  assertStringIncludes(check, "sluice check /etc/sluice/config.toml");
  assertEquals(signal, "/bin/kill -HUP $MAINPID");
});

Deno.test("sluice.service leaves V8 what it cannot do without, and root's powers but one to nobody", () => {
  assertEquals(settings("MemoryDenyWriteExecute"), []);
  assertEquals(settings("SystemCallFilter"), ["@system-service @pkey", "~@privileged @resources"]);
  assertEquals(settings("CapabilityBoundingSet"), ["CAP_NET_BIND_SERVICE"]);
  assertEquals(settings("NoNewPrivileges"), ["yes"]);
  assertEquals(settings("User").length, 1);
  assertStringIncludes(Deno.readTextFileSync(`${ROOT}deploy/systemd/sluice.sysusers`), `u ${settings("User")[0]} `);
});

/** Permissions as lists by kind, of which the folders of the installation say nothing. */
function permissions(words: readonly string[]): string[] {
  return words.filter((word) => word.startsWith("--allow-"))
    .map((word) => word.replace(/,\/(app|opt\/sluice|var\/log\/sluice)\b/g, "")).sort();
}

Deno.test("the launcher grants `run` what the container image grants, and the folder of its logs", async () => {
  const printed = LAUNCHER.replace(/exec \S+/, "printf '%s\\n'");
  const run = await sh(printed, ["run"]);
  const entrypoint = parseContainerfile(Deno.readTextFileSync(`${ROOT}deploy/Containerfile`))
    .findLast(({ name }) => name === "ENTRYPOINT")!;
  assertEquals(permissions(run.stdout.split("\n")), permissions(execForm(entrypoint.rest)));
  assertEquals(await sh(printed, ["--config", "x"]).then(({ stdout }) => permissions(stdout.split("\n"))), [
    ...permissions(run.stdout.split("\n")),
  ]);
  assert((await sh(printed, ["check", "a b.toml"])).stdout.split("\n").includes("--allow-read"));
});

Deno.test("the launcher passes its arguments on as they are", async () => {
  const { stdout } = await sh(LAUNCHER.replace(/exec \S+/, "printf '%s\\n'"), ["check", "a b.toml", "$HOME"]);
  assertEquals(stdout.trimEnd().split("\n").slice(-3), ["check", "a b.toml", "$HOME"]);
});

async function sh(script: string, args: readonly string[]): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command("sh", { args: ["-c", script, "sluice", ...args] }).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}

const ANALYZE = await installed("systemd-analyze", "--version");

Deno.test({
  name: "systemd-analyze finds nothing wrong with the unit, and little exposed",
  ignore: !ANALYZE, // a package of Debian that nothing else needs
  async fn() {
    const folder = Deno.makeTempDirSync();
    try {
      // It insists on programs that exist.
      const path = `${folder}/sluice.service`;
      Deno.writeTextFileSync(path, UNIT.replaceAll("/usr/local/bin/sluice", "/bin/true"));
      const threshold = `--threshold=${EXPOSURE_MAX * 10}`;
      for (const args of [["verify", "--man=no", path], ["security", "--offline=yes", threshold, path]]) {
        const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", { args }).output();
        const said = new TextDecoder().decode(args[0] === "verify" ? stderr : stdout);
        assertEquals(code, 0, said);
        if (args[0] === "verify") assertEquals(said, "");
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

async function installed(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
