/** Several clients want connections of one bounded pool, and tunnels are held apart from them. */

import { assertEquals, assertThrows } from "../../support/assert.ts";
import { ProxyError } from "../../../lib/base/errors.ts";
import { clientKey } from "../../../lib/base/ip.ts";
import type { Claimant } from "../../../lib/transport/backend_stream.ts";
import type { Connection } from "../../../lib/transport/http1/connection.ts";
import type { Pool } from "../../../lib/transport/pool.ts";
import { Waiter } from "../../../lib/transport/stream_source.ts";
import { CLIENT, codeOf, PoolStage, settled, wholeOf } from "./pool_stage.ts";

function client(clientIp: string, upgrade = ""): Claimant {
  return { ...CLIENT, clientIp, request: { upgrade } };
}

const GREEDY = client("10.0.0.1");
const MODEST = client("10.0.0.2");
const THIRD = client("10.0.0.3");

/** Asks, and notes in `served` when it gets a connection. */
function ask(stage: PoolStage, claimant: Claimant, name: string, served: Map<string, Connection>): Waiter | null {
  const got = stage.acquire(false, claimant);
  if (!(got instanceof Waiter)) {
    served.set(name, got);
    return null;
  }
  wholeOf(got).then((connection) => served.set(name, connection), () => {});
  return got;
}

/** As many connections as there may be, all of them with who came first. */
async function fill(stage: PoolStage, claimant: Claimant, count: number): Promise<Connection[]> {
  const served = new Map<string, Connection>();
  for (let index = 0; index < count; index++) ask(stage, claimant, String(index), served);
  while (stage.dialling > 0) await stage.connect();
  return [...served.values()];
}

const SETTINGS = { connectionsMax: 2, queueMax: 100, queueTimeoutMs: 1000 };

Deno.test("Pool serves clients in turn, however many of one wait", async () => {
  const stage = new PoolStage(SETTINGS);
  const held = await fill(stage, GREEDY, 2);
  const served = new Map<string, Connection>();
  for (const name of ["g1", "g2", "g3", "g4"]) ask(stage, GREEDY, name, served);
  ask(stage, MODEST, "m1", served);
  ask(stage, THIRD, "t1", served);
  ask(stage, MODEST, "m2", served);
  for (let index = 0; index < 7; index++) {
    const [next] = index < 2 ? [held[index]] : [...served.values()].slice(index - 2);
    await stage.useAndRelease(next);
    await settled();
  }
  assertEquals([...served.keys()], ["m1", "g1", "t1", "m2", "g2", "g3", "g4"]);
});

Deno.test("Pool serves who holds fewer connections before who holds more", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 3 });
  const [first, second] = await fill(stage, GREEDY, 2);
  await fill(stage, MODEST, 1);
  const served = new Map<string, Connection>();
  ask(stage, GREEDY, "greedy", served);
  ask(stage, MODEST, "modest", served);
  ask(stage, THIRD, "third", served);
  await stage.useAndRelease(first);
  await settled();
  assertEquals([...served.keys()], ["third"]);
  await stage.useAndRelease(second); // greedy holds none now, and modest one
  await settled();
  assertEquals([...served.keys()], ["third", "greedy"]);
});

Deno.test("Pool counts all addresses of an IPv6 /64 as one client", async () => {
  const stage = new PoolStage(SETTINGS);
  const held = await fill(stage, client("2001:db8:1:2::1"), 2);
  const served = new Map<string, Connection>();
  ask(stage, client("2001:db8:1:2:ffff::7"), "same", served);
  ask(stage, client("2001:db8:1:3::1"), "other", served);
  await stage.useAndRelease(held[0]);
  await settled();
  assertEquals([...served.keys()], ["other"]);
});

Deno.test("clientKey() is the address, or the /64 that it is in", () => {
  const cases = [
    ["10.0.0.1", "10.0.0.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"],
    ["::1", "::"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["", ""],
    ["not:an:address", "not:an:address"],
  ];
  assertEquals(cases.map(([ip]) => clientKey(ip)), cases.map(([, key]) => key));
});

Deno.test("Pool keeps the last quarter for clients that hold little, while there are others", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 32 });
  await fill(stage, MODEST, 1);
  const served = new Map<string, Connection>();
  for (let index = 0; index < 40; index++) ask(stage, GREEDY, `g${index}`, served);
  while (stage.dialling > 0) await stage.connect();
  stage.assertState(24, 17, 0);
  for (let index = 0; index < 10; index++) ask(stage, MODEST, `m${index}`, served);
  while (stage.dialling > 0) await stage.connect();
  stage.assertState(27, 24, 0); // four are an eighth
  ask(stage, THIRD, "t", served);
  while (stage.dialling > 0) await stage.connect();
  assertEquals(served.has("t"), true);
});

