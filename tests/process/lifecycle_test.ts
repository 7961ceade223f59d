/** How sluice starts, drains and ends: signals, deadlines, exit statuses. */

import { assert, assertEquals, assertInRange, assertMatch, assertRejects } from "../support/assert.ts";
import { answerAfter, hang, response } from "../support/backend_scripts.ts";
import { ConfigFile } from "../support/config_file.ts";
import { get, RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { runSluice, SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { WsBackend } from "../support/ws_backend.ts";
import { WORKERS } from "../support/workers.ts";
import { WsClient } from "../support/ws_client.ts";
import { connect, listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { answering } from "../support/reload_stage.ts";

const WEB = listenerToml("web");
const OPTIONS = { deadlineMs: PATIENCE_MS };
const REQUEST = "GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n";

for (const [engine, signal] of [["serve", "SIGTERM"], ["serve", "SIGINT"], ["wire", "SIGTERM"]] as const) {
  Deno.test(`${engine}: ${signal} lets what is in flight end, refuses what is new, closes what is idle, and exits with 0`, async () => {
    const gate = new Gate();
    await using backend = ScriptedBackend.start(answerAfter(gate.opened, response(200, "in time")));
    await using sluice = await SluiceProcess.start(
      listenerToml("web", `engine = "${engine}"`) + upstreamToml("api", [backend.url]),
      OPTIONS,
    );
    const web = sluice.address("web");
    using idle = await connect(web);
    await idle.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    assertEquals((await idle.readResponse()).status, 404);
    using busy = await connect(web);
    await busy.send(REQUEST);
    await backend.waitForRequests(1, PATIENCE_MS);

    sluice.signal(signal);
    const { exchanges } = await sluice.waitForEvent(({ event }) => event === "draining");
    assertInRange(Number(exchanges), WORKERS === 1 ? 1 : 0, 1); // of workers it is as they last told, 100 ms ago or less
    await idle.waitForClose();
    await untilRefused(web);
    gate.open();
    assertEquals((await busy.readResponse()).text, "in time");
    assertEquals(await sluice.waitForExit(), 0);
    assertEquals((await sluice.waitForEvent(({ event }) => event === "stopped")).cut_off, 0);
    sluice.assertNoBugs();
  });
}

Deno.test("a drain whose time is over cuts off what is left, and still exits with 0", async () => {
  await using backend = ScriptedBackend.start(hang());
  await using stream = ScriptedBackend.start(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
    await exchange.connection.closed;
  });
  await using sockets = WsBackend.start();
  const toml = `[server]\ndrain = "200ms"\n` + WEB + upstreamToml("api", [backend.url]) +
    upstreamToml("stream", [stream.url]) + upstreamToml("ws", [sockets.url]);
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const web = sluice.address("web");
  using waiting = await connect(web);
  await waiting.send(REQUEST);
  await backend.waitForRequests(1, PATIENCE_MS);
  using reading = await connect(web);
  await reading.send("GET /stream/ HTTP/1.1\r\nHost: a\r\n\r\n");
  const body = reading.bodyOf(await reading.readResponseHead());
  assertEquals(new TextDecoder().decode((await body.read())!), "begun");
  const socket = await WsClient.open(`ws://${web}/ws/`);

  sluice.signal("SIGTERM");
  assertEquals((await socket.waitForClose()).code, 1001); // Deno closes WebSockets at once: going away
  assertEquals(await sluice.waitForExit(), 0);
  const errors = sluice.accessLog.map(({ target, error }) => `${target} ${error}`).sort();
  assertEquals(errors, ["/api/ shutting_down", "/stream/ shutting_down", "/ws/ "]);
  assertEquals((await waiting.readResponse()).status, 503);
  await assertRejects(() => body.readAll(), Error); // never a clean end
  assertEquals((await sluice.waitForEvent(({ event }) => event === "stopped")).cut_off, 2);
  sluice.assertNoBugs();
});

for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
  Deno.test(`a second ${signal} ends it at once, with ${code}`, async () => {
    await using backend = ScriptedBackend.start(hang());
    await using sluice = await SluiceProcess.start(WEB + upstreamToml("api", [backend.url]), OPTIONS);
    using client = await connect(sluice.address("web"));
    await client.send(REQUEST);
    await backend.waitForRequests(1, PATIENCE_MS);
    sluice.signal(signal);
    await sluice.waitForEvent(({ event }) => event === "draining");
    sluice.signal(signal);
    assertEquals(await sluice.waitForExit(), code);
    sluice.assertNoBugs();
  });
}

Deno.test("a reload that is asked for while it drains does nothing", async () => {
  const gate = new Gate();
  await using backend = ScriptedBackend.start(answerAfter(gate.opened));
  const toml = WEB + upstreamToml("api", [backend.url]);
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  using client = await connect(sluice.address("web"));
  await client.send(REQUEST);
  await backend.waitForRequests(1, PATIENCE_MS);
  sluice.signal("SIGTERM");
  await sluice.waitForEvent(({ event }) => event === "draining");
  sluice.writeConfig(toml + answering("new"));
  sluice.signal("SIGHUP");
  gate.open();
  assertEquals((await client.readResponse()).status, 200);
  assertEquals(await sluice.waitForExit(), 0);
  assert(!sluice.events.some(({ event }) => event === "reloaded"));
  sluice.assertNoBugs();
});

// The last lines were waited for without end: a reader that had stopped reading kept the process alive for ever.
Deno.test("a stalled reader of the access log holds up neither requests nor reloads nor the end", async () => {
  const config = new ConfigFile(WEB + answering("ok"));
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("../../main.ts", import.meta.url).pathname,
      "run",
      "--config",
      config.path,
    ],
    stdin: "null",
    stdout: "piped", // and never read
    stderr: "piped",
  }).spawn();
  const events = eventsOf(child.stderr);
  try {
    const { address } = await events.next(({ event }) => event === "listening");
    // Fills the pipe, and then the queue behind it, with long lines.
    const target = `/${"x".repeat(8000)}`;
    using client = await connect(String(address));
    for (let index = 0; index < 400; index++) {
      await client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assertEquals((await client.readResponse()).status, 200);
    }
    child.kill("SIGHUP");
    assertEquals((await events.next(({ event }) => event === "reloaded")).generation, 2);
    assertEquals((await get(String(address), "/", {}, OPTIONS)).status, 200);
    child.kill("SIGTERM");
    await events.next(({ event }) => event === "stopped");
    await child.stdout.cancel();
    assertEquals((await child.status).code, 0);
  } finally {
    config.remove();
    await events.end();
    await child.status;
  }
});

