/**
 * What an operator has set over the file: a backend that drains or is disabled, and weights. Kept by name over reloads,
 * until it is cleared, also for a backend that vanishes and comes back.
 *
 * Two upstreams with the same address and the same settings share a health machine. An override of `api/b1` is about the
 * upstream `api`: it takes the member out of that group, and `web/b1` goes on. Only when every member that shares the
 * machine is taken out does the machine itself drain, or stop being probed.
 *
 * A weight needs new members for its upstream, because selectors are made for their weights: `applyTo` is what gets
 * compiled. Draining takes effect at once, in the members that serve, and is set in others before they take over.
 */

import type { OverrideView } from "../../admin/views.ts";
import type { HealthMachine } from "../../health/machine.ts";
import type { Config } from "../../config/types.ts";
import type { Plan, UpstreamPlan } from "../../plan/types.ts";
import { judgedOf } from "./judged.ts";

export interface Override {
  readonly command: "drain" | "disable" | null;
  readonly weight: number | null;
  /** Since 1970, ms. */
  readonly sinceMs: number;
}

const NONE: Override = { command: null, weight: null, sinceMs: 0 };

export class Overrides {
  readonly #entries: Map<string, Override> = new Map();

  of(upstream: string, backend: string): Override {
    return this.#entries.get(keyOf(upstream, backend)) ?? NONE;
  }

  set(upstream: string, backend: string, override: Override): void {
    const key = keyOf(upstream, backend);
    if (override.command === null && override.weight === null) this.#entries.delete(key);
    else this.#entries.set(key, override);
  }

  viewOf(upstream: string, backend: string): OverrideView | null {
    const { command, weight, sinceMs } = this.of(upstream, backend);
    if (command === null && weight === null) return null;
    return { command, weight, since: new Date(sinceMs).toISOString() };
  }

  /** The configuration with the weights set here. A new object only where there is a difference. */
  applyTo(config: Config): Config {
    if (![...this.#entries.values()].some(({ weight }) => weight !== null)) return config;
    const upstreams = config.upstreams.map((upstream) => ({
      ...upstream,
      backends: upstream.backends.map((backend) => {
        const { weight } = this.of(upstream.name, backend.name);
        return weight === null ? backend : { ...backend, weight };
      }),
    }));
    return { ...config, upstreams };
  }

  /** In a plan that does not serve yet: its groups alone, as machines may belong to the running one, too. */
  withdrawIn(plan: Plan): void {
    for (const upstream of plan.upstreams.values()) this.withdrawFrom(upstream);
  }

  /** In members that need not serve yet. */
  withdrawFrom(upstream: Pick<UpstreamPlan, "name" | "members">): void {
    const { group } = judgedOf(upstream);
    for (const { name, index } of upstream.members.backends) {
      group.withdraw(index, this.of(upstream.name, name).command !== null);
    }
  }

  /** In the plan that serves: groups and machines. */
  settle(plan: Plan, nowMs: number): void {
    this.withdrawIn(plan);
    for (const [machine, commands] of this.#commandsByMachine(plan)) {
      const isFree = commands.some((command) => command === null);
      if (!isFree) machine.admin(commands.every((command) => command === "disable") ? "disable" : "drain", nowMs);
      else if (machine.isWithdrawn) machine.admin("enable", nowMs);
    }
  }

  #commandsByMachine(plan: Plan): Map<HealthMachine, (Override["command"])[]> {
    const commands = new Map<HealthMachine, (Override["command"])[]>();
    for (const [name, upstream] of plan.upstreams) {
      for (const { name: backend, index } of upstream.members.backends) {
        const machine = judgedOf(upstream).machines[index];
        const { command } = this.of(name, backend);
        commands.set(machine, [...commands.get(machine) ?? [], command]);
      }
    }
    return commands;
  }
}

export interface MemberName {
  readonly upstream: string;
  readonly backend: string;
}

/** Other members that share the machine of this one. */
export function sharersOf(plan: Plan, upstreamName: string, index: number): readonly MemberName[] {
  const machine = judgedOf(plan.upstreams.get(upstreamName)!).machines[index];
  const sharers: MemberName[] = [];
  for (const [name, upstream] of plan.upstreams) {
    for (const member of upstream.members.backends) {
      const isItself = name === upstreamName && member.index === index;
      if (isItself || judgedOf(upstream).machines[member.index] !== machine) continue;
      sharers.push({ upstream: name, backend: member.name });
    }
  }
  return sharers;
}

function keyOf(upstream: string, backend: string): string {
  return JSON.stringify([upstream, backend]);
}