/** One of the greedy client, which stalls when it is told to. */
class Stalling implements Claimant {
  readonly clientIp: string;
  readonly request = { upgrade: "" };
  ms = 0;
  #connection: Connection | null = null;
  readonly #pool: Pool;
  code = "";

  constructor(pool: Pool, clientIp = GREEDY.clientIp) {
    this.#pool = pool;
    this.clientIp = clientIp;
  }

  async take(stage: PoolStage): Promise<void> {
    const got = stage.acquire(false, this);
    if (stage.dialling > 0) await stage.connect();
    this.#connection = got instanceof Waiter ? await wholeOf(got) : got;
  }

  stalledMs(): number {
    return this.ms;
  }

  cancel({ code }: ProxyError): void {
    this.code = code;
    this.#connection!.close();
    this.#pool.release(this.#connection!, 0);
  }
}

async function stalling(stage: PoolStage, count: number, clientIp?: string): Promise<Stalling[]> {
  const all = Array.from({ length: count }, () => new Stalling(stage.pool, clientIp));
  for (const one of all) await one.take(stage);
  return all;
}

const codesOf = (all: readonly Stalling[]) => all.map(({ code }) => code);

Deno.test("Pool takes what has stalled for longest from whom holds most, for one that waits and holds little", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 5 });
  const few = await stalling(stage, 2, THIRD.clientIp);
  const many = await stalling(stage, 1);
  stage.advance(10_000);
  many.push(...await stalling(stage, 2));
  [few[0].ms, many[0].ms, many[1].ms, many[2].ms] = [9000, 2500, 3000, 1999];
  const served = new Map<string, Connection>();
  ask(stage, MODEST, "m", served);
  await stage.connect();
  assertEquals([served.size, codesOf(many), codesOf(few)], [1, ["", "connection_reclaimed", ""], ["", ""]]);
});

Deno.test("Pool takes nothing from who gets on, nor for who has as much as is little, nor down to less than that", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 2, queueTimeoutMs: 60_000 });
  const held = await stalling(stage, 2);
  const served = new Map<string, Connection>();
  held[0].ms = 1999;
  ask(stage, MODEST, "m1", served);
  stage.assertState(2, 1, 0);
  held[0].ms = 2000;
  stage.advance(99);
  stage.pool.sweep(stage.nowMs); // it was looked for a moment ago
  stage.assertState(2, 1, 0);
  stage.advance(1);
  stage.pool.sweep(stage.nowMs);
  await stage.connect();
  assertEquals([...served.keys()], ["m1"]);
  held[1].ms = 60_000;
  ask(stage, MODEST, "m2", served);
  ask(stage, THIRD, "t", served);
  stage.pool.sweep(stage.nowMs + 1000);
  assertEquals([codesOf(held), served.size], [["connection_reclaimed", ""], 1]);
});

Deno.test("Pool of a single connection takes it from who stalls, for somebody else only", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 1, queueTimeoutMs: 60_000 });
  const held = await stalling(stage, 1);
  held[0].ms = 2000;
  const served = new Map<string, Connection>();
  ask(stage, GREEDY, "g", served);
  assertEquals(codesOf(held), [""]);
  ask(stage, MODEST, "m", served);
  stage.advance(100);
  stage.pool.sweep(stage.nowMs);
  while (stage.dialling > 0) await stage.connect();
  assertEquals([codesOf(held), served.size], [["connection_reclaimed"], 1]);
});

Deno.test("Pool gives everything to a client that is alone, and to those that waited once it is", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 8, queueTimeoutMs: 60_000 });
  const [other] = await fill(stage, MODEST, 1);
  await fill(stage, GREEDY, 8);
  stage.assertState(6, 3, 0);
  await stage.useAndRelease(other);
  stage.assertState(6, 2, 0);
  stage.advance(10_000);
  stage.pool.sweep(stage.nowMs);
  while (stage.dialling > 0) await stage.connect();
  stage.assertState(8, 0, 0);
});

