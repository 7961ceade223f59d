/** Commands that read files of their own: where the admin API is, and what two configurations differ in. */

import { PATIENCE_MS } from "../../support/proxy_stage.ts";
import { assertResult } from "./command_result.ts";
import { ConfigFile } from "../../support/config_file.ts";
import { runSluice } from "../../support/sluice_process.ts";

for (
  const [name, toml, expected] of [
    ["without [admin]", "", /has no \[admin\] section.*--admin/],
    ["that is no TOML", "[admin", /it is no TOML.*--admin/],
    ["with a port that the system chooses", `[admin]\naddress = "127.0.0.1:0"`, /system chooses the port.*--admin/],
  ] as const
) {
  Deno.test(`sluice status with a file ${name} says how to go on`, async () => {
    const config = new ConfigFile(toml);
    try {
      const result = await runSluice(["status", "--config", config.path], { deadlineMs: PATIENCE_MS });
      assertResult(result, { code: 1, stdout: [], stderr: [expected] });
    } finally {
      config.remove();
    }
  });
}

Deno.test("sluice plan compares two files without any proxy", async () => {
  const listener = `[[listeners]]\naddress = "127.0.0.1:8080"\n`;
  const rest = `[[routes]]\nrespond = { body = "x" }\n`;
  const config = new ConfigFile(listener + rest);
  try {
    const next = config.add("next.toml", `[server]\ndrain = "5s"\n${listener}${rest}`);
    const bad = config.add("bad.toml", `[server]\ndrian = "5s"\n${listener}${rest}`);
    const refused = config.add("refused.toml", `${listener}engine = "wire"\n${rest}`);
    const plan = (file: string, ...more: string[]) =>
      runSluice(["plan", file, "--against", config.path, ...more], { deadlineMs: PATIENCE_MS });
    const [changed, same, invalid, forbidden] = await Promise.all([
      plan(next, "--exit-code"),
      plan(config.path, "--exit-code"),
      plan(bad),
      plan(refused),
    ]);
    assertResult(changed, { code: 4, stdout: [/~ server\.drain: 30s → 5s\n/, /\n1 changed\n$/], stderr: [] });
    assertResult(same, { code: 0, stdout: [/config\.toml changes nothing in /], stderr: [] });
    assertResult(invalid, {
      code: 2,
      stdout: [/bad\.toml:2: server\.drian: unknown key; did you mean "drain"/],
      stderr: [],
    });
    assertResult(forbidden, { code: 2, stdout: [/engine and TLS cannot change at 127\.0\.0\.1:8080/], stderr: [] });
  } finally {
    config.remove();
  }
});
