/**
 * Worker threads that share the ports: the plane when `server.workers` is above 1.
 *
 * - A change reaches all workers or none. All prepare (the first before the others, because it finds the ports for
 *   listeners on port 0); when one refuses, all undo; else all commit.
 * - A worker that dies loses what it had in flight. Its counts are taken off, its trials given back, and another one takes
 *   its place on the current plan. The kernel gives new connections to the others meanwhile.
 * - A worker that starts during a change may come up on the old plan; whoever commits looks for such and has it catch up.
 *
 * Unix sockets can't be shared: the first worker has them all.
 */

import type { HealthCourt } from "../backend/health_court.ts";
import { forgetInFlight, type SharedState } from "../backend/shared_state.ts";
import type { LoadedConfig } from "../config/load.ts";
import { assertPortFree } from "../engines/listener.ts";
import type { PlanHolder } from "../plan/holder.ts";
import { listenerPlace } from "../plan/listener_place.ts";
import type { Plan } from "../plan/types.ts";
import { STDOUT } from "./access_log.ts";
import { type ErrorCount, ErrorTally } from "./error_tally.ts";
import { ListenError, reasonOf } from "./listener_set.ts";
import type { Metrics } from "./metrics.ts";
import type { BoundListener, Plane, PlaneChange, ThreadCounts } from "./plane.ts";
import type { SluiceOptions } from "./sluice.ts";
import { WorkerHandle } from "./worker_handle.ts";
import type { PlanMessage } from "./worker_messages.ts";
import { within } from "./within.ts";

const TICK_MS = 250;
/** A worker that lived for less is started again only after a pause, doubled each time. */
const SETTLED_MS = 5000;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 10_000;
/** Beyond the drain, for the workers' own farewell. */
const GRACE_MS = 2000;

export interface FleetParts {
  readonly options: SluiceOptions;
  readonly state: SharedState;
  readonly court: HealthCourt;
  readonly metrics: Metrics;
  readonly plans: PlanHolder;
  /** Where the groups of a plan write. */
  readonly memoryOf: (plan: Plan) => SharedArrayBuffer;
}

export interface WorkerFacts {
  readonly id: number;
  readonly state: "starting" | "serving" | "draining";
  readonly restarts: number;
  readonly exchanges: number;
}

interface Place {
  handle: WorkerHandle | null;
  restarts: number;
  pauseMs: number;
  startedMs: number;
}

export class Fleet implements Plane {
  readonly plans: PlanHolder;
  listeners: readonly BoundListener[] = [];
  readonly #parts: FleetParts;
  readonly #places: readonly Place[];
  readonly #ticker: ReturnType<typeof setInterval>;
  /** What is in force; null before the first commit. */
  #current: { readonly loaded: LoadedConfig; readonly plan: Plan } | null = null;
  #writing: Promise<unknown> = Promise.resolve();
  readonly #errors: ErrorTally = new ErrorTally();
  #isStopping = false;

  constructor(parts: FleetParts) {
    this.plans = parts.plans;
    this.#parts = parts;
    this.#places = parts.state.parts.map(() => ({ handle: null, restarts: 0, pauseMs: PAUSE_MS, startedMs: 0 }));
    this.#ticker = setInterval(() => this.#handles.forEach((handle) => handle.tick()), TICK_MS);
    this.#hearReports();
  }

  get exchanges(): number {
    return this.#handles.reduce((sum, { exchanges }) => sum + exchanges, 0);
  }

  get threads(): ThreadCounts {
    return {
      workers: this.#handles.filter(({ state }) => state === "serving").length,
      workerRestarts: this.#places.reduce((sum, { restarts }) => sum + restarts, 0),
    };
  }

  publish(): void {}

