import { assertEquals } from "../../../support/assert.ts";
import { ErrorTally } from "../../../../lib/runtime/telemetry/error_tally.ts";
import { EventRings, EVENTS_MAX } from "../../../../lib/runtime/operator/event_rings.ts";
import type { Exchange } from "../../../../lib/proxy/exchange.ts";

function failed(errorCode: string, route = "r", backend = "b1"): Exchange {
  const upstream = backend === "" ? null : { name: "api" };
  return { errorCode, route: { name: route }, upstream, backend: upstream && { name: backend } } as unknown as Exchange;
}

Deno.test("ErrorTally counts errors by code and backend", () => {
  const tally = new ErrorTally();
  for (let index = 0; index < 1000; index++) tally.record(failed("connect_refused"));
  tally.record(failed("connect_refused", "r", "b2"));
  tally.record(failed("route_not_found", "", ""));
  for (const quiet of ["", "client_gone"]) tally.record(failed(quiet));
  assertEquals(tally.take(), [
    { code: "connect_refused", count: 1000, route: "r", backend: "api/b1" },
    { code: "connect_refused", count: 1, route: "r", backend: "api/b2" },
    { code: "route_not_found", count: 1, route: "", backend: "" },
  ]);
  assertEquals(tally.take(), []);
});

Deno.test("ErrorTally names no route when there were several", () => {
  const tally = new ErrorTally();
  for (const route of ["one", "other", "one"]) tally.record(failed("connect_refused", route));
  assertEquals(tally.take(), [{ code: "connect_refused", count: 3, route: "", backend: "api/b1" }]);
});

Deno.test("ErrorTally stays small in a storm, and loses no count", () => {
  const tally = new ErrorTally();
  for (let index = 0; index < 5000; index++) tally.record(failed("connect_refused", "r", `b${index % 500}`));
  const counts = tally.take();
  assertEquals(counts.length, 33);
  assertEquals(counts.reduce((sum, { count }) => sum + count, 0), 5000);
});

Deno.test("EventRings keep each kind apart, bounded, and in order", () => {
  const rings = new EventRings(() => 0);
  rings.push("admin", "drain", "drain api/b1");
  for (let index = 0; index < 1000; index++) rings.push("error", "connect_refused", `${index}`);
  rings.healthChanged("api/b1", {
    from: "healthy",
    to: "open",
    reason: { cause: "traffic", code: "connect_refused", count: 5 },
    atMs: 0,
    untilMs: 5000,
  });
  const events = rings.since(0);
  assertEquals(events.length, EVENTS_MAX + 2);
  assertEquals(events[0], {
    id: 1,
    at: "1970-01-01T00:00:00.000Z",
    kind: "admin",
    code: "drain",
    message: "drain api/b1",
  });
  assertEquals(events.at(-1)!.message, "api/b1: healthy to open, connect_refused × 5 (traffic)");
  assertEquals(rings.since(1001).map(({ id }) => id), [1002]);
});

Deno.test("EventRings tell listeners until they are told to stop", () => {
  const rings = new EventRings(() => 0);
  const heard: string[] = [];
  const forget = rings.onEvent(({ message }) => heard.push(message));
  rings.errorsCounted([
    { code: "connect_refused", count: 7, route: "app", backend: "api/b1" },
    { code: "route_not_found", count: 1, route: "", backend: "" },
  ]);
  forget();
  rings.push("reload", "reloaded", "unheard");
  assertEquals(heard, ["connect_refused × 7: route app, backend api/b1", "route_not_found"]);
});
