/**
 * The running proxy: what it is made of, how it reloads, how it ends.
 *
 * A reload is parse, validate, compile, open new listeners, then one assignment. Everything before the assignment can
 * fail and changes nothing; nothing after it can. Reloads run one after another, and asking for one during another
 * means one more afterwards.
 */

import type { Clock } from "../base/clock.ts";
import { createRandom } from "../base/random.ts";
import { describeReason, type HealthChange } from "../backend/health_reason.ts";
import { ConfigError, formatIssue } from "../config/issue.ts";
import type { LoadedConfig } from "../config/load.ts";
import { Prober } from "../health/prober.ts";
import { createRequestIds } from "../observe/request_id.ts";
import { compile, dispose } from "../plan/compile.ts";
import { PlanHolder } from "../plan/holder.ts";
import { Resources } from "../plan/resources.ts";
import type { Plan } from "../plan/types.ts";
import { ProxyCore } from "../proxy/core.ts";
import { Deadlines } from "../transport/deadlines.ts";
import { AccessLog, type AccessLogChange, AccessLogError } from "./access_log.ts";
import { FileWatcher } from "./file_watcher.ts";
import { type ListenerChange, ListenError, ListenerSet } from "./listener_set.ts";
import { type FileContents, loadFromDisk } from "./load.ts";
import type { EventLog } from "./log.ts";
import { missingPermissions, PermissionError } from "./permissions.ts";
import { Recorders } from "./recorders.ts";
import { restartNeeded } from "./restart_needed.ts";

/** How often waits and ramps of the health machines are looked at. */
const HEALTH_TICK_MS = 100;
/** How often pools close what is old, and counts of recent requests fade. */
const SWEEP_MS = 1000;

/** For the last answers ("shutting down") to reach their clients, and the access log. */
const FAREWELL_MS = 500;

export interface SluiceOptions {
  /** As the user wrote it. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: EventLog;
  /** Seeds the generator for selection and jitter. */
  readonly seed: number;
  /** For sticky cookies of upstreams without a secret of their own. */
  readonly stickySecret: string;
}

export type ReloadResult =
  | { readonly ok: true; readonly generation: number }
  | { readonly ok: false; readonly problems: readonly string[] };

export class Sluice {
  readonly core: ProxyCore;
  readonly resources: Resources;
  readonly listeners: ListenerSet;
  readonly #options: SluiceOptions;
  readonly #log: EventLog;
  readonly #deadlines: Deadlines;
  readonly #accessLog: AccessLog;
  readonly #watcher: FileWatcher;
  readonly #prober: Prober;
  readonly #random: () => number;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #loaded: LoadedConfig;
  #reloading: Promise<ReloadResult> | null = null;
  #next: Promise<ReloadResult> | null = null;
  #isStopping = false;

  /**
   * Loads the file, listens, and watches.
   *
   * @throws {ConfigError} {@link PermissionError} {@link ListenError} {@link AccessLogError} Nothing stays open then.
   */
  static async start(options: SluiceOptions): Promise<Sluice> {
    const contents = new Map<string, string | null>();
    const loaded = await loadFromDisk(options.path, contents);
    const { clock, log } = options;
    log.level = loaded.config.log.level;
    const deadlines = new Deadlines(() => clock.nowMs());
    const onHealthChange = (backend: string, change: HealthChange) => logHealth(options, backend, change);
    const resources = new Resources({ clock, deadlines, onHealthChange });
    const random = createRandom(options.seed);
    const plan = await compile(loaded.config, {
      resources,
      generation: 1,
      running: new Set(),
      stickySecret: options.stickySecret,
      random,
    });
    const sluice = new Sluice(options, { loaded, deadlines, resources, random, plan });
    try {
      await sluice.#open(contents);
    } catch (error) {
      await sluice.#close();
      throw error;
    }
    return sluice;
  }

