/** What threads share: where it lies, how counts survive a thread, and how connections are counted over all of them. */

import { BACKEND_ROWS_MAX } from "../../../../lib/base/backend_table.ts";
import { PrivateConnections, SharedConnections } from "../../../../lib/base/shared/shared_connections.ts";
import {
  COUNT_AT,
  createSharedState,
  forgetCounts,
  sharedStateOn,
  sharedTable,
} from "../../../../lib/base/shared/shared_state.ts";
import { assert, assertEquals } from "../../../support/assert.ts";

const NO_LIMIT = { connectionsMax: 0, connectionsPerIpMax: 0 };

for (const workers of [1, 2, 7]) {
  Deno.test(`createSharedState() lays no two parts over each other, each on a cache line of its own (${workers})`, () => {
    const state = createSharedState(workers);
    const { recent, latencyMs, latencyAtMs } = sharedTable(state, -1);
    const parts: ArrayBufferView[] = [state.wake, state.counts, recent, latencyMs, latencyAtMs];
    parts.push(...Object.values(state.health));
    for (const region of state.regions) parts.push(...Object.values(region));
    const ranges = parts.map(({ byteOffset, byteLength }) => [byteOffset, byteOffset + byteLength])
      .toSorted(([a], [b]) => a - b);
    for (const [index, [from, to]] of ranges.entries()) {
      assertEquals(from % 64, 0);
      assert(to <= (ranges[index + 1]?.[0] ?? state.buffer.byteLength), `${from} to ${to}`);
    }
    assertEquals(state.regions.length, 2 * workers);
  });
}

Deno.test("sharedStateOn() sees from another thread what this one writes", () => {
  const state = createSharedState(2);
  const other = sharedStateOn(state.buffer, 2);
  sharedTable(state, 0).begin(5);
  sharedTable(other, 1).begin(5);
  assertEquals(sharedTable(state, -1).inFlight[5], 2);
  other.health.sinceMs[3] = 7.5;
  assertEquals(state.health.sinceMs[3], 7.5);
});

Deno.test("forgetCounts() takes off what one thread held, and what it does in its last turn", () => {
  const state = createSharedState(2);
  const [gone, stays] = [sharedTable(state, 0), sharedTable(state, 1)];
  for (const row of [0, 0, 9, BACKEND_ROWS_MAX - 1]) gone.begin(row);
  stays.begin(9);
  const connections = new SharedConnections(state, { region: 0, row: 3, seed: 1 });
  assert(connections.enter("192.0.2.1", NO_LIMIT));
  forgetCounts(state, 0);
  assertEquals(heldIn(state.counts), [[9, 1]]);
  // It is still in its turn: one exchange ends, another begins.
  gone.end(0);
  gone.begin(4);
  connections.leave("192.0.2.1");
  forgetCounts(state, 0);
  assertEquals(heldIn(state.counts), [[9, 1]]);
  stays.end(9);
  assertEquals(heldIn(state.counts), []);
});

const COUNTS = {
  private: () => {
    const count = new PrivateConnections();
    return [count, count];
  },
  "shared by two": () => {
    const state = createSharedState(2);
    return [0, 1].map((region) => new SharedConnections(state, { region, row: 0, seed: 7 }));
  },
};
for (const [kind, make] of Object.entries(COUNTS)) {
  Deno.test(`ConnectionCount (${kind}) holds to both limits over all, and a place that is left is free`, () => {
    const [one, other] = make();
    const limits = { connectionsMax: 4, connectionsPerIpMax: 2 };
    assertEquals([one.enter("a", limits), other.enter("a", limits), one.enter("a", limits)], [true, true, false]);
    assertEquals([other.enter("", limits), one.enter("b", limits)], [true, true]);
    assertEquals([one.enter("c", limits), other.enter("", limits)], [false, false]);
    other.leave("a");
    assertEquals([one.enter("a", limits), other.enter("c", limits)], [true, false]);
    assertEquals(one.enter("c", NO_LIMIT), true);
  });

  Deno.test(`ConnectionCount (${kind}) knows what came while there was no limit`, () => {
    const [one, other] = make();
    for (let index = 0; index < 3; index++) assert(one.enter("a", NO_LIMIT));
    const limits = { connectionsMax: 0, connectionsPerIpMax: 3 };
    assertEquals([other.enter("a", limits), other.enter("b", limits)], [false, true]);
  });

  Deno.test(`ConnectionCount (${kind}) counts a /64 of IPv6 as one client, and IPv4 in IPv6 as IPv4`, () => {
    // Whoever has a /64, as every customer has, got round the limit with an address for each connection.
    const [one, other] = make();
    const limits = { connectionsMax: 0, connectionsPerIpMax: 2 };
    const enter = (ip: string) => one.enter(ip, limits);
    assertEquals(["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1::3"].map(enter), [true, true, false]);
    assertEquals(["2001:db8:0:2::1", "2001:db8:0:2::1"].map(enter), [true, true]);
    assertEquals(["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"].map(enter), [true, true, false, true]);
    other.leave("2001:db8:0:1:ffff::2");
    assertEquals(["2001:db8:0:1::4", "2001:db8:0:1::5"].map(enter), [true, false]);
  });
}

Deno.test("SharedConnections leaves nothing counted, whatever was refused", () => {
  const state = createSharedState(1);
  const count = new SharedConnections(state, { region: 0, row: 1, seed: 3 });
  const entered: string[] = [];
  for (let index = 0; index < 2000; index++) {
    const ip = `10.0.0.${index % 100}`;
    if (count.enter(ip, { connectionsMax: 900, connectionsPerIpMax: 15 })) entered.push(ip);
  }
  assertEquals(entered.length, 900);
  assertEquals(state.counts[COUNT_AT.listeners + 1], 900);
  for (const ip of entered) count.leave(ip);
  assertEquals(heldIn(state.counts), []);
});

Deno.test("SharedConnections hardly ever takes one address for another", () => {
  const state = createSharedState(1);
  const count = new SharedConnections(state, { region: 0, row: 0, seed: 11 });
  const limits = { connectionsMax: 0, connectionsPerIpMax: 10 };
  for (let busy = 0; busy < 500; busy++) {
    for (let index = 0; index < 10; index++) count.enter(`2001:db8::${busy.toString(16)}`, limits);
  }
  let refused = 0;
  for (let index = 0; index < 10_000; index++) {
    const ip = `10.1.${index >> 8}.${index & 255}`;
    if (count.enter(ip, limits)) count.leave(ip);
    else refused++;
  }
  // (500 / 16384)² of 10,000 is 9; seeded, so always the same.
  assert(refused <= 30, `${refused} of 10000`);
});

/** Index and count where something is held. */
function heldIn(counts: Int32Array): number[][] {
  return [...counts.entries()].filter(([, count]) => count !== 0);
}
