/** Reloading under traffic: what is new takes effect, and what is under way does not notice. */

import { assert, assertEquals, assertInRange } from "../support/assert.ts";
import { answerAfter, chunk, echo, response } from "../support/backend_scripts.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { get, RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { VARIANTS } from "../support/variants.ts";
import { Gate } from "../support/waiting.ts";
import { WsBackend } from "../support/ws_backend.ts";
import { WsClient } from "../support/ws_client.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";
import { answering, countOf, reload } from "../support/reload_stage.ts";

for (const variant of VARIANTS) {
  const WEB = listenerToml("web", variant.listener);
  const OPTIONS = { deadlineMs: PATIENCE_MS, env: variant.env };

  Deno.test(`${variant.name}: what a reload changes about balancing takes effect`, async (t) => {
    await using one = ScriptedBackend.start(echo(), { name: "one" });
    await using two = ScriptedBackend.start(echo(), { name: "two" });
    const members = (weights: readonly [number, number]) => [
      `{ url = "${one.url}", weight = ${weights[0]} }`,
      `{ url = "${two.url}", weight = ${weights[1]} }`,
    ];
    const toml = (urls: readonly string[], keys = "") => WEB + upstreamToml("api", urls, { keys });
    await using sluice = await SluiceProcess.start(toml([one.url]), OPTIONS);

    const shares = async (requests: number): Promise<[number, number]> => {
      const before = [one.requests.length, two.requests.length];
      using client = await RawClient.connect(sluice.address("web"), OPTIONS);
      for (let index = 0; index < requests; index++) {
        await client.send("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n");
        assertEquals((await client.readResponse()).status, 200);
      }
      return [one.requests.length - before[0], two.requests.length - before[1]];
    };

    await step(t, "a backend joins", async () => {
      assertEquals(await shares(4), [4, 0]);
      await reload(sluice, () => sluice.writeConfig(toml([one.url, two.url])));
      assertEquals(await shares(4), [2, 2]);
    });

    await step(t, "strategy and weights", async () => {
      const keys = `strategy = "weighted_round_robin"`;
      await reload(sluice, () => sluice.writeConfig(toml(members([3, 1]), keys)));
      assertEquals(await shares(8), [6, 2]);
      await reload(sluice, () => sluice.writeConfig(toml(members([1, 3]), keys)));
      assertEquals(await shares(8), [2, 6]);
      await reload(sluice, () => sluice.writeConfig(toml(members([0, 1]), keys)));
      assertEquals(await shares(3), [0, 3]);
    });

    await step(t, "a backend leaves, and its idle connections close", async () => {
      await reload(sluice, () => sluice.writeConfig(toml([one.url])));
      await two.waitForConnectionsClosed(PATIENCE_MS);
      assertEquals(await shares(3), [3, 0]);
    });
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${variant.name}: warm connections to a backend that stays are used on`, async () => {
    await using backend = ScriptedBackend.start();
    const api = upstreamToml("api", [backend.url]);
    await using sluice = await SluiceProcess.start(WEB + api, OPTIONS);
    using client = await RawClient.connect(sluice.address("web"), OPTIONS);
    for (let round = 0; round < 5; round++) {
      await client.send("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n");
      assertEquals((await client.readResponse()).status, 200);
      await reload(sluice, () => sluice.writeConfig(WEB + upstreamToml("other", [`http://127.0.0.1:1${round}`]) + api));
    }
    assertEquals(backend.requests.map(({ connectionId }) => connectionId), [0, 0, 0, 0, 0]);
    assertEquals(await sluice.stop(), 0);
  });

  // The old plan lived as long as its longest exchange, and so did idle connections and their warming.
  Deno.test(`${variant.name}: a backend that leaves finishes what is in flight and keeps nothing idle`, async () => {
    const gate = new Gate();
    await using backend = ScriptedBackend.start(echo());
    await using other = ScriptedBackend.start(echo());
    const toml = (url: string) => WEB + upstreamToml("api", [url], { sections: "[upstreams.api.pool]\nmin_idle = 2" });
    await using sluice = await SluiceProcess.start(toml(backend.url), OPTIONS);
    await backend.waitForConnections(2, PATIENCE_MS);
    backend.use(answerAfter(gate.opened, response(200, "in time")));
    using client = await RawClient.connect(sluice.address("web"), OPTIONS);
    await client.send("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n");
    await backend.waitForRequests(1, PATIENCE_MS);

    const { plans_alive: during } = await reload(sluice, () => sluice.writeConfig(toml(other.url)));
    assertEquals(during, 2);
    await backend.waitFor(() => backend.openConnections === 1, "idle connections to close", PATIENCE_MS);
    const opened = backend.connections.length;
    gate.open();
    assertEquals((await client.readResponse()).text, "in time");
    await backend.waitForConnectionsClosed(PATIENCE_MS);
    assertEquals(backend.connections.length, opened);
    const { plans_alive: after } = await reload(sluice, () => sluice.signal("SIGHUP"));
    assertEquals(after, 1);
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${variant.name}: streams and WebSockets go on over reloads`, async () => {
    const gates = [new Gate(), new Gate(), new Gate()];
    await using backend = ScriptedBackend.start(async (exchange) => {
      await exchange.write(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + new TextDecoder().decode(chunk("0")),
      );
      for (const [index, gate] of gates.entries()) {
        await exchange.wait(gate.opened);
        await exchange.write(chunk(String(index + 1)));
      }
      await exchange.write("0\r\n\r\n");
    });
    await using sockets = WsBackend.start();
    const toml = WEB + upstreamToml("stream", [backend.url]) + upstreamToml("ws", [sockets.url]);
    await using sluice = await SluiceProcess.start(toml, OPTIONS);
    const web = sluice.address("web");
    {
      await using socket = await WsClient.open(`ws://${web}/ws/chat`);
      using client = await RawClient.connect(web, OPTIONS);
      await client.send("GET /stream/ HTTP/1.1\r\nHost: a\r\n\r\n");
      const reader = client.bodyOf(await client.readResponseHead());
      let body = "";
      for (const [index, gate] of gates.entries()) {
        body += new TextDecoder().decode((await reader.read())!);
        // The second reload removes both backends.
        await reload(sluice, () => sluice.writeConfig(index === 0 ? toml + "\n" : WEB + answering(`round ${index}`)));
        socket.send(`message ${index}`);
        assertEquals(await socket.next(), `message ${index}`);
        gate.open();
      }
      body += new TextDecoder().decode(await reader.readAll());
      assertEquals(body, "0123");
      // What came over a connection that Deno keeps open is on the new plan all the same.
      await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      assertEquals((await client.readResponse()).text, "round 2");
    }
    await sluice.waitForAccess(({ status }) => status === 101);
    assertEquals((await reload(sluice, () => sluice.signal("SIGHUP"))).plans_alive, 1);
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${variant.name}: an upstream's authority that changes counts for new connections`, async () => {
    const [old, next] = [await CertificateAuthority.create("old"), await CertificateAuthority.create("next")];
    await using backend = ScriptedBackend.start(echo(), { tls: await next.issue() });
    const api = upstreamToml("api", [backend.url], { keys: `tls = { ca = "ca.pem" }\nretry = { attempts = 1 }` });
    await using sluice = await SluiceProcess.start(WEB + api, { ...OPTIONS, files: { "ca.pem": old.cert } });
    assertEquals((await get(sluice.address("web"), "/api/", {}, OPTIONS)).status, 502);
    assertEquals((await sluice.waitForAccess(() => true)).error, "tls_certificate_invalid");
    await reload(sluice, () => sluice.config.add("ca.pem", next.cert));
    assertEquals((await get(sluice.address("web"), "/api/", {}, OPTIONS)).status, 200);
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${variant.name}: a storm of reloads under load fails no request`, async () => {
    await using one = ScriptedBackend.start(answerAfter(Promise.resolve()), { name: "one" });
    await using two = ScriptedBackend.start(answerAfter(Promise.resolve()), { name: "two" });
    const variants = [
      upstreamToml("api", [one.url, two.url]),
      upstreamToml("api", [one.url], { keys: `strategy = "least_connections"` }),
      upstreamToml("api", [two.url, one.url], { keys: `strategy = "random"` }),
      upstreamToml("api", [two.url], { keys: `strategy = "peak_ewma"` }) + answering("fallback"),
    ];
    await using sluice = await SluiceProcess.start(WEB + variants[0], OPTIONS);
    const web = sluice.address("web");
    let isOver = false;
    const failures: unknown[] = [];
    const load = async (work: () => Promise<number>): Promise<number> => {
      let count = 0;
      while (!isOver) {
        const status = await work().catch((error) => error);
        if (status !== 200) failures.push(status);
        count++;
      }
      return count;
    };
    const clients = await Promise.all([1, 2, 3, 4].map(() => RawClient.connect(web, OPTIONS)));
    const running = [
      ...clients.map((client) =>
        load(async () => {
          await client.send("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n");
          return (await client.readResponse()).status;
        })
      ),
      load(async () => (await get(web, "/api/", { Connection: "close" }, OPTIONS)).status),
    ];
    for (let round = 1; round <= 25; round++) {
      sluice.writeConfig(
        WEB + variants[round % variants.length] + `# ${round}\n`,
        round % 2 === 0 ? "rename" : "in_place",
      );
      if (round % 3 === 0) sluice.signal("SIGHUP");
      await new Promise((resolve) => setTimeout(resolve, 100)); // the pace of the storm: nothing is waited for
    }
    isOver = true;
    const counts = await Promise.all(running);
    for (const client of clients) client.close();

    assertEquals(failures, []);
    for (const count of counts) assert(count > 0, counts.join());
    assertInRange(countOf(sluice, "reloaded"), 2, 100);
    // A reload may have met a file that was half written in place; the next one must have mended that.
    const { plans_alive: alive } = await reload(sluice, () => sluice.signal("SIGHUP"));
    assertEquals(alive, 1);
    assertEquals([...one.violations, ...two.violations], []);
    assertEquals(await sluice.stop(), 0);
  });
}
