/** Exact permissions: what `sluice permissions` prints is enough, and what goes beyond it is refused by name. */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { echo } from "../../support/backend_scripts.ts";
import { testCertificates } from "../../support/certificates.ts";
import { ConfigFile } from "../../support/config_file.ts";
import { OtlpReceiver } from "../../support/otlp_receiver.ts";
import { get } from "../../support/raw_client.ts";
import { ScriptedBackend } from "../../support/scripted_backend.ts";
import { runSluice, SluiceProcess } from "../../support/sluice_process.ts";
import { ONE_WORKER } from "../../support/workers.ts";
import { PATIENCE_MS, upstreamToml } from "../../support/proxy_stage.ts";
import { answering, bodyAt, freePort, refusal, reload } from "../../support/reload_stage.ts";

const OPTIONS = { deadlineMs: PATIENCE_MS };

/** The flags for a configuration in a folder that the process will really use. */
async function flagsFor(sluiceFolder: string, toml: string): Promise<string[]> {
  const path = `${sluiceFolder}/config.toml`;
  Deno.writeTextFileSync(path, toml);
  const { code, stdout, stderr } = await runSluice(["permissions", path], OPTIONS);
  assertEquals([code, stderr], [0, ""]);
  assert(!stdout.includes("'"), `Needs no quoting here: ${stdout}`);
  return stdout.trim().split(" ");
}

/** A process whose folder is known before it starts, because its flags name it. */
async function startExactly(config: ConfigFile, toml: string): Promise<SluiceProcess> {
  const denoFlags = await flagsFor(config.folder, toml);
  return await SluiceProcess.start(toml, { ...OPTIONS, denoFlags, args: ["--config", config.path] });
}

/** By its name, which takes a file to look up, where it has one. */
function ownGroup(): string {
  const gid = String(Deno.gid());
  const lines = Deno.readTextFileSync("/etc/group").split("\n").map((line) => line.split(":"));
  return lines.find(([, , number]) => number === gid)?.[0] ?? gid;
}

Deno.test("sluice runs with exactly the flags that sluice permissions prints", async () => {
  const { authority, localhost } = await testCertificates();
  const config = new ConfigFile("");
  try {
    config.add("site.pem", localhost.cert);
    config.add("site.key", localhost.key);
    config.add("ca.pem", authority.cert);
    await using plain = ScriptedBackend.start(echo());
    await using secure = ScriptedBackend.start(echo(), { tls: localhost });
    await using collector = OtlpReceiver.start();
    await using local = ScriptedBackend.start(echo(), { unixPath: `${config.folder}/backend.sock` });
    const [web, tls] = [freePort(), freePort()];
    const head = `[[listeners]]\nname = "web"\naddress = "127.0.0.1:${web}"\n` +
      `[[listeners]]\nname = "tls"\naddress = "127.0.0.1:${tls}"\ntls = { cert = "site.pem", key = "site.key" }\n` +
      `[[listeners]]\nname = "unix"\naddress = "unix:${config.folder}/edge.sock"\n` +
      `mode = "0660"\ngroup = "${ownGroup()}"\n`;
    // Worker threads load our code once more, which Deno asks leave for.
    const server = `[server]\nworkers = 2\n`;
    const tracing = `[tracing]\nendpoint = "http://localhost:${collector.port}/v1/traces"\nsample = 1.0\n`;
    const toml = server + head + tracing + `[log]\naccess = "access.log"\n` + upstreamToml("plain", [plain.url]) +
      upstreamToml("secure", [secure.url], { keys: `tls = { ca = "ca.pem" }` }) + upstreamToml("local", [local.url]);
    await using sluice = await startExactly(config, toml);
    for (const path of ["/plain/", "/secure/", "/local/"]) {
      for (const address of [`127.0.0.1:${web}`, `unix:${config.folder}/edge.sock`]) {
        assertEquals((await get(address, path, {}, OPTIONS)).status, 200, `${address}${path}`);
      }
    }
    assertEquals(Deno.statSync(`${config.folder}/edge.sock`).mode! & 0o777, 0o660);
    const options = { ...OPTIONS, tls: { caCerts: [authority.cert], hostname: "localhost" } };
    assertEquals((await get(`127.0.0.1:${tls}`, "/plain/", {}, options)).status, 200);
    await collector.waitFor(() => collector.spans.length === 14, "two spans of each request", PATIENCE_MS);

    // A backend that the flags do not cover would fail every request: refused before it is in force.
    const elsewhere = freePort();
    const more = toml.replace(plain.url, `http://127.0.0.1:${elsewhere}`);
    const [problem] = await refusal(sluice, () => config.write(more));
    assertEquals(
      problem,
      `needs Deno permissions that were not granted: --allow-net=127.0.0.1:${elsewhere} (see "sluice permissions")`,
    );
    assertEquals((await get(`127.0.0.1:${web}`, "/plain/", {}, OPTIONS)).status, 200);
    await reload(sluice, () => config.write(server + head + answering("mended")));
    assertEquals(await bodyAt(`127.0.0.1:${web}`), "mended");
    assertEquals(await sluice.stop(), 0);
    assertEquals(Deno.readTextFileSync(`${config.folder}/access.log`).trim().split("\n").length, 8);
  } finally {
    config.remove();
  }
});

Deno.test("a permission that is missing is one clear line with the flags, and exit 1", async () => {
  const port = freePort();
  const config = new ConfigFile(
    `[server]\n${ONE_WORKER}\n[[listeners]]\nname = "web"\naddress = "127.0.0.1:${port}"\n` +
      upstreamToml("api", ["http://127.0.0.1:1"]),
  );
  try {
    const denoFlags = [`--allow-read=${config.folder}`, "--allow-env", `--allow-net=127.0.0.1:${port}`];
    const { code, stdout, stderr } = await runSluice(["--config", config.path], { ...OPTIONS, denoFlags });
    const line =
      'sluice: needs Deno permissions that were not granted: --allow-net=127.0.0.1:1 (see "sluice permissions")\n';
    assertEquals([code, stdout, stderr], [1, "", line]);
    const blind = await runSluice(["--config", config.path], { ...OPTIONS, denoFlags: [] });
    assertEquals(blind.code, 2);
    assertMatch(blind.stderr, /config\.toml: cannot be read: not allowed; see `sluice permissions`\n$/);
  } finally {
    config.remove();
  }
});

// A comma in a socket's path has no spelling in a flag's value: the flag stands alone, which the check tripped over.
Deno.test("a socket whose path holds a comma needs the whole kind", async () => {
  const config = new ConfigFile("");
  try {
    const path = `${config.folder}/edge,1.sock`;
    const toml = `[[listeners]]\nname = "unix"\naddress = "unix:${path}"\n` + answering("comma");
    const flags = await flagsFor(config.folder, toml);
    assert(flags.includes("--allow-net"), flags.join(" "));
    const denied = await runSluice(["--config", config.path], {
      ...OPTIONS,
      denoFlags: flags.filter((flag) => flag !== "--allow-net"),
    });
    assertEquals(denied.code, 1);
    assertMatch(denied.stderr, /not granted: --allow-net \(see/);
    await using sluice = await startExactly(config, toml);
    assertEquals(await bodyAt(`unix:${path}`), "comma");
    assertEquals(await sluice.stop(), 0);
  } finally {
    config.remove();
  }
});
