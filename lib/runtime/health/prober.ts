/**
 * Probes the backends of the current plan, each at its own pace.
 *
 * A backend that stays over a reload keeps its rhythm: probes are told apart by the health machine that they report to,
 * and that one is kept. The next probe is planned when the last has ended, so a slow backend is never probed twice at once.
 */

import type { HealthMachine } from "../../health/machine.ts";
import { isBackendFault } from "../../health/reason.ts";
import type { Clock } from "../../base/clock.ts";
import { hostOf } from "../../plan/backend_host.ts";
import type { Plan } from "../../plan/types.ts";
import { probe, type ProbeTarget } from "./probe.ts";

/** Intervals vary by so much both ways, so that instances and backends do not probe in step. */
const JITTER = 0.1;
/** The first probes of a start are spread over so much at most: a dead backend is found early, yet not all at once. */
const FIRST_SPREAD_MS = 500;

export interface ProberParts {
  readonly clock: Clock;
  readonly random: () => number;
  /** Told how handshakes with a backend go: why one was refused; "" for one that went well. */
  readonly onTls: (backend: string, problem: string) => void;
}

export class Prober {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onTls: ProberParts["onTls"];
  readonly #loops: Map<HealthMachine, ProbeLoop> = new Map();

  constructor({ clock, random, onTls }: ProberParts) {
    this.#clock = clock;
    this.#random = random;
    this.#onTls = onTls;
  }

  /** Begins with backends that are new, ends with those that are gone. */
  follow(plan: Plan): void {
    const wanted = new Set<HealthMachine>();
    for (const { members: { config, judged, backends } } of plan.upstreams.values()) {
      const { health } = config;
      if (health === null || judged === null) continue;
      for (const [index, machine] of judged.machines.entries()) {
        wanted.add(machine);
        if (this.#loops.has(machine)) continue;
        const backend = config.backends[index];
        const { pool } = backends[index];
        const target: ProbeTarget = {
          address: backend.address,
          tls: config.tls,
          host: health.host === "" ? hostOf(backend.address) : health.host,
          method: health.method,
          path: health.path,
          timeoutMs: health.timeoutMs,
          expect: health.expect,
          onTls: (problem) => this.#onTls(pool.name, problem),
        };
        const loop = new ProbeLoop(machine, target, { clock: this.#clock, random: this.#random });
        this.#loops.set(machine, loop);
        loop.start(health.intervalMs);
      }
    }
    for (const [machine, loop] of this.#loops) {
      if (wanted.has(machine)) continue;
      this.#loops.delete(machine);
      loop.stop();
    }
  }

  /** Probes under way end by themselves, within their timeout; nobody hears of them. */
  close(): void {
    for (const loop of this.#loops.values()) loop.stop();
    this.#loops.clear();
  }
}

class ProbeLoop {
  readonly #machine: HealthMachine;
  readonly #target: ProbeTarget;
  readonly #clock: Clock;
  readonly #random: () => number;
  #intervalMs = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;

  constructor(machine: HealthMachine, target: ProbeTarget, parts: { clock: Clock; random: () => number }) {
    this.#machine = machine;
    this.#target = target;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  start(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#plan(this.#random() * Math.min(intervalMs, FIRST_SPREAD_MS));
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #plan(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#once();
    }, delayMs);
  }

  async #once(): Promise<void> {
    // A backend that the operator has disabled is left in peace.
    const code = this.#machine.state === "disabled" ? null : await probe(this.#target);
    if (this.#isStopped) return;
    const nowMs = this.#clock.nowMs();
    if (code === "") this.#machine.onProbeSuccess(nowMs);
    else if (code !== null && isBackendFault(code)) this.#machine.onProbeFailure(code, nowMs);
    this.#plan(this.#intervalMs * (1 - JITTER + 2 * JITTER * this.#random()));
  }
}
