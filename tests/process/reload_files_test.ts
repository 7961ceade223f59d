/** Reloading: what counts as a change of the files, and what a bad one does. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { testCertificates } from "../support/certificates.ts";
import { Load } from "../support/load.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { VARIANTS } from "../support/variants.ts";
import { listenerToml, PATIENCE_MS, step } from "../support/proxy_stage.ts";
import { answering, bodyAt, countOf, refusal, reload } from "../support/reload_stage.ts";

for (const variant of VARIANTS) {
  const WEB = listenerToml("web", variant.listener);
  const OPTIONS = { deadlineMs: PATIENCE_MS, env: variant.env };

  Deno.test(`${variant.name}: a changed configuration file takes effect`, async (t) => {
    await using sluice = await SluiceProcess.start(WEB + answering("v1"), {
      ...OPTIONS,
      env: { ...variant.env, GREETING: "from outside" },
    });
    const web = sluice.address("web");
    assertEquals(await bodyAt(web), "v1");

    for (const how of ["in_place", "rename"] as const) {
      await step(t, `written ${how}`, async () => {
        const { trigger } = await reload(sluice, () => sluice.writeConfig(WEB + answering(how), how));
        assertEquals(trigger, "file");
        assertEquals(await bodyAt(web), how);
      });
    }

    await step(t, "at SIGHUP, though nothing changed", async () => {
      const before = await reload(sluice, () => sluice.signal("SIGHUP"));
      const after = await reload(sluice, () => sluice.signal("SIGHUP"));
      assertEquals(after.trigger, "SIGHUP");
      assertEquals(Number(after.generation), Number(before.generation) + 1);
    });

    await step(t, "with variables of the environment", async () => {
      await reload(sluice, () => sluice.writeConfig(WEB + answering("${GREETING}, ${NOBODY_SET:-nobody}")));
      assertEquals(await bodyAt(web), "from outside, nobody");
      const problems = await refusal(sluice, () => sluice.writeConfig(WEB + answering("${SLUICE_TEST_UNSET}")));
      assertMatch(problems.join("\n"), /config\.toml:\d+: .*SLUICE_TEST_UNSET/);
      assertEquals(await bodyAt(web), "from outside, nobody");
    });

    await step(t, "log.level: error is silent, info speaks again", async () => {
      const from = sluice.events.length;
      sluice.writeConfig(`${WEB}${answering("quiet")}[log]\nlevel = "error"\n`);
      await until(async () => await bodyAt(web) === "quiet");
      assertEquals(sluice.events.slice(from), []);
      await reload(sluice, () => sluice.writeConfig(WEB + answering("loud")));
      assertEquals(await bodyAt(web), "loud");
    });
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${variant.name}: a symlink that is swapped for another folder takes effect`, async () => {
    await using sluice = await SluiceProcess.start(WEB + answering("v1"), { ...OPTIONS, layout: "symlink" });
    for (const body of ["v2", "v3"]) {
      await reload(sluice, () => sluice.writeConfig(WEB + answering(body), "symlink"));
      assertEquals(await bodyAt(sluice.address("web")), body);
    }
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${variant.name}: a bad configuration file changes nothing`, async (t) => {
    await using sluice = await SluiceProcess.start(WEB + answering("good"), OPTIONS);
    const web = sluice.address("web");

    const cases = [
      { name: "half-written", text: (WEB + answering("half")).slice(0, -20), problems: [/config\.toml:8: expected/] },
      { name: "empty", text: "", problems: [/config\.toml:1: listeners: at least one/] },
      {
        name: "wrong in two places, each with its line",
        text: `${WEB}\n${answering("x").replace("path", "pth")}[log]\nlevel = "loud"\n`,
        problems: [/config\.toml:8: routes\[0\]\.pth: .*did you mean "path"/, /config\.toml:11: log\.level: .*"loud"/],
      },
    ];
    for (const { name, text, problems } of cases) {
      await step(t, `${name}: refused once, old in force, mended file taken`, async () => {
        const refusedBefore = countOf(sluice, "reload_refused");
        const told = await refusal(sluice, () => sluice.writeConfig(text));
        for (const problem of problems) assert(told.some((line) => problem.test(line)), told.join("\n"));
        assertEquals(await bodyAt(web), "good");
        await reload(sluice, () => sluice.writeConfig(WEB + answering(`mended: ${name}`)));
        assertEquals(await bodyAt(web), `mended: ${name}`);
        assertEquals(countOf(sluice, "reload_refused"), refusedBefore + 1);
        await reload(sluice, () => sluice.writeConfig(WEB + answering("good")));
      });
    }

    await step(t, "vanished: refused once, taken when it is back", async () => {
      const refusedBefore = countOf(sluice, "reload_refused");
      const told = await refusal(sluice, () => Deno.removeSync(sluice.config.path));
      assertMatch(told.join("\n"), /config\.toml: cannot be read: no such file/);
      assertEquals(await bodyAt(web), "good");
      await reload(sluice, () => sluice.writeConfig(WEB + answering("back")));
      assertEquals(await bodyAt(web), "back");
      assertEquals(countOf(sluice, "reload_refused"), refusedBefore + 1);
    });

    // Only the files of the running configuration were watched: what a refused one lacked could come unnoticed.
    await step(t, "names a file that is not there: taken as soon as the file is", async () => {
      const { authority } = await testCertificates();
      const upstream = `[upstreams.safe]\nbackends = [{ url = "https://localhost:1" }]\ntls = { ca = "ca.pem" }\n`;
      const told = await refusal(sluice, () => sluice.writeConfig(WEB + upstream + answering("with ca")));
      assertMatch(told.join("\n"), /config\.toml:\d+: upstreams\.safe\.tls\.ca: cannot read .*no such file/);
      await reload(sluice, () => sluice.config.add("ca.pem", authority.cert));
      assertEquals(await bodyAt(web), "with ca");
    });
    assertEquals(await sluice.stop(), 0);
  });

  // The watcher used to read the files anew after a reload, and took for known what had been saved meanwhile.
  Deno.test(`${variant.name}: a file that is saved during a reload takes effect`, async () => {
    await using sluice = await SluiceProcess.start(WEB + answering("v0"), OPTIONS);
    const web = sluice.address("web");
    for (let round = 1; round <= 15; round++) {
      await reload(sluice, () => {
        sluice.signal("SIGHUP");
        sluice.writeConfig(WEB + answering(`first ${round}`));
      });
      sluice.writeConfig(WEB + answering(`last ${round}`));
      await until(async () => await bodyAt(web) === `last ${round}`);
    }
    assertEquals(countOf(sluice, "reload_refused"), 0);
    assertEquals(await sluice.stop(), 0);
  });
}

// Each half is a valid configuration; the first one has a route less.
Deno.test("a file that is written in two halves takes effect as a whole", async () => {
  // Three times the default: under load 50 ms may become some hundred.
  const options = { deadlineMs: PATIENCE_MS, env: { SLUICE_SERVER_RELOAD_QUIET: "750ms" } };
  const route = (path: string, body: string) => `[[routes]]\npath = "${path}"\nrespond = { body = "${body}" }\n`;
  const half = (body: string) => listenerToml("web") + route("/one", body);
  await using sluice = await SluiceProcess.start(half("v0") + route("/two", "v0"), options);
  const load = new Load({ address: sluice.address("web"), target: () => "/two", clients: 2, pauseMs: 2 });
  for (let round = 1; round <= 6; round++) {
    const from = sluice.events.length;
    sluice.writeConfig(half(`v${round}`), "in_place");
    await pause(50);
    Deno.writeTextFileSync(sluice.config.path, route("/two", `v${round}`), { append: true });
    if (round % 2 === 0) await sluice.waitForEvent(({ event }) => event === "reloaded", from);
    else await pause(50); // the next one comes before this one has rested
  }
  await load.more(20);
  await load.stop();
  assertEquals(load.failed, 0, String(load));
  assertEquals(await bodyAt(sluice.address("web"), "/two"), "v6");
  assertEquals(countOf(sluice, "reloaded"), 3);
  assertEquals(await sluice.stop(), 0);
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Each look is a request, which takes its time: no pause between them is needed. */
async function until(isMet: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!await isMet()) assert(performance.now() < end, "did not come true in time");
}
