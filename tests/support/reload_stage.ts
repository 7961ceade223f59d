/** What the tests of reloading share: a change, and the event that says what came of it. */

import { assertEquals } from "./assert.ts";
import type { JsonLine } from "./line_log.ts";
import { get } from "./raw_client.ts";
import type { SluiceProcess } from "./sluice_process.ts";

/** A route that answers every path itself: which configuration is in force can be read off it. */
export function answering(body: string): string {
  return `[[routes]]\nname = "answer"\npath = "/*"\nrespond = { status = 200, body = "${body}" }\n`;
}

/** @returns The `reloaded` event that `change` brings. @throws {Error} When the reload is refused. */
export async function reload(sluice: SluiceProcess, change: () => void): Promise<JsonLine> {
  const outcome = await outcomeOf(sluice, change);
  assertEquals(outcome.event, "reloaded", JSON.stringify(outcome));
  return outcome;
}

/** @returns The problems for which the reload that `change` brings is refused. */
export async function refusal(sluice: SluiceProcess, change: () => void): Promise<string[]> {
  const outcome = await outcomeOf(sluice, change);
  assertEquals(outcome.event, "reload_refused", JSON.stringify(outcome));
  return outcome.problems as string[];
}

export { freePort } from "./scripted_backend.ts";

export function countOf(sluice: SluiceProcess, event: string): number {
  return sluice.events.filter((line) => line.event === event).length;
}

/** What a new connection to a listener gets. */
export async function bodyAt(address: string, path = "/"): Promise<string> {
  return (await get(address, path, {}, { deadlineMs: 20_000 })).text;
}

function outcomeOf(sluice: SluiceProcess, change: () => void): Promise<JsonLine> {
  const from = sluice.events.length;
  change();
  return sluice.waitForEvent(({ event }) => event === "reloaded" || event === "reload_refused", from);
}