  private constructor(
    options: SluiceOptions,
    parts: { loaded: LoadedConfig; deadlines: Deadlines; resources: Resources; random: () => number; plan: Plan },
  ) {
    const { clock, log } = options;
    this.#options = options;
    this.#log = log;
    this.#loaded = parts.loaded;
    this.#deadlines = parts.deadlines;
    this.#random = parts.random;
    this.resources = parts.resources;
    this.#accessLog = new AccessLog({ clock, log });
    this.core = new ProxyCore({
      clock,
      plans: new PlanHolder(parts.plan, (plan) => dispose(plan, this.resources)),
      deadlines: parts.deadlines,
      recorder: new Recorders({ accessLog: this.#accessLog }),
      nextRequestId: createRequestIds(parts.random),
      random: parts.random,
    });
    this.listeners = new ListenerSet(this.core, log);
    this.#prober = new Prober(clock, parts.random);
    this.#watcher = new FileWatcher(() => this.reload("file"));
  }

  get generation(): number {
    return this.core.plans.current.plan.generation;
  }

  /** Loads the file again and makes it the running configuration, or changes nothing and logs why. Never rejects. */
  reload(trigger: string): Promise<ReloadResult> {
    if (this.#reloading === null) {
      this.#reloading = this.#reload(trigger).finally(() => {
        this.#reloading = null;
      });
      return this.#reloading;
    }
    this.#next ??= this.#reloading.then(() => {
      this.#next = null;
      return this.reload(trigger);
    });
    return this.#next;
  }

  /**
   * Accepts no more, lets what is in flight end within the configured time, then ends it.
   *
   * @returns Exchanges that had to be cut off.
   */
  async shutdown(): Promise<number> {
    this.#isStopping = true;
    const { drainMs } = this.#loaded.config.server;
    this.#log.info("draining", { exchanges: this.core.exchanges.size, within_ms: drainMs });
    await this.#watcher.close();
    await this.#reloading; // it would open listeners behind our back
    const drained = this.listeners.shutdown();
    const ended = Promise.all([drained, this.#idle()]);
    await within(ended, drainMs);
    const cut = this.core.exchanges.size;
    if (cut > 0) {
      this.core.cancelAll();
      await within(ended, FAREWELL_MS);
    }
    await this.#close();
    this.#log.info("stopped", { cut_off: cut });
    return cut;
  }

  async #open(contents: FileContents): Promise<void> {
    const { config, warnings } = this.#loaded;
    await assertPermitted(this.#loaded);
    this.#accessLog.prepare(config.log).commit();
    this.#deadlines.start();
    this.#every(HEALTH_TICK_MS, () => this.#tickHealth());
    this.#every(SWEEP_MS, () => this.#sweep());
    const change = await this.listeners.prepare(config.listeners);
    change.commit();
    this.resources.sweep(); // opens what is to be kept warm
    this.#prober.follow(this.core.plans.current.plan);
    this.#watcher.watch(contents);
    this.#warn(warnings.map((issue) => formatIssue(this.#options.path, issue)));
    this.#log.info("started", { generation: this.generation, pid: Deno.pid, config: this.#options.path });
  }

  async #reload(trigger: string): Promise<ReloadResult> {
    if (this.#isStopping) return { ok: false, problems: ["sluice is shutting down"] };
    const contents = new Map<string, string | null>();
    const undo: (() => void)[] = [];
    try {
      const loaded = await loadFromDisk(this.#options.path, contents);
      await assertPermitted(loaded);
      const plan = await this.#compile(loaded);
      undo.push(() => dispose(plan, this.resources));
      const listeners = await this.listeners.prepare(loaded.config.listeners);
      undo.push(() => listeners.undo());
      const accessLog = this.#accessLog.prepare(loaded.config.log);
      this.#watcher.watch(contents);
      this.#swap(loaded, plan, { listeners, accessLog });
      this.#log.info("reloaded", { generation: plan.generation, trigger, plans_alive: this.core.plans.alive });
      return { ok: true, generation: plan.generation };
    } catch (error) {
      for (const step of undo.reverse()) step();
      // What the refused file named may be what is mended next.
      this.#watcher.watchAlso(contents);
      const problems = problemsOf(error);
      this.#log.error("reload_refused", { trigger, generation: this.generation, problems });
      return { ok: false, problems };
    }
  }

  #compile(loaded: LoadedConfig): Promise<Plan> {
    const current = this.core.plans.current.plan;
    return compile(loaded.config, {
      resources: this.resources,
      generation: current.generation + 1,
      running: new Set(current.upstreams.keys()),
      stickySecret: this.#options.stickySecret,
      random: this.#random,
    });
  }

  /** Nothing in it can fail. */
  #swap(
    loaded: LoadedConfig,
    plan: Plan,
    { listeners, accessLog }: { listeners: ListenerChange; accessLog: AccessLogChange },
  ): void {
    this.#warn(restartNeeded(this.#loaded.config, loaded.config));
    this.#warn(loaded.warnings.map((issue) => formatIssue(this.#options.path, issue)));
    this.#loaded = loaded;
    this.#log.level = loaded.config.log.level;
    this.core.plans.swap(plan);
    accessLog.commit();
    listeners.commit();
    this.resources.keepIdleOnlyOf(plan);
    this.resources.sweep();
    this.#prober.follow(plan);
  }

  #warn(messages: readonly string[]): void {
    for (const message of messages) this.#log.warn("config_warning", { message });
  }

  #tickHealth(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const upstream of this.core.plans.current.plan.upstreams.values()) upstream.health.tick(nowMs);
  }

  #sweep(): void {
    this.resources.sweep();
    const { recent } = this.resources.slots.table;
    for (let slot = 0; slot < recent.length; slot++) recent[slot] *= 0.5;
  }

  #every(ms: number, work: () => void): void {
    this.#timers.push(setInterval(work, ms));
  }

  async #idle(): Promise<void> {
    while (this.core.exchanges.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#deadlines.stop();
    this.#prober.close();
    await this.#watcher.close();
    this.resources.close();
    await this.#accessLog.close();
  }
}

/** Resolves when `work` does, or after `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const patience = Promise.withResolvers<void>();
  const timer = setTimeout(patience.resolve, ms);
  await Promise.race([work, patience.promise]);
  clearTimeout(timer);
}

/** @throws {PermissionError} with the flags that are missing. */
async function assertPermitted(loaded: LoadedConfig): Promise<void> {
  const missing = await missingPermissions(loaded);
  if (missing.length > 0) throw new PermissionError(missing);
}

function logHealth({ log }: SluiceOptions, backend: string, change: HealthChange): void {
  const details = { backend, from: change.from, to: change.to, reason: describeReason(change.reason) };
  if (change.to === "open") {
    log.warn("backend_health", { ...details, open_ms: Math.round(change.untilMs - change.atMs) });
  } else log.info("backend_health", details);
}

/** For people, a line each. */
export function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.issues.map((issue) => formatIssue(error.path, issue));
  const isForPeople = error instanceof PermissionError || error instanceof ListenError ||
    error instanceof AccessLogError;
  if (isForPeople) return error.message.split("\n");
  return [`internal error: ${error instanceof Error ? error.stack ?? error.message : String(error)}`];
}
