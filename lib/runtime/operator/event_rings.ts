/**
 * The last things that happened, for the admin side: bounded, one ring a kind, so that a storm of errors does not push
 * out what the operator did. Ids ascend over all kinds.
 */

import type { EventView } from "../../admin/views.ts";
import { describeReason, type HealthChange } from "../../health/reason.ts";
import type { ErrorCount } from "../telemetry/error_tally.ts";

/** Events that are kept of each kind. */
export const EVENTS_MAX = 256;

type Kind = EventView["kind"];

export class EventRings {
  readonly #epochMs: () => number;
  readonly #rings: Readonly<Record<Kind, EventView[]>> = { error: [], health: [], reload: [], admin: [], worker: [] };
  readonly #listeners: Set<(event: EventView) => void> = new Set();
  #lastId = 0;

  constructor(epochMs: () => number) {
    this.#epochMs = epochMs;
  }

  push(kind: Kind, code: string, message: string): void {
    const at = new Date(this.#epochMs()).toISOString();
    const event: EventView = { id: ++this.#lastId, at, kind, code, message };
    const ring = this.#rings[kind];
    ring.push(event);
    if (ring.length > EVENTS_MAX) ring.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** @param backend "api/b1". */
  healthChanged(backend: string, { from, to, reason }: HealthChange): void {
    this.push("health", to, `${backend}: ${from} to ${to}, ${describeReason(reason)}`);
  }

  errorsCounted(counts: readonly ErrorCount[]): void {
    for (const { code, count, route, backend } of counts) {
      const times = count === 1 ? "" : ` × ${count}`;
      const where = [route === "" ? "" : `route ${route}`, backend === "" ? "" : `backend ${backend}`].filter(Boolean);
      this.push("error", code, `${code}${times}${where.length === 0 ? "" : `: ${where.join(", ")}`}`);
    }
  }

  /** Oldest first. */
  since(id: number): readonly EventView[] {
    return Object.values(this.#rings).flat().filter((event) => event.id > id).sort((a, b) => a.id - b.id);
  }

  onEvent(listener: (event: EventView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
