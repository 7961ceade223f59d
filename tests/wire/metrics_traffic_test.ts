/** What real exchanges leave in the metrics, over both engines and with worker threads. */

import type { Sluice } from "../../lib/runtime/sluice.ts";
import { type Engine, ENGINES, requestFor, wireOf } from "../support/gateway_stage.ts";
import { PATIENCE_MS } from "../support/proxy_stage.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { answer, closeMidway, hang, response } from "../support/backend_scripts.ts";
import { ConfigFile } from "../support/config_file.ts";
import { RawClient } from "../support/raw_client.ts";
import { startInProcess } from "../support/in_process.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";

type Labels = Readonly<Record<string, string>>;

/** A sample line whose label values hold no comma and no quote. */
const SAMPLE = /^(\w+)(?:{(.*)})? (\S+)$/gm;

/** One running proxy in this process. */
class Stage {
  readonly #sluice: Sluice;
  readonly #config: ConfigFile;

  private constructor(sluice: Sluice, config: ConfigFile) {
    this.#sluice = sluice;
    this.#config = config;
  }

  static async start(engine: Engine, toml: string, workers = 1): Promise<Stage> {
    const config = new ConfigFile(configuration(engine, toml, workers));
    const sluice = await startInProcess(config.path);
    return new Stage(sluice, config);
  }

  /** One exchange on a connection of its own. */
  async send(wire: string): Promise<number> {
    using client = await this.connect();
    await client.send(wire);
    return (await client.readResponse({ method: wire.slice(0, wire.indexOf(" ")) })).status;
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.#sluice.dataPlane.listeners[0].address, { deadlineMs: PATIENCE_MS });
  }

  async reload(engine: Engine, toml: string): Promise<void> {
    this.#config.write(configuration(engine, toml, 1));
    const result = await this.#sluice.reload("test");
    assert(result.ok, "reloaded");
  }

