/** The pool by itself: who gets which connection, who waits, what is closed. */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { ProxyError } from "../../../lib/base/errors.ts";
import { GET } from "./transport_fakes.ts";
import { codeOf, PoolStage as Stage, settled, wholeOf } from "./pool_stage.ts";

Deno.test("Pool.acquire() dials when nothing is idle, and the waiter gets the connection", async () => {
  const stage = new Stage();
  stage.assertState(0, 0, 0);
  const waiter = stage.waiter();
  stage.assertState(0, 1, 0);
  await stage.connect();
  stage.assertState(1, 0, 0);
  assertEquals((await wholeOf(waiter)).isClosed, false);
  assertEquals([stage.pool.opened, stage.pool.reused, stage.deadlines.size], [1, 0, 0]);
});

Deno.test("Pool.release() keeps a connection at a clean end, and acquire() takes it at once", async () => {
  const stage = new Stage();
  const connection = await stage.open();
  await stage.useAndRelease(connection);
  stage.assertState(0, 0, 1);
  assertStrictEquals(stage.connection(), connection);
  stage.assertState(1, 0, 0);
  assertEquals([stage.pool.opened, stage.pool.reused], [1, 1]);
});

Deno.test("Pool.release() closes a connection in the middle of a response", async () => {
  const stage = new Stage();
  const connection = await stage.open();
  connection.beginExchange();
  stage.pool.release(connection, 0);
  stage.assertState(0, 0, 0);
  assertEquals(connection.isClosed, true);
});

Deno.test("Pool.release() twice counts once", async () => {
  const stage = new Stage();
  const connection = await stage.open();
  await stage.useAndRelease(connection);
  stage.pool.release(connection, 0);
  stage.assertState(0, 0, 1);
});

Deno.test("Pool.acquire() takes the newest idle connection first", async () => {
  const stage = new Stage();
  const [older, newer] = [await stage.open(), await stage.open()];
  await stage.useAndRelease(older);
  await stage.useAndRelease(newer);
  stage.assertState(0, 0, 2);
  assertStrictEquals(stage.connection(), newer);
  assertStrictEquals(stage.connection(), older);
});

Deno.test("Pool never holds more than connectionsMax, and serves who waits in order", async () => {
  const stage = new Stage();
  const [first, second] = [await stage.open(), await stage.open()];
  const [third, fourth] = [stage.waiter(), stage.waiter()];
  stage.assertState(2, 2, 0);
  assertEquals([stage.dialling, stage.pool.total], [0, 2]);
  await stage.useAndRelease(second);
  assertStrictEquals(await wholeOf(third), second);
  stage.assertState(2, 1, 0);
  await stage.useAndRelease(first);
  assertStrictEquals(await wholeOf(fourth), first);
  stage.assertState(2, 0, 0);
});

Deno.test("Pool counts dials as connections", () => {
  const stage = new Stage();
  for (const _ of "1234") stage.acquire();
  assertEquals([stage.dialling, stage.pool.total, stage.pool.waitingCount], [2, 2, 4]);
});

Deno.test("Pool.acquire() refuses at once when the queue is full", async () => {
  const stage = new Stage();
  for (const _ of "1234") stage.acquire();
  assertEquals(assertThrows(() => stage.acquire(), ProxyError).code, "queue_full");
  stage.assertState(0, 4, 0);
  await stage.connect();
  stage.assertState(1, 3, 0);
  assertEquals(assertThrows(() => stage.acquire(), ProxyError).code, "queue_full");
});

Deno.test("Pool with queue 0 refuses whoever finds no room", async () => {
  const stage = new Stage({ connectionsMax: 1, queueMax: 0 });
  await stage.open();
  assertEquals(assertThrows(() => stage.acquire(), ProxyError).code, "queue_full");
});

Deno.test("Waiter in the queue times out, and its place is free again", async () => {
  const stage = new Stage({ connectionsMax: 1, queueMax: 1 });
  const connection = await stage.open();
  const waiter = stage.waiter();
  stage.advance(99);
  stage.assertState(1, 1, 0);
  stage.advance(1);
  assertEquals(await codeOf(waiter), "queue_timeout");
  stage.assertState(1, 0, 0);
  const next = stage.waiter();
  await stage.useAndRelease(connection);
  assertStrictEquals(await wholeOf(next), connection);
});

Deno.test("Waiter with a dial of its own does not time out: the dial has a bound", async () => {
  const stage = new Stage();
  const waiter = stage.waiter();
  stage.advance(1_000_000);
  await stage.connect();
  assertEquals((await wholeOf(waiter)).isClosed, false);
});

Deno.test("Waiter.cancel() gives the place up; its dial serves the next, or becomes idle", async () => {
  const stage = new Stage();
  const waiter = stage.waiter();
  waiter.cancel(new ProxyError("client_gone"));
  assertEquals(await codeOf(waiter), "client_gone");
  waiter.cancel(new ProxyError("total_timeout"));
  await stage.connect();
  stage.assertState(0, 0, 1);
  assertEquals(stage.deadlines.size, 0);
});

Deno.test("Waiter is served by a released connection when that comes before its dial", async () => {
  const stage = new Stage();
  const connection = await stage.open();
  const waiter = stage.waiter();
  await stage.useAndRelease(connection);
  assertStrictEquals(await wholeOf(waiter), connection);
  await stage.connect();
  stage.assertState(1, 0, 1);
});

