/**
 * One thread's serving side: core, listeners, pools, access log and traces. The only one when there are no worker threads; else
 * each worker has one.
 */

import type { Clock } from "../../base/clock.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { targetLookups } from "../../engines/wire/http1/target.ts";
import { GLOBAL } from "../../observe/metrics/layout.ts";
import type { MetricsBlock } from "../../observe/metrics/store.ts";
import { RequestIds } from "../../observe/request_id.ts";
import type { PlanHolder } from "../../plan/holder.ts";
import type { Resources } from "../../plan/resources.ts";
import { releaseRetired, replaceMembers } from "../../plan/members.ts";
import type { Members, Plan, UpstreamPlan } from "../../plan/types.ts";
import { ProxyCore } from "../../proxy/core.ts";
import type { Deadlines } from "../../transport/deadlines.ts";
import type { WorkerView } from "../../admin/views.ts";
import { AccessLog, STDOUT } from "../logs/access_log.ts";
import { type ErrorCount, ErrorTally } from "../telemetry/error_tally.ts";
import type { LineSink } from "../logs/line_queue.ts";
import { type ListenerChange, ListenerSet, type ListenerSetOptions } from "./listener_set.ts";
import type { EventLog } from "../logs/event_log.ts";
import { MetricsRecorder } from "../telemetry/metrics_recorder.ts";
import type { ConnectionsFact } from "../../observe/metrics/facts.ts";
import type { BoundListener, DataPlane, DataPlaneChange, MembersChange, ThreadCounts } from "./data_plane.ts";
import { Recorders } from "../telemetry/recorders.ts";
import { Tracing } from "../telemetry/tracing.ts";
import { within } from "./within.ts";

/** How often pools close what is old. */
const SWEEP_MS = 1000;
/** How often numbers that are not counted as they change are written down for who scrapes. */
const PUBLISH_MS = 250;
/** For the last answers ("shutting down") to reach their clients, and the access log. */
const FAREWELL_MS = 500;

export interface LocalDataPlaneParts {
  readonly clock: Clock;
  readonly log: EventLog;
  readonly deadlines: Deadlines;
  readonly resources: Resources;
  readonly plans: PlanHolder;
  readonly random: () => number;
  /** Where this thread counts. */
  readonly block: MetricsBlock;
  readonly listeners?: ListenerSetOptions;
  /** Where access lines for stdout go. */
  readonly stdout?: LineSink;
  /** Told of members that were replaced, when the last exchange on them has ended; not of those that went with their plan. */
  readonly onMembersFree?: (members: Members) => void;
}

export class LocalDataPlane implements DataPlane {
  readonly core: ProxyCore;
  readonly plans: PlanHolder;
  readonly #log: EventLog;
  readonly #deadlines: Deadlines;
  readonly #resources: Resources;
  readonly #accessLog: AccessLog;
  /** Its counts are there to be read. */
  readonly tracing: Tracing;
  readonly #listeners: ListenerSet;
  readonly #block: MetricsBlock;
  readonly #errors: ErrorTally = new ErrorTally();
  /** A plan has been committed. */
  #isServing = false;
  /** As published last: access lines; spans; look-ups, which other data planes of this thread may have made before. */
  #dropped = 0;
  #spansDropped = 0;
  #lookups = targetLookups();
  readonly #timers: readonly ReturnType<typeof setInterval>[];

  constructor(parts: LocalDataPlaneParts) {
    const { clock, log, random } = parts;
    this.plans = parts.plans;
    this.#log = log;
    this.#deadlines = parts.deadlines;
    this.#resources = parts.resources;
    this.#accessLog = new AccessLog({ clock, log, stdout: parts.stdout ?? STDOUT });
    this.tracing = new Tracing({ clock, log });
    this.core = new ProxyCore({
      clock,
      plans: parts.plans,
      deadlines: parts.deadlines,
      recorder: new Recorders({
        metrics: new MetricsRecorder(parts.block),
        errors: this.#errors,
        accessLog: this.#accessLog,
        tracing: this.tracing,
      }),
      requestIds: new RequestIds(random),
      random,
    });
    this.#listeners = new ListenerSet(this.core, log, parts.listeners);
    parts.deadlines.start();
    this.#block = parts.block;
    this.#timers = [
      setInterval(() => this.#sweep(parts.onMembersFree), SWEEP_MS),
      setInterval(() => this.publish(), PUBLISH_MS),
    ];
  }

