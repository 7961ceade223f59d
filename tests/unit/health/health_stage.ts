/** Drives one health machine by words, for tables of what it must do. Time stands still but for `wait`. */

import { HealthMachine } from "../../../lib/health/machine.ts";
import { REFUSED } from "../../../lib/health/gate.ts";
import type { FailureCode, HealthChange } from "../../../lib/health/reason.ts";
import type { HealthSettings } from "../../../lib/health/settings.ts";

export const TRAFFIC_OPEN = "take, bad*3";
export const PROBE_OPEN = "fail*3";
export const RESET_STREAK = "connection_reset × 3 (traffic)";

export const CIRCUIT = { failures: 3, errorRate: 0.5, windowMs: 1000, minRequests: 10, openMs: 100, maxOpenMs: 1000 };
export const SETTINGS: HealthSettings = { health: { rise: 2, fall: 3 }, circuit: CIRCUIT, slowStartMs: 0 };
export const RAMPING: HealthSettings = { ...SETTINGS, slowStartMs: 200 };
export const START_MS = 10_000;

export class Stage {
  readonly machine: HealthMachine;
  readonly changes: HealthChange[] = [];
  nowMs = START_MS;
  ticket = REFUSED;

  constructor(settings: HealthSettings, state: "healthy" | "slow_start" | "draining" | "disabled" = "healthy") {
    this.machine = new HealthMachine(settings, { nowMs: this.nowMs, state }, (change) => this.changes.push(change));
  }

  play(script: string): this {
    for (const line of script.split(",").map((word) => word.trim())) {
      const [word, times] = line.split("*");
      for (let i = 0; i < Number(times ?? 1); i++) this.#step(word.trim());
    }
    return this;
  }

  #step(word: string): void {
    const [verb, detail] = word.split(" ");
    switch (verb) {
      case "take":
        this.ticket = this.machine.tryAdmit(this.nowMs);
        break;
      case "spare":
        this.ticket = this.machine.admitSpared(this.nowMs);
        break;
      case "good":
        this.machine.onTrafficSuccess(this.nowMs, this.ticket);
        break;
      case "bad":
        this.machine.onTrafficFailure((detail ?? "connection_reset") as FailureCode, this.nowMs, this.ticket);
        break;
      case "giveback":
        this.machine.releaseToken(this.ticket);
        break;
      case "pass":
        this.machine.onProbeSuccess(this.nowMs);
        break;
      case "fail":
        this.machine.onProbeFailure("response_timeout", this.nowMs);
        break;
      case "wait":
        this.nowMs += Number(detail);
        this.machine.tick(this.nowMs);
        break;
      case "drain":
      case "disable":
      case "enable":
        this.machine.admin(verb, this.nowMs);
        break;
      default:
        throw new SyntaxError(`Unknown step "${word}"`);
    }
  }
}