Deno.test("Pool with a full queue refuses the last one of whom most wait, for who has none there", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 1, queueMax: 3 });
  await fill(stage, GREEDY, 1);
  const served = new Map<string, Connection>();
  const waiting = ["g1", "g2", "g3"].map((name) => ask(stage, GREEDY, name, served)!);
  assertThrows(() => stage.acquire(false, GREEDY), ProxyError, "queue_full");
  ask(stage, MODEST, "m1", served);
  assertEquals(await codeOf(waiting[2]), "queue_full");
  stage.assertState(1, 3, 0);
  // Two would be as many as the other has left.
  assertThrows(() => stage.acquire(false, MODEST), ProxyError, "queue_full");
});

Deno.test("Pool without a bound dials for everybody, and refuses what there are no descriptors for", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 0, idleMax: 1 });
  const held = await fill(stage, GREEDY, 500);
  stage.assertState(500, 0, 0);
  assertEquals(stage.descriptors, 500);
  stage.mayOpen = false;
  assertThrows(() => stage.acquire(false, MODEST), ProxyError, "descriptors_exhausted");
  await stage.useAndRelease(held[0]);
  assertEquals(stage.acquire(false, MODEST) instanceof Waiter, false); // an idle one needs none
  for (const connection of held.slice(1)) await stage.useAndRelease(connection);
  stage.assertState(1, 0, 1);
  assertEquals(stage.descriptors, 2);
  stage.pool.shedIdle();
  assertEquals(stage.descriptors, 1);
});

Deno.test("Pool whose dial fails without descriptors for another lets who waits go after the queue's time", async () => {
  const stage = new PoolStage(SETTINGS);
  const [first, second] = [stage.waiter(), stage.waiter()];
  stage.mayOpen = false;
  await stage.refuse();
  assertEquals([await codeOf(first), stage.descriptors, stage.dialling], ["connect_refused", 1, 1]);
  await stage.refuse();
  assertEquals([await codeOf(second), stage.descriptors], ["connect_refused", 0]);
});

Deno.test("Pool holds tunnels apart: they take no place of requests, and go when they end", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 1, tunnelsMax: 0 });
  const [connection] = await fill(stage, client("10.0.0.1", "websocket"), 1);
  const served = new Map<string, Connection>();
  ask(stage, MODEST, "next", served);
  stage.assertState(1, 1, 0);
  stage.pool.switched(connection, stage.nowMs);
  await stage.connect();
  assertEquals(`${stage.pool}`, "pool x/y: 1 active, 0 waiting, 0 idle, 1 tunnels");
  stage.pool.release(connection, stage.nowMs);
  stage.pool.release(connection, stage.nowMs);
  assertEquals([connection.isClosed, stage.descriptors], [true, 1]);
  stage.assertState(1, 0, 0);
});

Deno.test("Pool never has more tunnels than tunnelsMax", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 0, tunnelsMax: 2 });
  const asking = client("10.0.0.1", "websocket");
  const [first, second, late] = await fill(stage, asking, 3);
  stage.pool.switched(first, stage.nowMs);
  stage.pool.switched(second, stage.nowMs);
  assertThrows(() => stage.pool.switched(late, stage.nowMs), ProxyError, "tunnels_full");
  assertThrows(() => stage.acquire(false, asking), ProxyError, "tunnels_full");
  assertEquals(stage.acquire(false, MODEST) instanceof Waiter, true); // a request is none
  stage.pool.release(second, stage.nowMs);
  assertEquals(stage.acquire(false, asking) instanceof Waiter, true);
});

Deno.test("Pool.abort() ends tunnels, and close() leaves them to their end", async () => {
  const stage = new PoolStage({ ...SETTINGS, connectionsMax: 0 });
  const [first, second] = await fill(stage, GREEDY, 2);
  for (const connection of [first, second]) stage.pool.switched(connection, stage.nowMs);
  stage.pool.close();
  assertEquals([first.isClosed, stage.pool.isEmpty], [false, false]);
  stage.pool.abort(new ProxyError("shutting_down"));
  assertEquals([first.isClosed, second.isClosed], [true, true]);
  for (const connection of [first, second]) stage.pool.release(connection, stage.nowMs);
  assertEquals([stage.pool.isEmpty, stage.descriptors], [true, 0]);
});
