/**
 * The current plan, and how long an old one lives.
 *
 * A request reads `current` once, enters that plan and leaves it when its exchange has ended, however long that takes:
 * a download or a WebSocket goes on on the plan it began with. A retired plan that nobody is in any more is let go.
 */

import type { Plan } from "./types.ts";

export class LivePlan {
  readonly plan: Plan;
  readonly #onFree: (plan: Plan) => void;
  #exchanges = 0;
  #isRetired = false;

  constructor(plan: Plan, onFree: (plan: Plan) => void) {
    this.plan = plan;
    this.#onFree = onFree;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  enter(): void {
    this.#exchanges++;
  }

  leave(): void {
    this.#exchanges--;
    if (this.#isRetired && this.#exchanges === 0) this.#onFree(this.plan);
  }

  retire(): void {
    this.#isRetired = true;
    if (this.#exchanges === 0) this.#onFree(this.plan);
  }
}

export class PlanHolder {
  current: LivePlan;
  readonly #onFree: (plan: Plan) => void;
  readonly #alive: Set<Plan> = new Set();

  /** @param onFree Called once per plan, when it is retired and its last exchange has ended. */
  constructor(first: Plan, onFree: (plan: Plan) => void) {
    this.#onFree = onFree;
    this.current = this.#hold(first);
  }

  /** Plans that some exchange still runs on, the current one included. */
  get alive(): number {
    return this.#alive.size;
  }

  swap(next: Plan): void {
    const old = this.current;
    this.current = this.#hold(next);
    old.retire();
  }

  #hold(plan: Plan): LivePlan {
    this.#alive.add(plan);
    return new LivePlan(plan, (freed) => {
      this.#alive.delete(freed);
      this.#onFree(freed);
    });
  }
}
