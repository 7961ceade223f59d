/** Every strategy through the running proxy: who gets which request, told by the backends' own answers. */

import { assert, assertEquals, assertInRange, assertMatch, assertNotEquals } from "../support/assert.ts";
import { answerAfter, type Echo, echo, echoOf, response } from "../support/backend_scripts.ts";
import { testCertificates } from "../support/certificates.ts";
import type { JsonLine } from "../support/line_log.ts";
import { get, RawClient, type RawResponse } from "../support/raw_client.ts";
import { refusedPort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { accessOf, listenerToml, PATIENCE_MS, step, upstreamToml, within } from "../support/proxy_stage.ts";

const NAMES = ["a", "b", "c"] as const;
/** Far above what a loaded machine makes of a fast answer. */
const SLOW_MS = 500;
/** Ports differ from run to run, so which keys fall to whom does: enough of them for each of three to get some. */
const HASH_KEYS = 60;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backends: readonly ScriptedBackend[];
  readonly web: string;
}

function ask({ web }: Stage, target: string, fields: Readonly<Record<string, string>> = {}): Promise<RawResponse> {
  return get(web, target, fields, { deadlineMs: PATIENCE_MS });
}

async function askEcho(stage: Stage, target: string, fields: Readonly<Record<string, string>> = {}): Promise<Echo> {
  return echoOf(await ask(stage, target, fields));
}

