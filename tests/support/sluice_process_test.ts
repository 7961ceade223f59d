/** The process harness, on a stand-in that keeps the contract of the command line. */

import { assertEquals, assertInRange, assertMatch, assertRejects, assertThrows } from "./assert.ts";
import { ConfigFile } from "./config_file.ts";
import { get } from "./raw_client.ts";
import { runSluice, SluiceProcess } from "./sluice_process.ts";

const STAND_IN = `
const path = Deno.args[Deno.args.indexOf("--config") + 1];
const text = Deno.readTextFileSync(path);
const log = (event) => console.error(JSON.stringify(event));
if (text.includes("wrong")) {
  console.error("config.toml:1: wrong");
  Deno.exit(2);
}
const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  const { pathname } = new URL(request.url);
  console.log(JSON.stringify({ path: pathname }));
  if (pathname === "/bug") Promise.reject(new Error("Uncaught by design"));
  return new Response(Deno.env.get("GREETING") + await Deno.readTextFile(path));
});
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  console.error("unhandled rejection: " + event.reason);
});
Deno.addSignalListener("SIGHUP", () => log({ event: "reloaded" }));
Deno.addSignalListener("SIGTERM", async () => {
  await http.shutdown();
  Deno.exit(0);
});
log({ event: "listening", listener: "admin", address: "127.0.0.1:1" });
log({ event: "listening", listener: "web", address: "127.0.0.1:" + http.addr.port });
`;

const WEB = `[[listeners]]\nname = "web"\n`;

async function withStandIn(work: (entry: string) => Promise<void>): Promise<void> {
  const entry = await Deno.makeTempFile({ suffix: ".js" });
  try {
    await Deno.writeTextFile(entry, STAND_IN);
    await work(entry);
  } finally {
    await Deno.remove(entry);
  }
}

for (const how of ["in_place", "rename", "symlink"] as const) {
  Deno.test(`SluiceProcess.writeConfig() replaces the file (${how})`, () =>
    withStandIn(async (entry) => {
      const layout = how === "symlink" ? "symlink" : "plain";
      await using sluice = await SluiceProcess.start(WEB, { entry, layout, env: { GREETING: "hi " } });
      assertEquals((await get(sluice.address("web"), "/")).text, `hi ${WEB}`);
      sluice.writeConfig("# new", how);
      assertEquals((await get(sluice.address("web"), "/")).text, "hi # new");
    }));
}

Deno.test("SluiceProcess reports events, access lines, usage and a clean stop", () =>
  withStandIn(async (entry) => {
    await using sluice = await SluiceProcess.start(WEB, { entry });
    assertEquals(await sluice.waitForAddress("admin"), "127.0.0.1:1");
    assertThrows(() => sluice.address("api"), Error, "there are: admin,web");
    sluice.signal("SIGHUP");
    assertEquals((await sluice.waitForEvent(({ event }) => event === "reloaded")).event, "reloaded");
    await get(sluice.address("web"), "/a");
    assertEquals(await sluice.waitForAccess(() => true), { path: "/a" });
    assertInRange(sluice.rssBytes(), 10e6, 2e9);
    assertInRange(sluice.cpuMicros(), 10_000, 60e6);
    assertEquals(await sluice.stop(), 0);
  }));

Deno.test("SluiceProcess.stop() throws when a bug was printed", () =>
  withStandIn(async (entry) => {
    await using sluice = await SluiceProcess.start(WEB, { entry });
    await get(sluice.address("web"), "/bug");
    await assertRejects(() => sluice.stop(), Error, "Uncaught by design");
  }));

Deno.test("SluiceProcess.start() throws with what was printed when it exits", () =>
  withStandIn(async (entry) => {
    await assertRejects(() => SluiceProcess.start(`${WEB}wrong`, { entry }), Error, "config.toml:1: wrong");
  }));

Deno.test("runSluice() gives code and output", () =>
  withStandIn(async (entry) => {
    const config = new ConfigFile("wrong");
    const { code, stdout, stderr } = await runSluice(["run", "--config", config.path], { entry });
    config.remove();
    assertEquals(code, 2);
    assertEquals(stdout, "");
    assertMatch(stderr, /^config\.toml:1: wrong$/m);
  }));
