/** deploy/Containerfile without a container engine: its instructions, and what they come to when done by hand. */

import { probe } from "../../../deploy/probe.ts";
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "../../support/assert.ts";
import { execForm, type Instruction, parseContainerfile } from "./containerfile.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const INSTRUCTIONS = parseContainerfile(Deno.readTextFileSync(`${ROOT}deploy/Containerfile`));
const LAST_STAGE = INSTRUCTIONS.slice(INSTRUCTIONS.findLastIndex(({ name }) => name === "FROM"));

/** The instruction of that name in the last stage, as only that becomes the image. */
function only(name: string): Instruction {
  const found = LAST_STAGE.filter((instruction) => instruction.name === name);
  assertEquals(found.length, 1, name);
  return found[0];
}

/** From the tree into the first stage, as pairs of paths. */
const COPIES = INSTRUCTIONS.filter(({ name, flags }) => name === "COPY" && flags.from === undefined)
  .flatMap(({ rest }) => {
    const words = rest.split(/\s+/);
    const target = words.pop()!;
    return words.map((source) => ({ source, target: target === "./" ? source : target.replace(/^\.\//, "") }));
  });

Deno.test("Containerfile takes Deno by the version that the project is run with", () => {
  const [, version] = /npx -y deno@(\d+\.\d+\.\d+)/.exec(Deno.readTextFileSync(`${ROOT}README.md`))!;
  const images = INSTRUCTIONS.filter(({ name }) => name === "ARG").map(({ rest }) => rest.split("=")[1]);
  assertEquals(images, [`docker.io/denoland/deno:${version}`, `docker.io/denoland/deno:distroless-${version}`]);
});

Deno.test("Containerfile copies what exists, and adds nothing from elsewhere", () => {
  assert(COPIES.length > 0);
  for (const { source } of COPIES) assert(Deno.statSync(ROOT + source), source);
  assertEquals(INSTRUCTIONS.filter(({ name }) => name === "ADD"), []);
});

Deno.test("Containerfile: the process is not root, ends by SIGTERM and is watched, all without a shell", () => {
  assertMatch(only("USER").rest, /^[1-9]\d*:[1-9]\d*$/, "a number, for Kubernetes' runAsNonRoot");
  assertEquals(only("STOPSIGNAL").rest, "SIGTERM");
  assertEquals(only("ENV").rest.includes("SLUICE_CONFIG=/etc/sluice/config.toml"), true);
  assertEquals(execForm(only("CMD").rest), ["run"]);
  assertEquals(execForm(only("ENTRYPOINT").rest)[0], "/bin/deno");
  assertEquals(execForm(only("HEALTHCHECK").rest.replace(/^CMD /, "")).at(-1), "/app/deploy/probe.ts");
  assertEquals(LAST_STAGE.filter(({ name }) => name === "RUN"), []);
});

Deno.test("Containerfile grants no permission to run programs or load foreign code", () => {
  const words = [...execForm(only("ENTRYPOINT").rest), ...execForm(only("HEALTHCHECK").rest.replace(/^CMD /, ""))];
  assertEquals(words.filter((word) => /^(-A|--allow-(all|run|ffi|sys))/.test(word)), []);
});

/** `/app` and `/etc/sluice` as folders of their own; Deno is the one that runs this. */
function relocated(words: readonly string[], folder: string): string[] {
  return words.slice(1).map((word) =>
    word.replaceAll("/etc/sluice", `${folder}/etc`).replaceAll("/run/sluice", `${folder}/run`)
      .replaceAll(/(?<![\w-])\/app/g, `${folder}/app`)
  );
}

async function deno(args: readonly string[], cwd: string, env: Record<string, string>) {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd, env: { ...env, NO_COLOR: "1" } });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Packages come from the cache that runs this test, so no network is needed; the stripped code has to be made. */
async function cacheWithPackages(folder: string): Promise<string> {
  const { denoDir } = JSON.parse((await deno(["info", "--json"], ROOT, {})).stdout);
  const made = `${folder}/deno-dir`;
  Deno.mkdirSync(made);
  Deno.symlinkSync(`${denoDir}/npm`, `${made}/npm`);
  return made;
}

Deno.test("Containerfile: what it copies and caches is enough to start", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const app = `${folder}/app`;
    Deno.mkdirSync(`${folder}/etc`);
    for (const { source, target } of COPIES) await copyTree(ROOT + source, `${app}/${target}`);
    const denoDir = await cacheWithPackages(folder);
    const env = { DENO_DIR: denoDir, SLUICE_CONFIG: `${folder}/etc/config.toml` };
    const [run] = INSTRUCTIONS.filter(({ name }) => name === "RUN");
    const built = await deno(execForm(run.rest).slice(1), app, env);
    assertEquals(built.code, 0, built.stderr);

    Deno.writeTextFileSync(
      env.SLUICE_CONFIG,
      `[[listeners]]\naddress = "127.0.0.1:8080"\n[[routes]]\nrespond = { status = 200 }\n`,
    );
    const checked = await deno([...relocated(execForm(only("ENTRYPOINT").rest), folder), "check"], app, env);
    assertEquals([checked.code, checked.stderr], [0, ""]);
    assertStringIncludes(checked.stdout, ": good");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function copyTree(source: string, target: string): Promise<void> {
  if (Deno.statSync(source).isFile) {
    Deno.mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    return Deno.copyFileSync(source, target);
  }
  Deno.mkdirSync(target, { recursive: true });
  for (const { name } of Deno.readDirSync(source)) await copyTree(`${source}/${name}`, `${target}/${name}`);
}

for (const status of [200, 503]) {
  Deno.test(`probe() gives the status ${status} of what listens`, async () => {
    let target = "";
    await using listener = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      target = new URL(request.url).pathname;
      return new Response("", { status });
    });
    assertEquals(await probe(`http://127.0.0.1:${listener.addr.port}/healthz`), status);
    assertEquals(target, "/healthz");
  });
}

Deno.test("probe() fails when nobody listens, and gives up on one who is silent", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/healthz`;
  await assertRejects(() => probe(url, 50), Error); // which one depends on how far it came
  listener.close();
  await assertRejects(() => probe(url), Deno.errors.ConnectionRefused);
});
