/** `[routes.timeouts] connect`: shorter and longer than the upstream's, over the same connections. */

import { assertEquals } from "../support/assert.ts";
import { testCertificates } from "../support/certificates.ts";
import { get } from "../support/raw_client.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { VARIANTS } from "../support/variants.ts";
import { accessOf, listenerToml, PATIENCE_MS } from "../support/proxy_stage.ts";
import { codeOf, PoolStage, wholeOf } from "../unit/transport/pool_stage.ts";

/** Takes connections, and is in no hurry to shake hands: the TLS part of connecting takes `delayMs`, for ever when -1. */
class Hesitant implements AsyncDisposable {
  readonly #listener: Deno.TcpListener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.Conn[] = [];
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  readonly #ended: Promise<void>;

  constructor(behind: number, delayMs: number) {
    this.#ended = this.#run(behind, delayMs);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async #run(behind: number, delayMs: number): Promise<void> {
    for await (const client of this.#listener) {
      this.#conns.push(client);
      if (delayMs >= 0) this.#timers.push(setTimeout(() => this.#pipe(client, behind), delayMs));
    }
  }

  async #pipe(client: Deno.Conn, behind: number): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: behind });
    this.#conns.push(server);
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const conn of this.#conns) {
      try {
        conn.close();
      } catch {
        // The pipe has closed it.
      }
    }
    await this.#ended.catch(() => {});
  }
}

const route = (path: string, connect: string) =>
  `[[routes]]\npath = "${path}"\nupstream = "api"\n${connect === "" ? "" : `timeouts = { connect = "${connect}" }`}\n`;

for (const variant of VARIANTS) {
  Deno.test(`${variant.name}: a route waits less for a connection than its upstream`, async () => {
    await using mute = new Hesitant(0, -1);
    const toml = listenerToml("web", variant.listener) +
      `[upstreams.api]\nbackends = [{ url = "https://127.0.0.1:${mute.port}" }]\n` +
      `timeouts = { connect = "1h", total = "1s" }\nretry.attempts = 1\n` + route("/short", "50ms") +
      route("/long", "");
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, env: variant.env });
    const web = sluice.address("web");
    const long = get(web, "/long", {}, { deadlineMs: PATIENCE_MS });
    const short = await get(web, "/short", {}, { deadlineMs: PATIENCE_MS });
    assertEquals([short.status, (await accessOf(sluice, "/short")).error], [504, "connect_timeout"]);
    assertEquals([(await long).status, (await accessOf(sluice, "/long")).error], [504, "total_timeout"]);
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${variant.name}: a route waits longer for a connection than its upstream`, async () => {
    const { authority, localhost } = await testCertificates();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert: localhost.cert, key: localhost.key, onListen: () => {} },
      () => new Response("here"),
    );
    await using slow = new Hesitant(server.addr.port, 400);
    const toml = listenerToml("web", variant.listener) +
      `[upstreams.api]\nbackends = [{ url = "https://localhost:${slow.port}" }]\n` +
      `timeouts.connect = "50ms"\nretry.attempts = 1\ntls = { ca = "ca.pem" }\ncircuit.failures = 0\n` +
      route("/short", "") + route("/long", "20s");
    await using sluice = await SluiceProcess.start(toml, {
      deadlineMs: PATIENCE_MS,
      env: variant.env,
      files: { "ca.pem": authority.cert },
    });
    const web = sluice.address("web");
    const short = await get(web, "/short", {}, { deadlineMs: PATIENCE_MS });
    assertEquals([short.status, (await accessOf(sluice, "/short")).error], [504, "connect_timeout"]);
    const long = await get(web, "/long", {}, { deadlineMs: PATIENCE_MS });
    assertEquals([long.status, long.text], [200, "here"]);
    assertEquals(await sluice.stop(), 0);
    await server.shutdown();
  });
}

Deno.test("Pool: a dial that fails fails nobody who has another one, as whose it was may have left", async () => {
  const stage = new PoolStage();
  const [leaving, staying] = [stage.waiter(), stage.waiter()];
  leaving.connectBy(stage.nowMs + 50);
  stage.advance(60);
  assertEquals(await codeOf(leaving), "connect_timeout");
  await stage.refuse();
  stage.assertState(0, 1, 0);
  await stage.connect();
  await wholeOf(staying);
  stage.assertState(1, 0, 0);
});

Deno.test("Pool: in a queue the queue's bound counts, not that of connecting", async () => {
  const stage = new PoolStage({ connectionsMax: 1, queueTimeoutMs: 100 });
  const first = stage.waiter();
  const queued = stage.waiter();
  queued.connectBy(stage.nowMs + 50);
  stage.advance(60);
  stage.assertState(0, 2, 0);
  stage.advance(60);
  assertEquals(await codeOf(queued), "queue_timeout");
  await stage.connect();
  await wholeOf(first);
});
