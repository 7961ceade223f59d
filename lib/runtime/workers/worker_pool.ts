/**
 * Worker threads that share the ports: the data plane when `server.workers` is above 1.
 *
 * - A change reaches all workers or none. All prepare (the first before the others, because it finds the ports for
 *   listeners on port 0); when one refuses, all undo; else all commit. One that dies meanwhile is no reason to refuse:
 *   the others prepare once more without it.
 * - A worker that dies loses what it had in flight. Its counts are taken off, its trials given back, and another one takes
 *   its place on the current plan. The kernel gives new connections to the others meanwhile.
 * - A worker that starts during a change takes no part in it, and may come up on the old plan; whoever commits looks for
 *   such and has it catch up. So a worker is never asked for two things at once.
 *
 * Unix sockets can't be shared: the first worker has them all.
 */

import type { ReportCollector } from "../../health/report_collector.ts";
import { COUNT_AT, forgetCounts, RegionWord, type SharedState } from "../../base/shared/shared_state.ts";
import type { LoadedConfig } from "../../config/load.ts";
import type { PlanHolder } from "../../plan/holder.ts";
import { listenerIdentity } from "../../plan/listener_identity.ts";
import { releaseRetired, replaceMembers } from "../../plan/members.ts";
import type { Members, Plan, UpstreamPlan } from "../../plan/types.ts";
import { STDOUT } from "../logs/access_log.ts";
import { type ErrorCount, ErrorTally } from "../telemetry/error_tally.ts";
import { SharedRegions } from "./shared_regions.ts";
import { ListenerRows } from "./listener_rows.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ConnectionsFact } from "../../observe/metrics/facts.ts";
import type { BoundListener, DataPlane, DataPlaneChange, MembersChange, ThreadCounts } from "../serving/data_plane.ts";
import { assertPortsFree, boundWithout } from "./shared_ports.ts";
import type { SluiceOptions } from "../options.ts";
import { settleAll, undoAll, WorkerDied, WorkerHandle } from "./worker_handle.ts";
import { membersMessage, planMessage } from "./plan_message.ts";
import type { PlanMessage } from "./worker_messages.ts";
import type { TlsProblems } from "../logs/tls_problems.ts";
import { within } from "../serving/within.ts";

const TICK_MS = 250;
/** A worker that lived for less is started again only after a pause, doubled each time. */
const SETTLED_MS = 5000;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 10_000;
/** Not a reason to wake anybody. */
const RESTARTED = "restarted by the operator";
/** Beyond the drain, for the workers' own farewell. */
const GRACE_MS = 2000;
/** A reader of stdout that does not read must not hold up the end. */
const WRITE_MS_MAX = 1000;
/** All regions rest: workers died in a row, or their threads are stuck. */
const REGION_PAUSE_MS = 1000;

export interface WorkerPoolParts {
  readonly options: SluiceOptions;
  readonly state: SharedState;
  readonly collector: ReportCollector;
  readonly metrics: Metrics;
  readonly plans: PlanHolder;
  readonly tlsProblems: TlsProblems;
}

export interface WorkerFacts {
  readonly id: number;
  readonly state: "starting" | "serving" | "draining";
  readonly restarts: number;
  readonly exchanges: number;
}

interface WorkerRecord {
  handle: WorkerHandle | null;
  restarts: number;
  pauseMs: number;
  startedMs: number;
  /** The timer of the next start; null: none is due. */
  timer: ReturnType<typeof setTimeout> | null;
}

export class WorkerPool implements DataPlane {
  readonly plans: PlanHolder;
  listeners: readonly BoundListener[] = [];
  readonly #parts: WorkerPoolParts;
  readonly #records: readonly WorkerRecord[];
  readonly #regions: SharedRegions;
  readonly #listenerRows: ListenerRows;
  readonly #ticker: ReturnType<typeof setInterval>;
  /** What is in force; null before the first commit. */
  #current: { readonly loaded: LoadedConfig; readonly plan: Plan } | null = null;
  #writing: Promise<unknown> = Promise.resolve();
  readonly #errors: ErrorTally = new ErrorTally();
  #isStopping = false;
  readonly #hearing: Promise<void>;

