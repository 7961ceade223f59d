/** What is said of a listener of `serve` that failed: it is restored when it has served somebody, not when it listens. */

import { Revival } from "../../../../lib/engines/serve/revival.ts";
import { assertEquals } from "../../../support/assert.ts";

/** Longer than a listener has to stay open. */
const CALM_MS = 2300;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function revivalOf(): { revival: Revival; said: string[] } {
  const said: string[] = [];
  const revival = new Revival({
    nowMs: () => performance.now(),
    reopen: () => said.push("reopened"),
    shed: () => {},
    onFailed: () => said.push("failed"),
    onRestored: ({ failures }) => said.push(`restored after ${failures}`),
  });
  return { revival, said };
}

Deno.test("Revival calls a listener restored that has stayed open and brought a request", async () => {
  const unserved = revivalOf();
  const served = revivalOf();
  const failing = revivalOf();
  for (const { revival } of [unserved, served, failing]) revival.begin(new Error("no descriptor"));
  await wait(100);
  served.revival.served();
  failing.revival.served();
  failing.revival.begin(new Error("no descriptor"));
  await wait(CALM_MS);
  assertEquals(served.said, ["failed", "reopened", "restored after 1"]);
  // There are no descriptors for clients: nobody is served, though it listens.
  assertEquals(unserved.said, ["failed", "reopened"]);
  assertEquals(failing.said, ["failed", "reopened", "reopened"]);
  unserved.revival.served();
  unserved.revival.served();
  assertEquals(unserved.said, ["failed", "reopened", "restored after 1"]);
  failing.revival.close();
});