/** The names of the backends that answer `count` requests on one connection: to one worker, which has turns of its own. */
async function turns({ web }: Stage, upstream: string, count: number): Promise<string> {
  using client = await RawClient.connect(web, { deadlineMs: PATIENCE_MS });
  let names = "";
  for (let index = 0; index < count; index++) {
    await client.send(`GET /${upstream}/${index} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    names += echoOf(await client.readResponse()).backend;
  }
  return names;
}

function counted(names: string): Record<string, number> {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (const name of names) counts[name]++;
  return counts;
}

/**
 * Holds one request per target open, one begun after the other has arrived, while `work` runs.
 *
 * @param work Gets the names of the backends that hold them, in order.
 */
async function withHeld(
  stage: Stage,
  targets: readonly string[],
  work: (held: string) => Promise<void>,
): Promise<void> {
  const gate = new Gate();
  const arrivals = new Map(targets.map((target) => [target, Promise.withResolvers<string>()]));
  for (const backend of stage.backends) {
    backend.use(async (exchange) => {
      const arrival = arrivals.get(exchange.request.target);
      if (arrival === undefined) return await echo()(exchange);
      arrival.resolve(exchange.backend);
      await exchange.wait(gate.opened);
      await exchange.write(response(200, "held"));
    });
  }
  const replies: Promise<RawResponse>[] = [];
  let held = "";
  try {
    for (const [target, { promise }] of arrivals) {
      replies.push(ask(stage, target));
      held += await within(promise, target);
    }
    await work(held);
  } finally {
    gate.open();
    await Promise.all(replies);
    for (const backend of stage.backends) backend.use(echo());
  }
}

async function leastConnections(stage: Stage): Promise<void> {
  await withHeld(stage, ["/least/held-1", "/least/held-2", "/least/held-3"], async (held) => {
    assertEquals([...held].sort().join(""), "abc");
    assertEquals(counted(await turns(stage, "least", 6)), { a: 2, b: 2, c: 2 });
  });
  await withHeld(stage, ["/least/held-4", "/least/held-5"], async (held) => {
    const free = NAMES.find((name) => !held.includes(name))!;
    assertEquals(await turns(stage, "least", 5), free.repeat(5));
  });
}

async function powerOfTwo(stage: Stage): Promise<void> {
  await withHeld(stage, ["/two/held"], async (held) => {
    assertEquals(await turns(stage, "two", 8), (held === "a" ? "b" : "a").repeat(8));
  });
  // When two hold nothing, the one that had less of late is taken; what they had in other steps counts as well.
  const got = new Set<string>();
  for (let index = 0; got.size < 2; index++) {
    assert(index < 500, `Only ${[...got]} was asked`);
    got.add((await askEcho(stage, `/two/free-${index}`)).backend);
  }
}

/** Once both were measured, the slow one is asked only when its bad name has faded. */
async function peakEwma(stage: Stage): Promise<void> {
  const [, , slow] = stage.backends;
  slow.use(answerAfter(SLOW_MS, response(200, `{"backend":"c"}`)));
  await turns(stage, "ewma", 4);
  const { b, c } = counted(await turns(stage, "ewma", 40));
  slow.use(echo());
  assertInRange(c, 0, 8);
  assertEquals(b + c, 40);
}

async function hash(stage: Stage): Promise<void> {
  const keyed: ReadonlyArray<readonly [string, (key: string, turn: number) => [string, Record<string, string>]]> = [
    ["header", (key, turn) => [`/by_header/${turn}`, { "X-User": key }]],
    ["cookie", (key, turn) => [`/by_cookie/${turn}`, { Cookie: `other=${turn}; user=${key}` }]],
    ["query", (key, turn) => [`/by_query/${turn}?turn=${turn}&user=${key}`, {}]],
    ["client_ip", (key, turn) => [`/by_ip/${turn}`, { "X-Forwarded-For": `198.51.100.${key.slice(1)}` }]],
    ["path", (key, turn) => [`/by_path/${key}?${turn}`, {}]],
  ];
  for (const [kind, requestOf] of keyed) {
    const owners = new Set<string>();
    for (let key = 0; key < HASH_KEYS; key++) {
      const names = new Set<string>();
      for (let turn = 0; turn < (key < 10 ? 3 : 1); turn++) {
        names.add((await askEcho(stage, ...requestOf(`k${key}`, turn))).backend);
      }
      assertEquals(names.size, 1, `Backends of one ${kind}`);
      owners.add([...names][0]);
    }
    assertEquals([...owners].sort(), ["a", "b", "c"], `Backends of all ${kind} keys`);
  }
  assertEquals(counted(await turns(stage, "by_header", 6)), { a: 2, b: 2, c: 2 }, "Without a key: the fallback");
}

function setCookieOf(reply: RawResponse): string {
  const lines = reply.fieldLines("set-cookie");
  assertEquals(lines.length, 1);
  return lines[0];
}

async function sticky(stage: Stage): Promise<void> {
  const first = await ask(stage, "/sticky/first");
  const owner = echoOf(first).backend;
  const line = setCookieOf(first);
  assertMatch(line, /^sluice_sticky=[A-Za-z0-9_-]{22}; /);
  assertEquals(line.split("; ").slice(1).sort(), ["HttpOnly", "Path=/", "SameSite=Lax"]);
  const cookie = line.split(";")[0];
  const around = { Cookie: `x=1;  y="two, three"; ${cookie}; z==; sluice_stick=no` };
  const keeps = async () => {
    for (let index = 0; index < 6; index++) {
      const reply = await ask(stage, `/sticky/${index}`, around);
      assertEquals(echoOf(reply).backend, owner);
      assertEquals(reply.fieldLines("set-cookie"), []);
      const seen = echoOf(reply).fields.filter(([name]) => name.toLowerCase() === "cookie");
      assertEquals(seen.map(([, value]) => value), [`x=1;  y="two, three"; z==; sluice_stick=no`]);
    }
  };
  await keeps();
  const alone = await askEcho(stage, "/sticky/alone", { Cookie: cookie });
  assertEquals(alone.fields.some(([name]) => name.toLowerCase() === "cookie"), false);

  const { sluice } = stage;
  const from = sluice.events.length;
  sluice.writeConfig(Deno.readTextFileSync(sluice.config.path) + "\n# again\n");
  await sluice.waitForEvent(({ event }) => event === "reloaded", from);
  await keeps();
}

async function forgedCookies(stage: Stage): Promise<void> {
  const owners = new Set<string>();
  for (const value of ["", "AAAAAAAAAAAAAAAAAAAAAA", "127.0.0.1", "x".repeat(2000), `"quoted"`, "a", "%00"]) {
    const reply = await ask(stage, "/sticky/forged", { Cookie: `sluice_sticky=${value}` });
    assertMatch(setCookieOf(reply), /^sluice_sticky=[A-Za-z0-9_-]{22}; /);
    owners.add(echoOf(reply).backend);
  }
  assertEquals(owners.size, 3, "Who comes with a made-up cookie is a new client");
}

async function cookieAttributes(stage: Stage): Promise<void> {
  const line = setCookieOf(await ask(stage, "/lasting/x"));
  assertMatch(line, /^session=/);
  assertEquals(line.split("; ").slice(1).sort(), ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax"]);
  const { authority } = await testCertificates();
  const reply = await get(stage.sluice.address("tls"), "/lasting/x", {}, {
    deadlineMs: PATIENCE_MS,
    tls: { caCerts: [authority.cert], hostname: "localhost" },
  });
  assert(setCookieOf(reply).split("; ").includes("Secure"));
}

/** The cookie's backend refuses connections: the request goes elsewhere, and so do all that follow. */
async function stickyGone(stage: Stage, leaving: ScriptedBackend): Promise<void> {
  let cookie = "";
  for (let index = 0; cookie === ""; index++) {
    const reply = await ask(stage, `/gone/${index}`);
    if (echoOf(reply).backend === leaving.name) cookie = setCookieOf(reply).split(";")[0];
  }
  leaving.stopListening();
  leaving.closeConnections();
  const reply = await ask(stage, "/gone/after", { Cookie: cookie });
  assertEquals(echoOf(reply).backend, "a");
  const replacement = setCookieOf(reply).split(";")[0];
  assertNotEquals(replacement, cookie);
  const again = await ask(stage, "/gone/again", { Cookie: replacement });
  assertEquals({ backend: echoOf(again).backend, lines: again.fieldLines("set-cookie") }, { backend: "a", lines: [] });
}

/** The backup gets what the refusing one should have had, without its being asked once its circuit is open. */
async function backups(stage: Stage): Promise<void> {
  const { sluice } = stage;
  assertEquals(await turns(stage, "backed", 6), "aaaaaa");
  const opening = await opened(stage, "backed");
  assertMatch(String(opening.reason), /connect|refused/i);
  const attempts = async (index: number) => (await accessOf(sluice, `/backed/${index}`)).attempts;
  assertEquals([await attempts(0), await attempts(1), await attempts(5)], [2, 2, 1]);
}

/** A backup hands back to a primary that is well again. */
async function backupHandsBack(stage: Stage, primary: Primary): Promise<void> {
  assertEquals(await turns(stage, "returning", 4), "aaaa");
  await opened(stage, "returning");
  primary.isWell = true;
  const until = Date.now() + PATIENCE_MS;
  for (let index = 0; primary.backend.requests.length < 3; index++) {
    assertEquals((await ask(stage, `/returning/again-${index}`)).status, 200);
    assert(Date.now() < until, "The primary was never asked again");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (let index = 0; index < 4; index++) {
    assertEquals((await askEcho(stage, `/returning/well-${index}`)).backend, "primary");
  }
}

function opened({ sluice }: Stage, upstream: string): Promise<JsonLine> {
  return sluice.waitForEvent(({ event, backend, to }) =>
    event === "backend_health" && String(backend).startsWith(`${upstream}/`) && to === "open"
  );
}

/** Closes what connects to it until it is well. */
class Primary implements AsyncDisposable {
  isWell = false;
  readonly backend: ScriptedBackend = ScriptedBackend.start(echo(), {
    name: "primary",
    onConnect: (connection) => {
      if (!this.isWell) connection.close();
    },
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.backend[Symbol.asyncDispose]();
  }
}

function configuration(
  urls: readonly string[],
  leaving: string,
  outs: { engine: string; refused: string; primary: string },
): string {
  const [a, b, c] = urls;
  const strategy = (name: string) => ({ keys: `strategy = "${name}"` });
  const weighted = (weights: readonly number[]) =>
    urls.map((url, index) => `{ url = "${url}", weight = ${weights[index]} }`);
  const byKey = (name: string, key: string) =>
    upstreamToml(name, urls, {
      ...strategy("hash"),
      sections: `[upstreams.${name}.hash]\nkey = "${key}"\nfallback = "round_robin"\n`,
    });
  return `[server]\ntrusted_proxies = ["127.0.0.0/8"]\n` + listenerToml("web", `engine = "${outs.engine}"`) +
    listenerToml("tls", `engine = "${outs.engine}"\ntls = { cert = "site.pem", key = "site.key" }`) +
    upstreamToml("turns", urls, strategy("round_robin")) +
    upstreamToml("weights", weighted([5, 1, 1]), strategy("weighted_round_robin")) +
    upstreamToml("none", weighted([1, 0, 2]), strategy("weighted_round_robin")) +
    upstreamToml("random", urls, strategy("random")) +
    upstreamToml("least", urls, strategy("least_connections")) +
    upstreamToml("two", [a, b], strategy("power_of_two")) +
    upstreamToml("ewma", [b, c], strategy("peak_ewma")) +
    byKey("by_header", "header:X-User") + byKey("by_cookie", "cookie:user") + byKey("by_query", "query:user") +
    byKey("by_ip", "client_ip") + byKey("by_path", "path") +
    upstreamToml("sticky", urls, {
      ...strategy("sticky"),
      sections: `[upstreams.sticky.sticky]\nfallback = "round_robin"\n`,
    }) +
    upstreamToml("lasting", urls, {
      ...strategy("sticky"),
      sections: `[upstreams.lasting.sticky]\ncookie = "session"\nttl = "1h"\nsecret = "s3cret"\n`,
    }) +
    upstreamToml("gone", [a, leaving], strategy("sticky")) +
    backedToml("backed", outs.refused, a, "60s") + backedToml("returning", outs.primary, a, "200ms");
}

function backedToml(name: string, primary: string, backup: string, open: string): string {
  return upstreamToml(name, [primary, `{ url = "${backup}", backup = true }`], {
    sections: `[upstreams.${name}.circuit]\nfailures = 2\nopen = "${open}"\n`,
  });
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: strategies choose on the wire as they promise`, async (t) => {
    const { localhost } = await testCertificates();
    using refused = await refusedPort();
    await using primary = new Primary();
    await using a = ScriptedBackend.start(echo(), { name: "a" });
    await using b = ScriptedBackend.start(echo(), { name: "b" });
    await using c = ScriptedBackend.start(echo(), { name: "c" });
    await using leaving = ScriptedBackend.start(echo(), { name: "leaving" });
    await using sluice = await SluiceProcess.start(
      configuration([a.url, b.url, c.url], leaving.url, {
        engine,
        refused: refused.url,
        primary: primary.backend.url,
      }),
      {
        deadlineMs: PATIENCE_MS,
        files: { "site.pem": localhost.cert, "site.key": localhost.key },
      },
    );
    const stage = { sluice, backends: [a, b, c], web: sluice.address("web") };
    await step(t, "round_robin takes exact turns", async () => {
      assertEquals(await turns(stage, "turns", 9), "abcabcabc");
    });
    await step(t, "weighted_round_robin with 5:1:1 gives a a b a c a a", async () => {
      assertEquals(await turns(stage, "weights", 14), "aabacaaaabacaa");
    });
    await step(t, "weight 0 gets nothing", async () => {
      assertEquals(counted(await turns(stage, "none", 12)), { a: 4, b: 0, c: 8 });
    });
    await step(t, "random reaches everybody", async () => {
      const { a, b, c } = counted(await turns(stage, "random", 60));
      assert(a > 0 && b > 0 && c > 0, `${a}, ${b}, ${c}`);
    });
    await step(t, "least_connections avoids who holds requests", () => leastConnections(stage));
    await step(t, "power_of_two avoids who holds requests", () => powerOfTwo(stage));
    await step(t, "peak_ewma prefers the fast one", () => peakEwma(stage));
    await step(t, "hash keeps a key at its backend and spreads keys", () => hash(stage));
    await step(t, "sticky keeps a client, hides its cookie, survives a reload", () => sticky(stage));
    await step(t, "sticky takes no cookie that it did not make", () => forgedCookies(stage));
    await step(t, "sticky writes the cookie that the configuration asks for", () => cookieAttributes(stage));
    await step(t, "sticky gives a new cookie when the backend is gone", () => stickyGone(stage, leaving));
    await step(t, "backups serve only while the others are out", () => backups(stage));
    await step(t, "backups hand back to who is well again", () => backupHandsBack(stage, primary));
    for (const backend of stage.backends) assertEquals(backend.violations, []);
    assertEquals(await sluice.stop(), 0);
  });
}
