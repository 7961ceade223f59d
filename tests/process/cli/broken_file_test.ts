/** The commands while the file is broken, which is when they are wanted most; and what scripts read of them. */

import type { PlanView } from "../../../lib/admin/views.ts";
import { PATIENCE_MS } from "../../support/proxy_stage.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";
import { ConfigFile } from "../../support/config_file.ts";
import { type Answers, backendView, FakeAdmin, statusView, upstreamView } from "../../support/fake_admin.ts";
import { LineLog } from "../../support/line_log.ts";
import { runSluice } from "../../support/sluice_process.ts";
import { Watch, withDeadline } from "../../support/waiting.ts";

const VIEW = statusView([upstreamView("api", [backendView("b1")])]);
const STATUS: Answers = { "/api/status": { body: VIEW } };

const BROKEN = [
  ["after [admin]", (admin: string) => `${admin}\n[[listeners\naddress = `],
  ["before [admin]", (admin: string) => `[server\n${admin}\n[upstreams.a]\nx = 1\n`],
  ["in a key of another table", (admin: string) => `${admin} # comment\n\n[log]\nlevel = info\n`],
] as const;

for (const [name, breaking] of BROKEN) {
  Deno.test(`sluice status finds the admin API of a file that is no TOML ${name}`, async () => {
    await using admin = new FakeAdmin(STATUS, { token: "t0" });
    const config = new ConfigFile(breaking(`[admin] # here\ntoken = "t0"\naddress = "${admin.address}"`));
    try {
      const { code, stdout } = await runSluice(["status", "--names", "-c", config.path], { deadlineMs: PATIENCE_MS });
      assertEquals([code, stdout], [0, "api/b1\n"]);
    } finally {
      config.remove();
    }
  });
}

Deno.test("sluice plan names what is wrong by the file that was given", async () => {
  const view: PlanView = {
    ok: false,
    problems: [`${VIEW.configPath}:3: upstreams.a: wrong`, "elsewhere: stays"],
    changes: [],
    warnings: [`${VIEW.configPath}:4: upstreams.b: odd`],
    restartNeeded: [],
  };
  await using admin = new FakeAdmin({ ...STATUS, "POST /api/plan": { body: view } });
  const config = new ConfigFile("anything");
  try {
    const args = ["plan", config.path, "--admin", admin.address];
    const { code, stdout } = await runSluice(args, { deadlineMs: PATIENCE_MS });
    assertEquals(code, 2);
    assertStringIncludes(stdout, `  ${config.path}:3: upstreams.a: wrong\n  elsewhere: stays\n`);
    assert(!stdout.includes(VIEW.configPath), stdout);
    const json = await runSluice([...args, "--json"], { deadlineMs: PATIENCE_MS });
    assertEquals(JSON.parse(json.stdout).warnings, [`${config.path}:4: upstreams.b: odd`]);
  } finally {
    config.remove();
  }
});

Deno.test("sluice status --watch --json writes nothing but JSON lines, also when the proxy is away for a while", async () => {
  let asked = 0;
  const away = { status: 503, body: { message: "away" } };
  await using admin = new FakeAdmin({ "/api/status": () => ++asked === 2 ? away : { body: VIEW } });
  const main = new URL("../../../main.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", main, "status", "--watch", "--json", "--admin", admin.address],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const watch = new Watch();
  const [stdout, stderr] = [new LineLog(child.stdout, watch), new LineLog(child.stderr, watch)];
  try {
    await watch.until(() => stdout.records.length >= 2, () => `two views, got ${stdout.text}`, PATIENCE_MS);
  } finally {
    child.kill("SIGINT");
    await withDeadline(Promise.all([child.status, stdout.ended, stderr.ended]), PATIENCE_MS, () => "its end");
  }
  assertEquals(stdout.lines.length, stdout.records.length, stdout.text);
  assertMatch(stderr.text, /UTC, 127\.0\.0\.1:\d+: .*away/);
});
