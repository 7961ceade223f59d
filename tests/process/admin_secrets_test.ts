/** A running proxy keeps to itself what its environment holds: in its log, its API and its metrics. */

import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { get } from "../support/raw_client.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { ADMIN_TOML, AdminClient } from "./admin_client.ts";
import { listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { refusal, reload } from "../support/reload_stage.ts";

/** In the content of every variable. */
const MARK = /zq7/i;
const ENV = {
  TOKEN: "zq7token\n",
  BODY: "zq7body",
  URL: "http://zq7host.localhost:81",
  FOLDER: "/zq7folder",
  ADDRESS: "127.0.0.1:0",
};

const VIEWS = ["status", "events", "config", "routes", "upstreams", "history", "openapi.json"].map((name) =>
  `/api/${name}`
);

for (const workers of [1, 2]) {
  Deno.test(`what variables hold is neither logged nor shown (${workers} workers)`, async () => {
    const toml = `[server]\nworkers = ${workers}\n` + ADMIN_TOML +
      listenerToml("web").replace('"127.0.0.1:0"', '"${ADDRESS}"') +
      upstreamToml("api", ["${URL}"]) +
      '[[routes]]\npath = "/own"\nrespond = { body = "${BODY}" }\n';
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, env: ENV });
    const admin = await AdminClient.of(sluice);
    assertEquals((await get(sluice.address("web"), "/own")).text, ENV.BODY, "what it does is done with the content");
    assertEquals((await get(sluice.address("web"), "/api/")).status, 502);

    const refused = toml +
      '[[routes]]\npath = "/more"\nrespond = { body = "", headers = { x-key = "${TOKEN}" } }\n';
    assertEquals(await refusal(sluice, () => sluice.writeConfig(refused)), [
      `${sluice.config.path}:22: routes[2].respond.headers.x-key: must not hold line breaks, got "\${TOKEN}"`,
    ]);
    for (
      const more of [
        '[log]\naccess = "${FOLDER}/access.log"\n',
        listenerToml("more").replace('"127.0.0.1:0"', '"unix:${FOLDER}/socket"'),
        listenerToml("more").replace(
          '"127.0.0.1:0"',
          '"127.0.0.1:0"\ntls = { cert = "${FOLDER}/c", key = "${FOLDER}/k" }',
        ),
      ]
    ) assertStringIncludes((await refusal(sluice, () => sluice.writeConfig(toml + more))).join(), "${FOLDER}");
    await reload(sluice, () => sluice.writeConfig(toml.replace("${BODY}", "${BODY}${URL}")));

    const plan = await admin.ask("POST /api/plan", toml.replace("${BODY}", "${BODY} ${BODY}"));
    const explained = await admin.ask("POST /api/explain", JSON.stringify({ method: "GET", url: "http://h/api/" }));
    const views = await Promise.all([...VIEWS, "/metrics"].map((path) => admin.ask(`GET ${path}`)));
    const shown = JSON.stringify([plan, explained, views]);
    for (const [what, text] of [["the API", shown], ["the log", sluice.stderr], ["the access log", sluice.stdout]]) {
      const at = text.search(MARK);
      assertEquals(at, -1, `${what}: ${text.slice(Math.max(0, at - 200), at + 80)}`);
      assertStringIncludes(text, what === "the access log" ? "${URL}" : "${FOLDER}");
    }
    assertEquals(await sluice.stop(), 0);
    assert(!MARK.test(sluice.stderr), sluice.stderr);
  });
}

Deno.test("POST /api/plan reads the variables and files of the running configuration, and no others", async () => {
  const toml = ADMIN_TOML + listenerToml("web") + upstreamToml("api", ["https://127.0.0.1:1"], {
    sections: 'tls.ca = "roots.pem"',
  }) + '[[routes]]\npath = "/own"\nrespond = { body = "${BODY:-none}" }\n';
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const files = { "roots.pem": pem, "other.pem": pem };
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, env: ENV, files });
  const admin = await AdminClient.of(sluice);
  const problems = async (text: string) =>
    (await admin.ask<{ problems: string[] }>("POST /api/plan", text)).view.problems
      .map((problem) => problem.replaceAll(/^\S*config\.toml:\d+: /gm, ""));

  assertEquals(await problems(toml.replace("${BODY:-none}", "${BODY} twice: ${BODY}")), []);
  const variable =
    'environment variable "NAME" is none that the running configuration uses, so it may not be read here';
  for (const [written, name] of [["${TOKEN}", "TOKEN"], ["${TOKEN:-none}", "TOKEN"], ["${NO_SUCH}", "NO_SUCH"]]) {
    assertEquals(await problems(toml.replace("${BODY:-none}", written)), [
      `routes[1].respond.body: ${variable.replace("NAME", name)}`,
    ]);
  }
  const file = "is no file of the running configuration, so it may not be read here";
  for (const path of ["other.pem", "no_such.pem", "/etc/passwd", "config.toml/../other.pem"]) {
    const resolved = path.startsWith("/") ? path : `${sluice.config.folder}/${path.replace(/^.*\.\.\//, "")}`;
    assertEquals(await problems(toml.replace("roots.pem", path)), [
      `upstreams.api.tls.ca: cannot read "${resolved}": ${file}`,
    ]);
  }
  assertEquals(await problems(toml.replace("roots.pem", "./x/../roots.pem")), []);
  sluice.assertNoBugs();
  assertEquals(await sluice.stop(), 0);
});