Deno.test("Pool fails the waiter that waited longest when a dial fails, and dials for the others", async () => {
  const stage = new Stage();
  const [first, second, third] = [stage.waiter(), stage.waiter(), stage.waiter()];
  await stage.refuse();
  assertEquals(await codeOf(first), "connect_refused");
  assertEquals([stage.dialling, stage.pool.waitingCount], [2, 2]);
  await stage.connect();
  assertEquals((await wholeOf(second)).isClosed, false);
  await stage.refuse(new Error("odd"));
  assertEquals(await codeOf(third), "connect_failed");
  stage.assertState(1, 0, 0);
});

Deno.test("Pool.release() of a broken connection dials for who waits", async () => {
  const stage = new Stage({ connectionsMax: 1 });
  const connection = await stage.open();
  const waiter = stage.waiter();
  connection.close();
  stage.pool.release(connection, 0);
  assertEquals(stage.dialling, 1);
  await stage.connect();
  assertEquals((await wholeOf(waiter)).isClosed, false);
});

Deno.test("Pool evicts an idle connection that becomes readable", async () => {
  for (const bytes of ["HTTP/1.1 200 OK\r\n\r\n", null]) {
    const stage = new Stage();
    const connection = await stage.open();
    await stage.useAndRelease(connection);
    if (bytes === null) stage.conns[0].end();
    else stage.conns[0].push(bytes);
    await settled();
    stage.assertState(0, 0, 0);
    assertEquals(connection.isClosed, true);
  }
});

Deno.test("Pool.acquire() and sweep() close what was idle for too long", async () => {
  for (const isSwept of [true, false]) {
    const stage = new Stage();
    const connection = await stage.open();
    await stage.useAndRelease(connection);
    stage.nowMs = 999;
    stage.pool.sweep(stage.nowMs);
    stage.assertState(0, 0, 1);
    stage.nowMs = 1000;
    if (isSwept) stage.pool.sweep(stage.nowMs);
    else stage.waiter();
    stage.assertState(0, isSwept ? 0 : 1, 0);
    assertEquals(connection.isClosed, true);
  }
});

Deno.test("Pool.release() closes a connection that is too old", async () => {
  const stage = new Stage();
  const connection = await stage.open();
  stage.nowMs = 10_000;
  await stage.useAndRelease(connection);
  stage.assertState(0, 0, 0);
});

Deno.test("Pool.release() closes a connection after exchangesMax exchanges", async () => {
  const stage = new Stage({ exchangesMax: 2 });
  const connection = await stage.open();
  await stage.useAndRelease(connection);
  assertStrictEquals(stage.connection(), connection);
  await stage.useAndRelease(connection);
  stage.assertState(0, 0, 0);
  assertEquals(connection.isClosed, true);
});

Deno.test("Pool.release() keeps at most idleMax", async () => {
  const stage = new Stage({ idleMax: 1 });
  const connections = [await stage.open(), await stage.open()];
  for (const connection of connections) await stage.useAndRelease(connection);
  stage.assertState(0, 0, 1);
  assertEquals(connections.map((connection) => connection.isClosed), [false, true]);
});

Deno.test("Pool.acquire() that wants a fresh connection leaves idle ones alone, or makes room", async () => {
  const stage = new Stage();
  const [older, newer] = [await stage.open(), await stage.open()];
  await stage.useAndRelease(older);
  await stage.useAndRelease(newer);
  const waiter = stage.waiter(true);
  stage.assertState(0, 1, 1);
  assertEquals([older.isClosed, newer.isClosed], [true, false]);
  await stage.connect();
  assertEquals([older, newer].includes(await wholeOf(waiter)), false);
});

Deno.test("Pool.sweep() keeps idleMin warm, within connectionsMax, and pauses after a failed dial", async () => {
  const stage = new Stage({ idleMin: 3, idleTimeoutMs: 5000 });
  stage.pool.sweep(0);
  stage.pool.sweep(0);
  assertEquals(stage.dialling, 2);
  await stage.connect();
  await stage.refuse();
  stage.assertState(0, 0, 1);
  stage.pool.sweep(999);
  assertEquals(stage.dialling, 0);
  stage.pool.sweep(1000);
  assertEquals(stage.dialling, 1);
});

Deno.test("Pool.close() closes idle connections now and active ones when they are released", async () => {
  const stage = new Stage();
  const [active, idle] = [await stage.open(), await stage.open()];
  await stage.useAndRelease(idle);
  stage.pool.close();
  stage.assertState(1, 0, 0);
  assertEquals([active.isClosed, idle.isClosed], [false, true]);
  await stage.useAndRelease(active);
  stage.assertState(0, 0, 0);
  assertEquals(active.isClosed, true);
});

Deno.test("Pool.close() fails who waits once nothing is active any more", async () => {
  const stage = new Stage({ connectionsMax: 1 });
  const connection = await stage.open();
  const waiter = stage.waiter();
  stage.pool.close();
  stage.pool.release(connection, 0);
  assertEquals(await codeOf(waiter), "backend_unavailable");
});

Deno.test("Pool.abort() fails who waits and ends what is in use", async () => {
  const stage = new Stage({ connectionsMax: 1 });
  const connection = await stage.open();
  const reading = connection.readHead(GET);
  const waiter = stage.waiter();
  stage.pool.abort(new ProxyError("shutting_down"));
  assertEquals(await codeOf(waiter), "shutting_down");
  assertEquals((await assertRejects(() => reading, ProxyError)).code, "shutting_down");
});
