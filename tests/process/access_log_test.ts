/** The access log of the running proxy: what a line says of each kind of exchange, and where lines go. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { answer, closeBeforeHead, hang, response } from "../support/backend_scripts.ts";
import type { JsonLine } from "../support/line_log.ts";
import { get } from "../support/raw_client.ts";
import { refusedPort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { WORKERS } from "../support/workers.ts";
import { accessOf, connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";
import { answering, reload } from "../support/reload_stage.ts";

const WEB = listenerToml("web");
const OPTIONS = { deadlineMs: PATIENCE_MS };

Deno.test("a line of the access log tells how an exchange went", async (t) => {
  await using good = ScriptedBackend.start(answer(response(200, "hello")));
  await using broken = ScriptedBackend.start(closeBeforeHead());
  await using silent = ScriptedBackend.start(hang());
  using refused = await refusedPort();
  const toml = WEB + listenerToml("wire", `engine = "wire"`) +
    upstreamToml("good", [`{ name = "g", url = "${good.url}" }`]) +
    upstreamToml("broken", [broken.url]) + upstreamToml("silent", [silent.url]) +
    upstreamToml("flaky", [`{ name = "dead", url = "${refused.url}" }`, `{ name = "well", url = "${good.url}" }`]);
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const web = sluice.address("web");
  const fieldsOf = (line: JsonLine, wanted: Record<string, unknown>) =>
    Object.fromEntries(Object.keys(wanted).map((key) => [key, line[key]]));

  await step(t, "success, with every field", async () => {
    await get(web, "/good/a?b=c", { "User-Agent": "test/1", Referer: "http://r/", "X-Request-Id": "my-id" }, OPTIONS);
    const { time, duration_ms: duration, ...line } = await accessOf(sluice, "/good/a?b=c");
    assert(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000, String(time));
    assert(Number(duration) >= 0 && Number(duration) < PATIENCE_MS, String(duration));
    assertEquals(line, {
      client: "127.0.0.1",
      method: "GET",
      scheme: "http",
      host: web,
      target: "/good/a?b=c",
      protocol: "HTTP/1.1",
      status: 200,
      bytes_in: 0,
      bytes_out: 5,
      route: "good",
      upstream: "good",
      backend: "g",
      attempts: 1,
      error: "",
      request_id: "my-id",
      user_agent: "test/1",
      referer: "http://r/",
    });
  });

  await step(t, "an upload", async () => {
    using client = await connect(web);
    await client.send("POST /good/up HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n1234567");
    assertEquals((await client.readResponse()).status, 200);
    const wanted = { method: "POST", bytes_in: 7, bytes_out: 5, status: 200, error: "" };
    assertEquals(fieldsOf(await accessOf(sluice, "/good/up"), wanted), wanted);
  });

  await step(t, "retried at another backend", async () => {
    for (let index = 0; index < 2; index++) await get(web, `/flaky/${index}`, {}, OPTIONS);
    const lines = [await accessOf(sluice, "/flaky/0"), await accessOf(sluice, "/flaky/1")];
    assertEquals(lines.map(({ status, backend }) => `${status} ${backend}`), ["200 well", "200 well"]);
    assertEquals(Math.max(...lines.map(({ attempts }) => Number(attempts))), 2);
  });

  await step(t, "an error of the backend, and one of ours", async () => {
    await get(web, "/broken/x", {}, OPTIONS);
    const wanted = { status: 502, error: "connection_reset", upstream: "broken", attempts: 2 };
    assertEquals(fieldsOf(await accessOf(sluice, "/broken/x"), wanted), wanted);
    await get(web, "/nowhere", {}, OPTIONS);
    const ours = { status: 404, error: "route_not_found", route: "", upstream: "", backend: "", attempts: 0 };
    assertEquals(fieldsOf(await accessOf(sluice, "/nowhere"), ours), ours);
  });

  await step(t, "a client that leaves", async () => {
    const client = await connect(web);
    await client.send("GET /silent/ HTTP/1.1\r\nHost: a\r\n\r\n");
    await silent.waitForRequests(1, PATIENCE_MS);
    client.close();
    const wanted = { error: "client_gone", upstream: "silent", attempts: 1 };
    assertEquals(fieldsOf(await accessOf(sluice, "/silent/"), wanted), wanted);
  });

  await step(t, "request ids: a new one each, the client's only when it is harmless", async () => {
    for (const [index, id] of ['a"b', "x".repeat(500), ""].entries()) {
      await get(web, `/good/id/${index}`, { "X-Request-Id": id }, OPTIONS);
    }
    const ids = [];
    for (let index = 0; index < 3; index++) ids.push(String((await accessOf(sluice, `/good/id/${index}`)).request_id));
    for (const id of ids) assertMatch(id, /^[\w-]{4,64}$/);
    assertNotEquals(ids[0], ids[1]);
  });

  await step(t, "UTF-8 as it is, bytes that are not by their number", async () => {
    for (const [index, engine] of ["web", "wire"].entries()) {
      using client = await connect(sluice.address(engine));
      const path = `/good/utf8/${index}`;
      await client.send(
        Uint8Array.from(
          [
            ...new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: a\r\nUser-Agent: caf\u00e9 \u20ac \u{1f600} "`),
            0xff,
          ] //
            .concat([...new TextEncoder().encode('"\r\nReferer: http://m\u00fcnchen/\r\n\r\n')]),
        ),
      );
      assertEquals((await client.readResponse()).status, 200);
      const line = await accessOf(sluice, path);
      assertEquals([line.user_agent, line.referer], ['caf\u00e9 \u20ac \u{1f600} "\u00ff"', "http://m\u00fcnchen/"]);
    }
    assert(sluice.stdout.includes('"user_agent":"caf\u00e9 \u20ac \u{1f600} \\"\\u00ff\\""'));
    using client = await connect(sluice.address("wire"));
    await client.send(new TextEncoder().encode("GET /good/\u00fcber HTTP/1.1\r\nHost: a\r\n\r\n"));
    assertEquals((await client.readResponse()).status, 200);
    await accessOf(sluice, "/good/\u00fcber");
  });

  await step(t, "nothing that a client sends makes another line", async () => {
    const nasty = 'x"},{"status":0\\ \t \xe4\x80';
    await get(web, "/good/%0d%0a{}", { "User-Agent": nasty }, OPTIONS);
    const line = await accessOf(sluice, "/good/%0d%0a{}");
    assertEquals(line.status, 200);
    assertMatch(String(line.user_agent), /^x"},\{"status":0\\/);
    for (const printed of sluice.stdout.split("\n")) assertEquals(typeof JSON.parse(printed).status, "number");
  });
  assertEquals(await sluice.stop(), 0);
});

Deno.test("the access log goes where the configuration says, also after a reload", async (t) => {
  const toml = (log: string) => `${WEB}${answering("ok")}[log]\n${log}\n`;
  await using sluice = await SluiceProcess.start(toml(`access = "one.log"`), OPTIONS);
  const web = sluice.address("web");
  const file = (name: string) => `${sluice.config.folder}/${name}`;
  const ask = (path: string) => get(web, path, {}, OPTIONS);
  // With one thread an exchange has ended before a later reload begins, and its line is on its way. A worker may hear of the
  // reload first, and then its line goes where the new configuration says.
  const settled = async (name: string, target: string) => {
    const deadline = performance.now() + PATIENCE_MS;
    while (WORKERS > 1 && !Deno.readTextFileSync(file(name)).includes(target)) {
      assert(performance.now() < deadline, `${target} does not come to ${name}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  await step(t, "to another file, with nothing lost", async () => {
    await ask("/first");
    await settled("one.log", "/first");
    await reload(sluice, () => sluice.writeConfig(toml(`access = "two.log"\nformat = "combined"`)));
    await ask("/second");
    await settled("two.log", "/second");
    await reload(sluice, () => sluice.writeConfig(toml(`access = "off"`)));
    await ask("/unseen");
    await reload(sluice, () => sluice.writeConfig(toml(`access = "two.log"`)));
    await ask("/third");
    await settled("two.log", "/third");
  });

  await step(t, "to a new file after SIGHUP when the old one was moved away", async () => {
    Deno.renameSync(file("two.log"), file("two.log.1"));
    await reload(sluice, () => sluice.signal("SIGHUP"));
    await ask("/fourth");
    assertEquals(await sluice.stop(), 0);
    const lines = (name: string) => Deno.readTextFileSync(file(name)).trim().split("\n");
    assertEquals(lines("one.log").map((line) => JSON.parse(line).target), ["/first"]);
    const [second, third, ...more] = lines("two.log.1");
    assertEquals(more, []);
    assertMatch(
      second,
      /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/second HTTP\/1\.1" 200 2 "-" "-"$/,
    );
    assertEquals(JSON.parse(third).target, "/third");
    assertEquals(lines("two.log").map((line) => JSON.parse(line).target), ["/fourth"]);
  });
});

Deno.test("files of the access log are not for everybody, and keep the mode that they have", async () => {
  const toml = (log: string) => `${WEB}${answering("ok")}[log]\naccess = "${log}"\n`;
  await using sluice = await SluiceProcess.start(toml("new.log"), OPTIONS);
  const modeOf = (name: string) => Deno.statSync(`${sluice.config.folder}/${name}`).mode! & 0o777;
  assertEquals(modeOf("new.log") & ~0o640, 0);
  assertEquals(modeOf("new.log") & 0o600, 0o600);
  const old = `${sluice.config.folder}/old.log`;
  Deno.writeTextFileSync(old, "");
  Deno.chmodSync(old, 0o604);
  await reload(sluice, () => sluice.writeConfig(toml("old.log")));
  assertEquals(modeOf("old.log"), 0o604);
  assertEquals(await sluice.stop(), 0);
});

/** Each thread has the file open by itself. */
Deno.test("lines of two workers stay whole, in a file and in a pipe, and none is lost at the end", async (t) => {
  for (const kind of ["file", "pipe"]) {
    await step(t, kind, async () => {
      const folder = Deno.makeTempDirSync({ prefix: "sluice_access_" });
      const path = `${folder}/access.log`;
      let piped: Promise<string> | null = null;
      if (kind === "pipe") {
        assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
        piped = Deno.readTextFile(path); // until the last writer has closed it
      }
      const toml = `[server]\nworkers = 2\n${listenerToml("web", `engine = "wire"`)}${answering("ok")}` +
        `[log]\naccess = "${path}"\n`;
      await using sluice = await SluiceProcess.start(toml, OPTIONS);
      const web = sluice.address("web");
      const asked: string[] = [];
      await Promise.all(Array.from({ length: 8 }, async (_, visitor) => {
        using client = await connect(web);
        for (let index = 0; index < 150; index++) {
          const target = `/${visitor}/${index}`;
          asked.push(target);
          await client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\nUser-Agent: ${"long ".repeat(60)}\r\n\r\n`);
          assertEquals((await client.readResponse()).status, 200);
        }
      }));
      assertEquals(await sluice.stop(), 0);
      const text = piped === null ? Deno.readTextFileSync(path) : await piped;
      const targets = text.trimEnd().split("\n").map((line) => String(JSON.parse(line).target));
      assertEquals(targets.sort(), asked.sort());
      Deno.removeSync(folder, { recursive: true });
    });
  }
});