  get exchanges(): number {
    return this.core.exchanges.size;
  }

  get threads(): ThreadCounts {
    return { workers: 1, workerRestarts: 0 };
  }

  get listeners(): readonly BoundListener[] {
    return this.#listeners.bound;
  }

  get connections(): readonly ConnectionsFact[] {
    return this.#listeners.connections;
  }

  /** The process itself, which is no thread of its own. */
  get workers(): readonly WorkerView[] {
    return [{ id: 0, state: "serving", restarts: 0, exchanges: this.exchanges }];
  }

  takeErrors(): readonly ErrorCount[] {
    return this.#errors.take();
  }

  restart(_id: number): boolean {
    return false;
  }

  async prepare({ config, contents }: LoadedConfig, plan: Plan): Promise<DataPlaneChange> {
    const tracing = await this.tracing.prepare(config.tracing); // nothing of it has to be undone
    const accessLog = this.#accessLog.prepare(config.log);
    const observe = () => {
      accessLog.commit();
      tracing.commit();
      this.core.tracer = this.tracing.tracer;
    };
    // A listener accepts as soon as it is open: the first ones must find who takes down what they serve.
    const isFirst = !this.#isServing;
    if (isFirst) observe();
    let listeners: ListenerChange;
    try {
      listeners = await this.#listeners.prepare(config.listeners, contents);
    } catch (error) {
      if (!isFirst) accessLog.undo();
      throw error;
    }
    return {
      listeners: listeners.bound,
      commit: () => {
        this.#isServing = true;
        this.setLogLevel(config.log.level);
        if (this.plans.current.plan !== plan) this.plans.swap(plan);
        if (!isFirst) observe();
        const released = listeners.commit();
        this.#resources.serve(plan);
        this.#resources.sweep(); // opens what is to be kept warm
        return released;
      },
      undo: () => {
        if (!isFirst) accessLog.undo();
        listeners.undo();
      },
    };
  }

  prepareMembers(upstream: UpstreamPlan, members: Members): Promise<MembersChange> {
    const commit = () => {
      replaceMembers(upstream, members);
      this.#resources.serve(this.plans.current.plan);
      return Promise.resolve();
    };
    return Promise.resolve({ commit, undo: () => {} });
  }

  setLogLevel(level: LoadedConfig["config"]["log"]["level"]): void {
    this.#log.level = level;
  }

  publish(): void {
    const { dropped } = this.#accessLog;
    this.#resources.publish();
    this.#block[GLOBAL.exchanges] = this.exchanges;
    this.#block[GLOBAL.plansAlive] = this.plans.alive;
    // What is new: a thread before this one may have counted into the block.
    this.#block[GLOBAL.accessLogDropped] += dropped - this.#dropped;
    this.#dropped = dropped;
    const { spansDropped } = this.tracing;
    this.#block[GLOBAL.spansDropped] += spansDropped - this.#spansDropped;
    this.#spansDropped = spansDropped;
    const lookups = targetLookups();
    this.#block[GLOBAL.cacheHits] += lookups.hits - this.#lookups.hits;
    this.#block[GLOBAL.cacheMisses] += lookups.misses - this.#lookups.misses;
    this.#lookups = lookups;
  }

  async shutdown(drainMs: number): Promise<number> {
    const ended = Promise.all([this.#listeners.shutdown(), this.#idle()]);
    await within(ended, drainMs);
    const cut = this.exchanges;
    if (cut > 0) {
      this.core.cancelAll();
      await within(ended, FAREWELL_MS);
    }
    for (const timer of this.#timers) clearInterval(timer);
    this.#deadlines.stop();
    this.#resources.close();
    await Promise.all([this.#accessLog.close(), this.tracing.close()]);
    return cut;
  }

  #sweep(onMembersFree: LocalDataPlaneParts["onMembersFree"]): void {
    this.#resources.sweep();
    releaseRetired(this.plans.current.plan, () => this.#membersInUse(), onMembersFree);
  }

  #membersInUse(): Set<Members> {
    const used = new Set<Members>();
    for (const { members } of this.core.exchanges.snapshot()) if (members !== null) used.add(members);
    return used;
  }

  async #idle(): Promise<void> {
    while (this.core.exchanges.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