const FAILED_STARTS = [
  {
    name: "a port in use",
    toml: (port: number) => listenerToml("web").replace(":0", `:${port}`) + answering("x"),
    code: 1,
    stderr: /^sluice: Cannot listen on 127\.0\.0\.1:\d+: the address is in use\n$/,
  },
  {
    name: "an access log that cannot be written",
    toml: () => `${WEB}${answering("x")}[log]\naccess = "/nowhere/access.log"\n`,
    code: 1,
    stderr: /^sluice: Cannot write the access log \/nowhere\/access\.log: no such folder\n$/,
  },
  {
    name: "a bad configuration",
    toml: () => WEB.replace("name", "nmae") + answering("x"),
    code: 2,
    stderr: /^\S+config\.toml:2: listeners\[0\]\.nmae: unknown key; did you mean "name"\?\n$/,
  },
] as const;
for (const { name, toml, code, stderr } of FAILED_STARTS) {
  Deno.test(`${name} is one clear line and exit ${code}`, async () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const config = new ConfigFile(toml(taken.addr.port));
    try {
      const result = await runSluice(["run", "--config", config.path], OPTIONS);
      assertMatch(result.stderr, stderr);
      assertEquals([result.code, result.stdout], [code, ""]);
    } finally {
      config.remove();
    }
  });
}

Deno.test("a file that is not there is one clear line and exit 2", async () => {
  const result = await runSluice(["--config", "/nowhere/config.toml"], OPTIONS);
  assertEquals(result, { code: 2, stdout: "", stderr: "/nowhere/config.toml: cannot be read: no such file\n" });
});

/** The system may complete a last few connections while the socket closes; they are closed unanswered, or reset. */
async function untilRefused(address: string): Promise<void> {
  for (;;) {
    try {
      (await RawClient.connect(address)).close();
    } catch (error) {
      // Which of the two depends on whether the reset came before or behind the client's first call on its socket.
      if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected) continue;
      return assert(error instanceof Deno.errors.ConnectionRefused, String(error));
    }
  }
}

interface Events {
  next(isWanted: (event: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  end(): Promise<void>;
}

function eventsOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Events {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async next(isWanted) {
      for (;;) {
        const lineEnd = text.indexOf("\n");
        if (lineEnd >= 0) {
          const line = text.slice(0, lineEnd);
          text = text.slice(lineEnd + 1);
          const event = JSON.parse(line);
          if (isWanted(event)) return event;
          continue;
        }
        const { value, done } = await reader.read();
        if (done) throw new Error("stderr ended");
        text += value;
      }
    },
    async end() {
      await reader.cancel();
    },
  };
}