  /** Whether there is any sample of it. */
  has(name: string): boolean {
    return [...this.#sluice.metricsText().matchAll(SAMPLE)].some(([, sample]) => sample === name);
  }

  /** Sum over the samples with these labels; a histogram's count. */
  number(name: string, labels: Labels = {}): number {
    let sum = 0;
    for (const [, sample, listed = "", value] of this.#sluice.metricsText().matchAll(SAMPLE)) {
      const isWanted = Object.entries(labels).every(([label, wanted]) =>
        `,${listed},`.includes(`,${label}="${wanted}",`)
      );
      if ((sample === name || sample === `${name}_count`) && isWanted) sum += Number(value);
    }
    return sum;
  }

  /** Engines end an exchange when its last byte is out, which may be after the client has it. */
  async until(name: string, labels: Labels, wanted: number): Promise<void> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (this.number(name, labels) !== wanted) {
      if (performance.now() > deadlineMs) {
        assertEquals(this.number(name, labels), wanted, `${name} ${JSON.stringify(labels)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sluice.shutdown();
    this.#config.remove();
  }
}

function configuration(engine: Engine, toml: string, workers: number): string {
  return `[server]\nworkers = ${workers}\ndrain = "1s"\n[log]\nlevel = "error"\naccess = "off"\n` +
    `[[listeners]]\nname = "web"\naddress = "127.0.0.1:0"\nengine = "${engine}"\n${toml}`;
}

/** An upstream and a route to it, by host. */
function site(name: string, backends: string, keys = ""): string {
  return `[upstreams.${name}]\nbackends = [${backends}]\n${keys}\n` +
    `[[routes]]\nname = "${name}"\nhost = "${name}.test"\npath = "/*"\nupstream = "${name}"\n`;
}

/** A port where nobody listens. */
function deadUrl(): string {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
}

for (const engine of ENGINES) {
  Deno.test(`metrics: a retry for which no backend is left is none (${engine})`, async () => {
    const keys = 'circuit = { failures = 1, open = "60s" }';
    const dead = `{ url = "${deadUrl()}" }, { url = "${deadUrl()}" }`;
    await using stage = await Stage.start(engine, site("gone", dead, keys));
    const statuses = await Promise.all(
      Array.from({ length: 8 }, () => stage.send(wireOf("GET / HTTP/1.1", "Host: gone.test"))),
    );
    for (let count = 0; count < 3; count++) {
      statuses.push(await stage.send(wireOf("GET / HTTP/1.1", "Host: gone.test")));
    }
    await stage.until("sluice_requests_total", {}, statuses.length);
    const refused = stage.number("sluice_rejected_total", { reason: "backend_unavailable" });
    const attempts = stage.number("sluice_backend_attempts_total");
    // Who was refused without an attempt is all that the difference may be.
    assert(attempts >= 2 && refused >= 3, `${attempts} attempts, ${refused} refused`);
    assertEquals(attempts - stage.number("sluice_retries_total"), statuses.length - refused);
  });

  Deno.test(`metrics: exchanges, attempts and pools of good traffic (${engine})`, async () => {
    await using backend = ScriptedBackend.start(answer(response(200, "hello")));
    await using stage = await Stage.start(engine, site("api", `{ name = "b1", url = "${backend.url}" }`));
    const b1 = { upstream: "api", backend: "b1" };
    const api = { route: "api", upstream: "api" };
    const target = `/metrics-of-${engine}`; // one that no test before has asked for
    for (let count = 1; count <= 3; count++) {
      assertEquals(await stage.send(wireOf(`GET ${target} HTTP/1.1`, "Host: api.test")), 200);
      await stage.until("sluice_requests_total", { ...api, status_class: "2xx" }, count);
    }
    await stage.send(wireOf(`POST ${target} HTTP/1.1`, "Host: api.test", "Content-Length: 7") + "1234567");
    await stage.until("sluice_requests_total", { ...api, status_class: "2xx" }, 4);
    assertEquals(stage.number("sluice_requests_total"), 4);
    assertEquals(stage.number("sluice_request_failures_total", api), 0);
    assertEquals(stage.number("sluice_request_bytes_total", api), 7);
    assertEquals(stage.number("sluice_response_bytes_total", api), 20);
    assertEquals(stage.number("sluice_request_duration_seconds", api), 4);
    assertEquals(stage.number("sluice_backend_attempts_total", { ...b1, result: "ok" }), 4);
    assertEquals(stage.number("sluice_backend_responses_total", { ...b1, status_class: "2xx" }), 4);
    for (const name of ["sluice_backend_attempt_duration_seconds", "sluice_backend_first_byte_seconds"]) {
      assertEquals(stage.number(name, b1), 4, name);
    }
    assertEquals(stage.number("sluice_queue_seconds", b1), 4);
    assertEquals(stage.number("sluice_backend_connect_seconds", b1), 1);
    assertEquals(stage.number("sluice_backend_tls_seconds", b1), 0);
    assertEquals(stage.number("sluice_pool_opened_total", b1), 1);
    assertEquals(stage.number("sluice_pool_reused_total", b1), 3);
    assertEquals(stage.number("sluice_pool_connections", { ...b1, state: "idle" }), 1);
    assertEquals(stage.number("sluice_pool_connections", { ...b1, state: "active" }), 0);
    assertEquals(stage.number("sluice_backend_in_flight", b1), 0);
    assertEquals(stage.number("sluice_exchanges_in_flight"), 0);
    assertEquals(stage.number("sluice_backend_up", b1), 1);
    assertEquals(stage.number("lb_connection_pool_efficiency"), 0.75);
    // Host and target are looked up four times and found but for the first; the other engine looks nothing up.
    if (engine === "wire") assertEquals(stage.number("lb_cache_hit_rate"), 0.75);
    else assert(Number.isNaN(stage.number("lb_cache_hit_rate")));
    assert(stage.number("process_resident_memory_bytes") > 1e6);
    assert(stage.number("process_cpu_seconds_total") > 0);
  });

  Deno.test(`metrics: what failed, by reason (${engine})`, async () => {
    await using bad = ScriptedBackend.start([
      answer(response(503, "no")),
      closeMidway("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
    ]);
    await using good = ScriptedBackend.start(answer());
    const retried = `{ name = "dead", url = "${deadUrl()}" }, { name = "good", url = "${good.url}", backup = true }`;
    await using stage = await Stage.start(
      engine,
      site("bad", `{ name = "b1", url = "${bad.url}" }`, "retry.attempts = 1") + site("spare", retried) +
        site("gone", `{ name = "b1", url = "${deadUrl()}" }`, "retry.attempts = 1"),
    );
    const failures = (route: string) => stage.number("sluice_request_failures_total", { route });

    assertEquals(await stage.send(requestFor("bad")), 503);
    await stage.until("sluice_requests_total", { route: "bad", status_class: "5xx" }, 1);
    assertEquals(stage.number("sluice_backend_attempts_total", { upstream: "bad", result: "bad_status" }), 1);
    assertEquals([failures("bad"), stage.number("sluice_rejected_total")], [1, 0]);

    using client = await stage.connect();
    await client.send(requestFor("bad"));
    await client.readResponseHead();
    await stage.until("sluice_aborted_total", { reason: "response_incomplete" }, 1);
    assertEquals(stage.number("sluice_backend_attempts_total", { upstream: "bad", result: "response_incomplete" }), 1);
    assertEquals([failures("bad"), stage.number("sluice_rejected_total")], [2, 0]);

    assertEquals(await stage.send(requestFor("spare")), 200);
    await stage.until("sluice_requests_total", { route: "spare", status_class: "2xx" }, 1);
    const dead = { upstream: "spare", backend: "dead" };
    assertEquals(stage.number("sluice_backend_attempts_total", { ...dead, result: "connect_refused" }), 1);
    assertEquals(stage.number("sluice_queue_seconds", dead), 1, "it waited for a connection that did not come");
    assertEquals(stage.number("sluice_retries_total", { upstream: "spare", reason: "connect_refused" }), 1);
    assertEquals(failures("spare"), 0);

    assertEquals(await stage.send(requestFor("gone")), 502);
    await stage.until("sluice_rejected_total", { reason: "connect_refused" }, 1);
    assertEquals(failures("gone"), 1);

    assertEquals(await stage.send(requestFor("nobody")), 404);
    await stage.until("sluice_rejected_total", { reason: "route_not_found" }, 1);
    assertEquals(stage.number("sluice_requests_total", { route: "(none)", status_class: "4xx" }), 1);
    assertEquals(failures("(none)"), 0);
  });

  Deno.test(`metrics: a client that leaves is no failure (${engine})`, async () => {
    await using backend = ScriptedBackend.start(hang());
    await using stage = await Stage.start(engine, site("slow", `{ name = "b1", url = "${backend.url}" }`));
    const client = await stage.connect();
    await client.send(requestFor("slow"));
    await backend.waitForRequests(1, PATIENCE_MS);
    assertEquals(stage.number("sluice_exchanges_in_flight"), 1);
    assertEquals(stage.number("sluice_backend_in_flight", { upstream: "slow" }), 1);
    assertEquals(stage.number("sluice_pool_connections", { upstream: "slow", state: "active" }), 1);
    client.reset();
    await stage.until("sluice_aborted_total", { reason: "client_gone" }, 1);
    assertEquals(stage.number("sluice_requests_total", { route: "slow", status_class: "none" }), 1);
    assertEquals(stage.number("sluice_request_failures_total"), 0);
    assertEquals(stage.number("sluice_backend_in_flight"), 0);
  });
}

Deno.test("metrics: counters outlive a reload, and a pool that is kept follows its new name", async () => {
  await using backend = ScriptedBackend.start(answer());
  const member = `{ name = "b1", url = "${backend.url}" }`;
  await using stage = await Stage.start("wire", site("old", member));
  await stage.send(requestFor("old"));
  await stage.until("sluice_pool_connections", { upstream: "old", state: "idle" }, 1);
  await stage.reload("wire", site("new", member));
  await stage.send(requestFor("new"));
  await stage.until("sluice_requests_total", { route: "new" }, 1);
  assertEquals(backend.connections.length, 1, "the pool was kept");
  assertEquals(stage.number("sluice_requests_total", { route: "old" }), 1);
  assertEquals(stage.number("sluice_pool_opened_total", { upstream: "old" }), 1);
  assertEquals(stage.number("sluice_pool_opened_total", { upstream: "new" }), 0);
  assertEquals(stage.number("sluice_pool_reused_total", { upstream: "new" }), 1);
  assertEquals(stage.number("sluice_pool_connections", { upstream: "new", state: "idle" }), 1);
  assertEquals(stage.number("sluice_pool_connections", { upstream: "old" }), 0);
  assertEquals(stage.number("sluice_reloads_total", { result: "ok" }), 1);
  assertEquals(stage.number("sluice_config_generation"), 2);
});

for (const workers of [1, 2]) {
  Deno.test(`metrics: open connections of a wire listener, idle ones included (${workers} workers)`, async () => {
    await using backend = ScriptedBackend.start(answer(response(200, "hello")));
    const toml = site("api", `{ name = "b1", url = "${backend.url}" }`);
    await using stage = await Stage.start("wire", toml, workers);
    const open = (wanted: number, listener = "web") => stage.until("sluice_connections", { listener }, wanted);
    await open(0);
    const clients = await Promise.all(Array.from({ length: 5 }, () => stage.connect()));
    await open(5);
    await clients[0].send(requestFor("api"));
    await clients[0].readResponse();
    await open(5);
    clients[0].close();
    await open(4);
    for (const client of clients.slice(1)) client.close();
    await open(0);
  });
}

Deno.test("metrics: connections of a serve listener are not told, which does not know them", async () => {
  const toml = `[[routes]]\nrespond = { status = 204 }\n`;
  await using serve = await Stage.start("serve", toml);
  using _idle = await serve.connect();
  assertEquals(await serve.send(requestFor("a")), 204);
  assertEquals(serve.has("sluice_connections"), false);
});

Deno.test("metrics: numbers of worker threads are added up", async () => {
  await using backend = ScriptedBackend.start(answer(response(200, "hello")));
  await using stage = await Stage.start("wire", site("api", `{ name = "b1", url = "${backend.url}" }`), 2);
  for (let count = 0; count < 12; count++) assertEquals(await stage.send(requestFor("api")), 200);
  await stage.until("sluice_requests_total", { route: "api", status_class: "2xx" }, 12);
  await stage.until("sluice_pool_opened_total", { upstream: "api" }, backend.connections.length);
  assertEquals(stage.number("sluice_response_bytes_total"), 60);
  assertEquals(stage.number("sluice_workers"), 2);
});
