/** The pool as backends and clients see it: how many connections, who waits, who is refused. */

import { assert, assertEquals, assertInRange } from "../support/assert.ts";
import { response, type Script } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import type { ScriptedBackend } from "../support/scripted_backend.ts";
import { ONE_WORKER } from "../support/workers.ts";
import { Watch } from "../support/waiting.ts";
import { ENGINES, Gateway, PATIENCE_MS, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

const SITES: readonly Site[] = [
  { name: "bounded", upstream: `pool.max_connections = 2\npool.queue_timeout = "20s"` },
  { name: "order", upstream: `pool.max_connections = 1\npool.queue_timeout = "20s"` },
  { name: "full", upstream: `pool.max_connections = 1\npool.queue = 1\npool.queue_timeout = "20s"` },
  { name: "impatient", upstream: `pool.max_connections = 1\npool.queue_timeout = "100ms"` },
  { name: "leaver", upstream: `pool.max_connections = 1\npool.queue = 1\npool.queue_timeout = "20s"` },
  { name: "thrice", upstream: `pool.max_requests = 3` },
  { name: "idle", upstream: `pool.idle_timeout = "300ms"` },
  { name: "aged", upstream: `pool.max_age = "300ms"` },
  { name: "few", upstream: `pool.max_idle = 1` },
  { name: "warm", upstream: `pool.min_idle = 3` },
  // About whole connections: requests that share one say nothing about which is taken.
  { name: "newest", upstream: "pool.pipelining = 1" },
];

/** Requests that wait at a backend until the test lets them go, one by one. */
class Turnstile {
  readonly backend: ScriptedBackend;
  readonly #watch = new Watch();
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #arrived = 0;

  constructor(backend: ScriptedBackend) {
    this.backend = backend;
    const script: Script = async (exchange) => {
      const turn = Promise.withResolvers<void>();
      this.#waiting.push(turn);
      this.#arrived++;
      this.#watch.notify();
      await exchange.readBody();
      await exchange.wait(turn.promise);
      await exchange.write(response(200, exchange.request.target));
    };
    backend.use(script);
  }

  /** Lets the request go that came as number `index` of those that wait. */
  release(index = 0): void {
    this.#waiting.splice(index, 1)[0].resolve();
  }

  /** Until `count` requests have come to the turnstile in all. */
  waitFor(count: number): Promise<void> {
    const isMet = () => this.#arrived >= count;
    return this.#watch.until(isMet, () => `${count} requests, got ${this.#arrived}`, PATIENCE_MS);
  }
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: connections to a backend`, async (test) => {
    // Each worker has pools of its own, and these need several clients to meet in one.
    await using gateway = await Gateway.start({ engine, sites: SITES, server: ONE_WORKER });

    const begin = async (site: string, path: string): Promise<RawClient> => {
      const client = await gateway.connect();
      await client.send(wireOf(`GET ${path} HTTP/1.1`, `Host: ${site}.test`));
      return client;
    };
    const end = async (client: RawClient): Promise<string> => {
      using closing = client;
      return (await closing.readResponse()).text;
    };

    await test.step("max_connections: never more, the others wait and are served", async () => {
      const turnstile = new Turnstile(gateway.backend("bounded"));
      const clients = await Promise.all([1, 2, 3, 4, 5].map((number) => begin("bounded", `/${number}`)));
      for (let served = 0; served < 5; served++) {
        await turnstile.waitFor(Math.min(served + 2, 5));
        assertInRange(turnstile.backend.requests.length, served + 1, served + 2);
        turnstile.release();
      }
      assertEquals(await Promise.all(clients.map(end)), ["/1", "/2", "/3", "/4", "/5"]);
      assertEquals(turnstile.backend.connections.length, 2);
    });

    await test.step("queue: who waits longest is served first", async () => {
      const turnstile = new Turnstile(gateway.backend("order"));
      const clients: RawClient[] = [await begin("order", "/0")];
      await turnstile.waitFor(1);
      for (const number of [1, 2, 3, 4]) {
        clients.push(await begin("order", `/${number}`));
        // An answer on another connection behind it: the request before is in the queue by then.
        await gateway.send(requestFor("newest"));
      }
      for (let served = 1; served <= 5; served++) {
        await turnstile.waitFor(served);
        turnstile.release();
      }
      await Promise.all(clients.map(end));
      assertEquals(turnstile.backend.requests.map(({ target }) => target), ["/0", "/1", "/2", "/3", "/4"]);
      assertEquals(turnstile.backend.connections.length, 1);
    });

    await test.step("queue full: 503 at once, with Retry-After", async () => {
      const turnstile = new Turnstile(gateway.backend("full"));
      const active = await begin("full", "/active");
      await turnstile.waitFor(1);
      const waiting = await begin("full", "/waiting");
      await gateway.send(requestFor("newest"));
      const refused = await gateway.send(requestFor("full"));
      assertEquals([refused.status, refused.field("retry-after")], [503, "1"]);
      assertEquals(refused.field("proxy-status"), "sluice; error=connection_limit_reached");
      assert(refused.text.includes("error: queue_full\n"), refused.text);
      turnstile.release();
      await turnstile.waitFor(2);
      turnstile.release();
      assertEquals([await end(active), await end(waiting)], ["/active", "/waiting"]);
    });

    await test.step("queue_timeout: 503 for who waits too long, and the connection goes on", async () => {
      const turnstile = new Turnstile(gateway.backend("impatient"));
      const active = await begin("impatient", "/active");
      await turnstile.waitFor(1);
      const got = await gateway.send(requestFor("impatient"));
      assertEquals([got.status, got.field("retry-after")], [503, "1"]);
      assert(got.text.includes("error: queue_timeout\n"), got.text);
      turnstile.release();
      assertEquals(await end(active), "/active");
      assertEquals(turnstile.backend.requests.length, 1);
    });

    await test.step("a client that leaves while it waits gives its place in the queue up", async () => {
      const turnstile = new Turnstile(gateway.backend("leaver"));
      const active = await begin("leaver", "/active");
      await turnstile.waitFor(1);
      gateway.leave(await begin("leaver", "/gone"));
      await gateway.sluice.waitForAccess(({ target, error }) => target === "/gone" && error === "client_gone");
      const waiting = await begin("leaver", "/waiting");
      turnstile.release();
      await turnstile.waitFor(2);
      turnstile.release();
      assertEquals([await end(active), await end(waiting)], ["/active", "/waiting"]);
      assertEquals(turnstile.backend.requests.map(({ target }) => target), ["/active", "/waiting"]);
    });

    await test.step("max_requests: a connection serves so many, then another one does", async () => {
      for (let number = 0; number < 7; number++) assertEquals((await gateway.send(requestFor("thrice"))).status, 200);
      const backend = gateway.backend("thrice");
      assertEquals(backend.requests.map(({ connectionId }) => connectionId), [0, 0, 0, 1, 1, 1, 2]);
    });

    for (const [site, setting] of [["idle", "idle_timeout"], ["aged", "max_age"]]) {
      await test.step(`${setting}: an idle connection is closed, and not used after`, async () => {
        await gateway.send(requestFor(site));
        await gateway.waitForBackendClosed(site);
        await gateway.send(requestFor(site));
        assertEquals(gateway.seen(site).connectionId, 1);
      });
    }

    await test.step("max_idle: what is more than that is closed", async () => {
      const turnstile = new Turnstile(gateway.backend("few"));
      const clients = await Promise.all([begin("few", "/1"), begin("few", "/2"), begin("few", "/3")]);
      await turnstile.waitFor(3);
      for (const _ of clients) turnstile.release();
      await Promise.all(clients.map(end));
      await turnstile.backend.waitFor(() => turnstile.backend.openConnections === 1, "one connection", PATIENCE_MS);
    });

    await test.step("min_idle: so many are opened without a request, and kept up", async () => {
      const backend = gateway.backend("warm");
      await backend.waitForConnections(3, PATIENCE_MS);
      assertEquals([backend.requests.length, backend.openConnections], [0, 3]);
      await gateway.send(requestFor("warm"));
      assertEquals(backend.connections.length, 3);
      for (const connection of backend.connections) connection.close();
      await backend.waitFor(() => backend.openConnections === 3, "three new connections", PATIENCE_MS);
    });

    await test.step("the connection that was used last is used next", async () => {
      const turnstile = new Turnstile(gateway.backend("newest"));
      const first = await begin("newest", "/1");
      await turnstile.waitFor(1);
      const second = await begin("newest", "/2");
      await turnstile.waitFor(2);
      const [one, two] = turnstile.backend.requests.slice(-2).map(({ connectionId }) => connectionId);
      turnstile.release(1);
      await end(second);
      turnstile.release(0);
      await end(first);
      for (let number = 1; number <= 3; number++) {
        const again = await begin("newest", "/again");
        await turnstile.waitFor(2 + number);
        turnstile.release();
        await end(again);
        assertEquals(gateway.seen("newest").connectionId, one);
      }
      assert(one !== two);
    });
  });
}