  constructor(parts: WorkerPoolParts) {
    this.plans = parts.plans;
    this.#parts = parts;
    const { counts, regions, workers } = parts.state;
    this.#records = Array.from({ length: workers }, () => {
      return { handle: null, restarts: 0, pauseMs: PAUSE_MS, startedMs: 0, timer: null };
    });
    this.#regions = new SharedRegions(regions.length);
    this.#listenerRows = new ListenerRows((row) => Atomics.load(counts, COUNT_AT.listeners + row));
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#hearing = this.#hearReports();
  }

  get exchanges(): number {
    return this.#handles.reduce((sum, { exchanges }) => sum + exchanges, 0);
  }

  get threads(): ThreadCounts {
    return {
      workers: this.#handles.filter(({ state }) => state === "serving").length,
      workerRestarts: this.#records.reduce((sum, { restarts }) => sum + restarts, 0),
    };
  }

  /** Workers add up in shared memory what their listeners with the engine wire have; the other engine counts nothing. */
  get connections(): readonly ConnectionsFact[] {
    return (this.#current?.loaded.config.listeners ?? [])
      .filter(({ engine }) => engine === "wire")
      .map((config) => ({ listener: config.name, open: this.#listenerRows.openAt(listenerIdentity(config)) }));
  }

  publish(): void {}

  get workers(): readonly WorkerFacts[] {
    return this.#records.map(({ handle, restarts }, index) => ({
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
    const handle = this.#records[id - 1]?.handle ?? null;
    handle?.kill(RESTARTED);
    return handle !== null;
  }

  async prepare(loaded: LoadedConfig, plan: Plan): Promise<DataPlaneChange> {
    const isFirst = this.#current === null;
    const open = new Set(this.listeners.map(({ identity }) => identity));
    await assertPortsFree(
      loaded.config.listeners.filter((listener) => !open.has(listenerIdentity(listener))),
      !isFirst,
    );
    if (isFirst) this.#records.forEach((record) => this.#start(record));
    for (let isSecondTry = false;; isSecondTry = true) {
      const handles = isFirst ? this.#handles : this.#ready;
      const undo = () => undoAll(handles);
      try {
        const listeners = await this.#prepareAll(handles, loaded, plan);
        return { listeners, undo, commit: () => this.#commit({ loaded, plan, listeners, handles }) };
      } catch (error) {
        undo();
        if (isFirst || isSecondTry || !(error instanceof WorkerDied)) throw error;
      }
    }
  }

  async prepareMembers(upstream: UpstreamPlan, members: Members): Promise<MembersChange> {
    for (let isSecondTry = false;; isSecondTry = true) {
      const handles = this.#ready;
      try {
        const message = membersMessage(members, this.#parts);
        await settleAll(handles.map((handle) => handle.prepareMembers(message)));
        return { undo: () => undoAll(handles), commit: () => this.#commitMembers(upstream, members, handles) };
      } catch (error) {
        undoAll(handles);
        if (isSecondTry || !(error instanceof WorkerDied)) throw error;
      }
    }
  }

  setLogLevel(level: LoadedConfig["config"]["log"]["level"]): void {
    this.#parts.options.log.level = level;
    for (const handle of this.#handles) handle.post({ kind: "log_level", level });
  }

  async shutdown(drainMs: number): Promise<number> {
    this.#isStopping = true;
    clearInterval(this.#ticker);
    for (const { timer } of this.#records) if (timer !== null) clearTimeout(timer);
    const serving = this.#handles.filter(({ state }) => state === "serving");
    for (const handle of this.#handles) if (!serving.includes(handle)) handle.kill("shutdown");
    const drained = Promise.all(serving.map((handle) => handle.shutdown(drainMs)));
    await within(drained, drainMs + GRACE_MS);
    await within(this.#writing, WRITE_MS_MAX);
    for (const handle of serving) handle.kill("shutdown");
    Atomics.notify(this.#parts.state.wake, 0);
    await this.#hearing;
    return (await drained).reduce((sum, cut) => sum + cut, 0);
  }

  get #handles(): readonly WorkerHandle[] {
    return this.#records.flatMap(({ handle }) => handle ?? []);
  }

  /** Those that serve what is in force. */
  get #ready(): readonly WorkerHandle[] {
    return this.#handles.filter(({ state, isBehind }) => state === "serving" && !isBehind);
  }

  async #commit(
    { loaded, plan, listeners, handles }: {
      loaded: LoadedConfig;
      plan: Plan;
      listeners: readonly BoundListener[];
      handles: readonly WorkerHandle[];
    },
  ): Promise<void> {
    this.#parts.options.log.level = loaded.config.log.level;
    if (this.plans.current.plan !== plan) this.plans.swap(plan);
    this.#current = { loaded, plan };
    this.listeners = listeners;
    const committed = handles.map((handle) => handle.commit(this.plans.current));
    this.#bringAlong(handles);
    await Promise.all(committed);
  }

  async #commitMembers(upstream: UpstreamPlan, members: Members, handles: readonly WorkerHandle[]): Promise<void> {
    replaceMembers(upstream, members);
    this.#current = { ...this.#current! }; // another one: who catches up meanwhile sees that there is more to do
    const committed = handles.map((handle) => handle.commitMembers(members));
    this.#bringAlong(handles);
    await Promise.all(committed);
  }

  /** Workers that had no part in a change. */
  #bringAlong(handles: readonly WorkerHandle[]): void {
    for (const record of this.#records) {
      const { handle, timer } = record;
      if (handle === null && timer === null) this.#startAgain(record, 0); // died before there was anything to serve
      else if (handle?.state === "serving" && !handle.isBehind && !handles.includes(handle)) this.#catchUp(handle);
    }
  }

  /** @returns The listeners as they will be. */
  async #prepareAll(
    handles: readonly WorkerHandle[],
    loaded: LoadedConfig,
    plan: Plan,
  ): Promise<readonly BoundListener[]> {
    const [first, ...others] = handles;
    if (first === undefined) return boundWithout(loaded, this.listeners);
    const opened = await first.prepare(this.#messageOf(loaded, plan, this.listeners));
    const listeners = first.id === 1 ? opened : boundWithout(loaded, opened);
    const message = this.#messageOf(loaded, plan, listeners);
    await settleAll(others.map((handle) => handle.prepare(message)));
    return listeners;
  }

  /** @returns Null when there is no region for it now. */
  #start(record: WorkerRecord): WorkerHandle | null {
    const { options, state, collector, metrics } = this.#parts;
    const nowMs = options.clock.nowMs();
    const region = this.#regions.take(nowMs);
    if (region < 0) return null;
    forgetCounts(state, region);
    collector.beginRegion(region);
    Atomics.store(state.regions[region].header, RegionWord.exchanges, 0);
    const index = this.#records.indexOf(record);
    const handle = new WorkerHandle(
      {
        id: index + 1,
        region,
        workers: state.workers,
        shared: state.buffer,
        block: metrics.blocks[index].buffer as SharedArrayBuffer,
        seed: (options.seed + (index + 1) * 0x9e37_79b9 + record.restarts * 0x85eb_ca6b) >>> 0,
        commonSeed: options.seed,
        configPath: options.path,
        stickySecret: options.stickySecret,
        timeOriginMs: performance.timeOrigin,
      },
      state,
      {
        onLines: (worker, bytes) => this.#write(worker, bytes),
        onMessage: (worker, { report }) => collector.judge(worker.region, report, options.clock.nowMs()),
        onErrors: (counts) => counts.forEach((count) => this.#errors.add(count)),
        onTls: (backend, problem) => this.#parts.tlsProblems.tell(backend, problem),
        onDeath: (worker, reason) => this.#onDeath(record, worker, reason),
      },
    );
    record.handle = handle;
    record.startedMs = nowMs;
    return handle;
  }

  #startAgain(record: WorkerRecord, pauseMs: number): void {
    record.timer = setTimeout(() => {
      record.timer = null;
      if (this.#isStopping) return;
      const handle = this.#start(record);
      if (handle !== null) this.#catchUp(handle);
      else this.#startAgain(record, REGION_PAUSE_MS);
    }, pauseMs);
  }

  /** Brings a worker to what is in force, also when that changes meanwhile. */
  async #catchUp(handle: WorkerHandle): Promise<void> {
    const isNew = handle.state === "starting";
    handle.isBehind = true;
    try {
      for (;;) {
        const target = this.#current!;
        await handle.prepare(this.#messageOf(target.loaded, target.plan, this.listeners));
        if (this.#isStopping) return;
        if (this.#current !== target) {
          handle.post({ kind: "undo" });
          continue;
        }
        await handle.commit(this.plans.current);
        if (this.#current === target) break;
      }
      if (isNew) this.#sayStarted(handle);
    } catch (error) {
      handle.kill((error as Error).message);
    } finally {
      handle.isBehind = false;
    }
  }

  #sayStarted({ id }: WorkerHandle): void {
    const { log, events } = this.#parts.options;
    log.info("worker_started", { worker: id });
    events.push("worker", "worker_started", `worker ${id} serves again`);
  }

  #onDeath(record: WorkerRecord, handle: WorkerHandle, reason: string): void {
    const { options, state, collector } = this.#parts;
    const nowMs = options.clock.nowMs();
    collector.endRegion(handle.region, nowMs);
    forgetCounts(state, handle.region);
    this.#regions.leave(handle.region, nowMs, handle.isSilent);
    if (record.handle !== handle) return;
    record.handle = null;
    if (this.#isStopping || this.#current === null) return; // the start fails and says why, or makes up for it
    record.restarts++;
    const pauseMs = nowMs - record.startedMs >= SETTLED_MS ? 0 : record.pauseMs;
    record.pauseMs = pauseMs === 0 ? PAUSE_MS : Math.min(record.pauseMs * 2, PAUSE_MS_MAX);
    const level = reason === RESTARTED ? "info" : "error";
    options.log[level]("worker_died", { worker: handle.id, reason, restart_in_ms: pauseMs });
    options.events.push("worker", "worker_died", `worker ${handle.id} ended: ${reason}`);
    this.#startAgain(record, pauseMs);
  }

  #tick(): void {
    const { options, state } = this.#parts;
    for (const handle of this.#handles) handle.tick();
    releaseRetired(this.plans.current.plan, () => this.#membersInUse());
    for (const region of this.#regions.resting(options.clock.nowMs())) forgetCounts(state, region);
  }

  #messageOf(loaded: LoadedConfig, plan: Plan, listeners: readonly BoundListener[]): PlanMessage {
    const { collector, metrics } = this.#parts;
    const identities = [
      ...loaded.config.listeners.map(listenerIdentity),
      ...this.listeners.map(({ identity }) => identity),
    ];
    const listenerRows = this.#listenerRows.assign([...new Set(identities)]);
    return planMessage(loaded, plan, { collector, metrics, listeners, listenerRows });
  }

  #membersInUse(): Set<Members> {
    const used = new Set<Members>();
    for (const handle of this.#handles) handle.addUsed(used);
    return used;
  }

  /** One batch after another: lines of two workers are never cut by each other. */
  #write(worker: WorkerHandle, bytes: Uint8Array): void {
    this.#writing = this.#writing
      .then(() => STDOUT.write(bytes as Uint8Array<ArrayBuffer>))
      .then(() => "", (error) => (error as Error).message)
      .then((problem) => worker.post({ kind: "written", problem }));
  }

  /** Asleep until a worker has something to say: a failure in one is known to all within a millisecond or two. */
  async #hearReports(): Promise<void> {
    const { state, collector, options } = this.#parts;
    while (!this.#isStopping) {
      const seen = Atomics.load(state.wake, 0);
      try {
        collector.hear(options.clock.nowMs());
      } catch (error) {
        options.log.error("internal_error", { message: String(error), stack: (error as Error)?.stack });
      }
      const woken = Atomics.waitAsync(state.wake, 0, seen, TICK_MS);
      // Nobody else here must starve while reports pour in.
      await (woken.async ? woken.value : new Promise((resolve) => setTimeout(resolve, 0)));
    }
  }
}