  get workers(): readonly WorkerFacts[] {
    return this.#places.map(({ handle, restarts }, index) => ({
      id: index + 1,
      state: handle?.state ?? "starting",
      restarts,
      exchanges: handle?.exchanges ?? 0,
    }));
  }

  takeErrors(): readonly ErrorCount[] {
    return this.#errors.take();
  }

  /** Ends a worker at once, with what it has in flight; another takes its place. @returns Whether there is such a one. */
  restart(id: number): boolean {
    const handle = this.#places[id - 1]?.handle ?? null;
    handle?.kill("restarted by the operator");
    return handle !== null;
  }

  async prepare(loaded: LoadedConfig, plan: Plan): Promise<PlaneChange> {
    this.#assertPortsFree(loaded);
    const isFirst = this.#current === null;
    if (isFirst) this.#places.forEach((_, index) => this.#start(index));
    const handles = this.#handles.filter(({ state }) => isFirst || state === "serving");
    const undo = () => handles.forEach((handle) => handle.post({ kind: "undo", generation: plan.generation }));
    let listeners = this.listeners;
    try {
      const [first, ...others] = handles;
      if (first !== undefined) {
        const known = await first.prepare(this.#messageOf(loaded, plan, this.listeners));
        // Only the first worker knows Unix sockets; when it is missing, they stay as they were.
        if (first.id === 1) listeners = known;
        const message = this.#messageOf(loaded, plan, listeners);
        await settleAll(others.map((handle) => handle.prepare(message)));
      }
    } catch (error) {
      undo();
      throw error;
    }
    return { listeners, undo, commit: () => this.#commit({ loaded, plan, listeners, handles }) };
  }

  setLogLevel(level: LoadedConfig["config"]["log"]["level"]): void {
    this.#parts.options.log.level = level;
    for (const handle of this.#handles) handle.post({ kind: "log_level", level });
  }

  async shutdown(drainMs: number): Promise<number> {
    this.#isStopping = true;
    clearInterval(this.#ticker);
    const handles = this.#handles;
    let cut = 0;
    const drained = handles.map(async (handle) => {
      cut += await handle.shutdown(drainMs);
    });
    await within(Promise.all(drained), drainMs + GRACE_MS);
    await this.#writing;
    for (const handle of handles) handle.kill("shutdown");
    return cut;
  }

  get #handles(): readonly WorkerHandle[] {
    return this.#places.flatMap(({ handle }) => handle ?? []);
  }

  #commit(
    { loaded, plan, listeners, handles }: {
      loaded: LoadedConfig;
      plan: Plan;
      listeners: readonly BoundListener[];
      handles: readonly WorkerHandle[];
    },
  ): void {
    this.#parts.options.log.level = loaded.config.log.level;
    if (this.plans.current.plan !== plan) this.plans.swap(plan);
    this.#current = { loaded, plan };
    this.listeners = listeners;
    for (const handle of handles) handle.commit(plan.generation, this.plans.current);
    for (const handle of this.#handles) {
      if (handle.state === "serving" && !handles.includes(handle)) this.#catchUp(handle);
    }
  }

  #start(index: number): WorkerHandle {
    const { options, state, metrics } = this.#parts;
    const place = this.#places[index];
    const handle = new WorkerHandle(
      {
        id: index + 1,
        workers: state.workers,
        shared: state.buffer,
        block: metrics.blocks[index].buffer as SharedArrayBuffer,
        seed: (options.seed + (index + 1) * 0x9e37_79b9 + place.restarts * 0x85eb_ca6b) >>> 0,
        stickySecret: options.stickySecret,
        timeOriginMs: performance.timeOrigin,
      },
      state,
      {
        onLines: (worker, bytes) => this.#write(worker, bytes),
        onMessage: (worker, { report }) => this.#parts.court.judge(worker.id, report, options.clock.nowMs()),
        onErrors: (counts) => counts.forEach((count) => this.#errors.add(count)),
        onDeath: (worker, reason) => this.#onDeath(worker, reason),
      },
    );
    place.handle = handle;
    place.startedMs = options.clock.nowMs();
    return handle;
  }

  /** Brings a worker to what is in force, also when that changes meanwhile. */
  async #catchUp(handle: WorkerHandle): Promise<void> {
    try {
      for (;;) {
        const target = this.#current!;
        await handle.prepare(this.#messageOf(target.loaded, target.plan, this.listeners));
        if (this.#current !== target) {
          handle.post({ kind: "undo", generation: target.plan.generation });
          continue;
        }
        handle.commit(target.plan.generation, this.plans.current);
        this.#parts.options.log.info("worker_started", { worker: handle.id });
        this.#parts.options.events.push("worker", "worker_started", `worker ${handle.id} serves again`);
        return;
      }
    } catch (error) {
      handle.kill((error as Error).message);
    }
  }

  #onDeath(handle: WorkerHandle, reason: string): void {
    const { options, state, court } = this.#parts;
    const index = handle.id - 1;
    const place = this.#places[index];
    const nowMs = options.clock.nowMs();
    court.forgetWorker(handle.id, nowMs);
    forgetInFlight(state, handle.id);
    if (this.#isStopping || place.handle !== handle) return;
    place.handle = null;
    if (this.#current === null) return; // the start fails, and says why
    place.restarts++;
    const pauseMs = nowMs - place.startedMs >= SETTLED_MS ? 0 : place.pauseMs;
    place.pauseMs = pauseMs === 0 ? PAUSE_MS : Math.min(place.pauseMs * 2, PAUSE_MS_MAX);
    options.log.error("worker_died", { worker: handle.id, reason, restart_in_ms: pauseMs });
    options.events.push("worker", "worker_died", `worker ${handle.id} ended: ${reason}`);
    setTimeout(() => {
      if (!this.#isStopping) this.#catchUp(this.#start(index));
    }, pauseMs);
  }

  #messageOf(loaded: LoadedConfig, plan: Plan, listeners: readonly BoundListener[]): PlanMessage {
    const { court, metrics, memoryOf } = this.#parts;
    return {
      loaded,
      generation: plan.generation,
      slots: plan.backends.map(({ identity, resource }) => [identity, resource.slot]),
      rows: plan.machines.map(({ identity, resource }) => [identity, court.rowOf(resource)]),
      metricsRows: metrics.rows.all(),
      memory: memoryOf(plan),
      ports: listeners.filter(({ address }) => !address.startsWith("unix:"))
        .map(({ place, address }) => [place, Number(address.slice(address.lastIndexOf(":") + 1))]),
    };
  }

  /** Workers share ports with each other, and so would share one with another process: found out here, once. */
  #assertPortsFree({ config }: LoadedConfig): void {
    const open = new Set(this.listeners.map(({ place }) => place));
    for (const listener of config.listeners) {
      if (open.has(listenerPlace(listener))) continue;
      try {
        assertPortFree(listener);
      } catch (error) {
        throw new ListenError(`Cannot listen on ${listener.addressText}: ${reasonOf(error)}`, { cause: error });
      }
    }
  }

  /** One batch after another: lines of two workers are never cut by each other. */
  #write(worker: WorkerHandle, bytes: Uint8Array): void {
    this.#writing = this.#writing
      .then(() => STDOUT.write(bytes as Uint8Array<ArrayBuffer>))
      .catch((error) => this.#parts.options.log.error("access_log_failed", { message: (error as Error).message }))
      .finally(() => worker.post({ kind: "written" }));
  }

  /** Asleep until a worker has something to say: a failure in one is known to all within a millisecond or two. */
  async #hearReports(): Promise<void> {
    const { state, court, options } = this.#parts;
    while (!this.#isStopping) {
      const seen = Atomics.load(state.wake, 0);
      court.hear(options.clock.nowMs());
      const woken = Atomics.waitAsync(state.wake, 0, seen, TICK_MS);
      if (woken.async) await woken.value;
    }
  }
}

/** Waits for all, then throws the first failure: none must still be under way when the others are undone. */
async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(work);
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}
