/**
 * The running proxy: what it is made of, how it reloads, how it ends.
 *
 * This is the control side: it loads, compiles, judges health and decides. What serves is the data plane, in this
 * thread or in worker threads. A reload is parse, validate, compile, open new listeners, then one assignment.
 * Everything before the assignment can fail and changes nothing; nothing after it can. Reloads run one after another,
 * and asking for one during another means one more afterwards.
 */

import type { AdminListener } from "../admin/listener.ts";
import { formatIssue } from "../config/issue.ts";
import type { LoadedConfig } from "../config/load.ts";
import { redactor } from "../config/masks.ts";
import { Prober } from "./health/prober.ts";
import { dispose } from "../plan/compile.ts";
import type { Resources } from "../plan/resources.ts";
import { releaseMembers } from "../plan/members.ts";
import type { Members, Plan } from "../plan/types.ts";
import { openAdmin } from "./operator/admin_listener.ts";
import { assemble, type Parts } from "./assemble.ts";
import { type ChangeResult, Control, type ReloadResult, type Running, type RunningNow } from "./operator/control.ts";
import { FileWatcher } from "./reload/file_watcher.ts";
import { type FileContents, loadFromDisk, loadText, type SettledFiles } from "./reload/load.ts";
import type { EventLog } from "./logs/event_log.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { missingPermissions, PermissionError } from "./reload/permissions.ts";
import { filterNamesOf } from "../proxy/filters/list.ts";
import type { DataPlane, DataPlaneChange } from "./serving/data_plane.ts";
import { previewReload } from "./reload/preview.ts";
import { problemsOf, StoppingError } from "./reload/problems.ts";
import { restartNeeded } from "./reload/restart_needed.ts";
import type { SluiceOptions } from "./options.ts";

/** How often waits and ramps of the health machines are looked at. */
const HEALTH_TICK_MS = 100;
/** How often counts of recent requests fade, and rates are sampled. */
const SECOND_MS = 1000;

export class Sluice {
  readonly dataPlane: DataPlane;
  readonly resources: Resources;
  readonly metrics: Metrics;
  readonly #options: SluiceOptions;
  readonly #log: EventLog;
  readonly #parts: Parts;
  readonly #watcher: FileWatcher;
  readonly #prober: Prober;
  readonly #control: Control;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #loaded: LoadedConfig;
  /** What the watcher told last. */
  #settled: SettledFiles | null = null;
  /** Of reloads and new members; never rejects. */
  #lastChange: Promise<unknown> = Promise.resolve();
  /** One that waits for its turn. */
  #nextReload: Promise<ReloadResult> | null = null;
  /** Null without `[admin]`. */
  #admin: AdminListener | null = null;
  #isStarted = false;
  #isStopping = false;

  /**
   * Loads the file, listens, and watches.
   *
   * @throws {ConfigError} {@link PermissionError} {@link ListenError} {@link AccessLogError} Nothing stays open then.
   */
  static async start(options: SluiceOptions): Promise<Sluice> {
    const contents = new Map<string, string | null>();
    const loaded = await loadFromDisk(options.path, contents);
    options.log.level = loaded.config.log.level;
    options.log.redact = redactor(loaded.config.masks);
    try {
      await assertPermitted(loaded);
      const parts = await assemble(options, loaded);
      const sluice = new Sluice(options, loaded, parts);
      try {
        await sluice.#open(contents);
      } catch (error) {
        await sluice.#close();
        await sluice.dataPlane.shutdown(0);
        throw error;
      }
      return sluice;
    } catch (error) {
      if (error instanceof Error) error.message = options.log.redact(error.message);
      throw error;
    }
  }

  private constructor(options: SluiceOptions, loaded: LoadedConfig, parts: Parts) {
    this.#options = options;
    this.#log = options.log;
    this.#loaded = loaded;
    this.#parts = parts;
    this.dataPlane = parts.dataPlane;
    this.resources = parts.resources;
    this.metrics = parts.metrics;
    const { clock, log, events } = options;
    this.#control = new Control({
      running: this.#asRunning(),
      clock,
      log,
      events,
      metrics: parts.metrics,
      tlsProblems: parts.tlsProblems,
    });
    this.#prober = new Prober({
      clock,
      random: parts.random,
      onTls: (backend, problem) => parts.tlsProblems.tell(backend, problem),
    });
    this.#watcher = new FileWatcher({
      quietMs: loaded.config.server.reloadQuietMs,
      onChange: (contents) => {
        this.#settled = { contents, quietMs: this.#watcher.quietMs };
        this.reload("file");
      },
      onRestless: () =>
        log.warn("files_restless", { message: "they keep changing; none of it is taken until they rest" }),
    });
  }

  /** The address of the admin listener; "" when there is none. */
  get adminAddress(): string {
    return this.#admin?.address ?? "";
  }

  get generation(): number {
    return this.plan.generation;
  }

  get plan(): Plan {
    return this.dataPlane.plans.current.plan;
  }

  /** Prometheus text, of now. */
  metricsText(): string {
    this.dataPlane.publish();
    const { threads, connections } = this.dataPlane;
    return this.metrics.render({ version: this.#options.version, plan: this.plan, ...threads, connections });
  }

  /**
   * Loads the file again and makes it the running configuration, or changes nothing and logs why. Never rejects. Who asks
   * while another waits for its turn gets that one.
   */
  reload(trigger: string): Promise<ReloadResult> {
    this.#nextReload ??= this.#inTurn(() => {
      this.#nextReload = null;
      return this.#reload(trigger);
    });
    return this.#nextReload;
  }

  /**
   * Accepts no more, lets what is in flight end within the configured time, then ends it.
   *
   * @returns Exchanges that had to be cut off.
   */
  async shutdown(): Promise<number> {
    this.#isStopping = true;
    const { drainMs } = this.#loaded.config.server;
    this.#log.info("draining", { exchanges: this.dataPlane.exchanges, within_ms: drainMs });
    await this.#watcher.close();
    await this.#lastChange; // it would open listeners behind our back
    const cut = await this.dataPlane.shutdown(drainMs);
    await this.#close();
    this.#log.info("stopped", { cut_off: cut });
    return cut;
  }

  async #open(contents: FileContents): Promise<void> {
    this.#every(HEALTH_TICK_MS, () => this.#tickHealth());
    this.#every(SECOND_MS, () => this.#eachSecond());
    const change = await this.dataPlane.prepare(this.#loaded, this.plan);
    await change.commit();
    this.#prober.follow(this.plan);
    const { admin } = this.#loaded.config;
    if (admin !== null) this.#admin = await openAdmin(admin, this.#control, this.#log);
    this.#watcher.watch(contents);
    this.#warn(this.#loaded.warnings.map((issue) => formatIssue(this.#options.path, issue)));
    this.#isStarted = true;
    this.#log.info("started", { generation: this.generation, pid: Deno.pid, config: this.#options.path });
  }

  /** One change after another: none finds a plan, or members, that another is about to replace. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#lastChange.then(work);
    this.#lastChange = done;
    return done;
  }

  async #reload(trigger: string): Promise<ReloadResult> {
    const contents = new Map<string, string | null>();
    let plan: Plan | null = null;
    let redact = redactor(this.#loaded.config.masks);
    try {
      this.#assertRuns();
      const loaded = await this.#load(trigger, contents);
      redact = redactor(loaded.config.masks);
      await assertPermitted(loaded);
      const effective = this.#withOverrides(loaded);
      plan = await this.#parts.compile(effective, this.plan);
      this.#control.overrides.withdrawIn(plan);
      const change = await this.dataPlane.prepare(effective, plan);
      if (this.#isStopping) change.undo();
      this.#assertRuns();
      this.#watcher.watch(contents);
      await this.#swap(loaded, change);
      this.metrics.reloaded(true);
      this.#log.info("reloaded", { generation: plan.generation, trigger, plans_alive: this.dataPlane.plans.alive });
      this.#control.reloaded(trigger, []);
      return { ok: true, generation: plan.generation };
    } catch (error) {
      if (plan !== null) dispose(plan);
      this.#watcher.watchRefused(contents);
      const problems = problemsOf(error).map(redact);
      this.metrics.reloaded(false);
      this.#log.error("reload_refused", { trigger, generation: this.generation, problems });
      this.#control.reloaded(trigger, problems);
      return { ok: false, problems };
    }
  }

  /** Weights that the operator has set, and nothing else: routes, listeners and other upstreams stay as they are. */
  async #replaceMembers(name: string): Promise<ChangeResult> {
    let members: Members | null = null;
    try {
      this.#assertRuns();
      const upstream = this.plan.upstreams.get(name);
      if (upstream === undefined) return { ok: true }; // it has left the file: what was set waits for its return
      const { config } = this.#withOverrides(this.#loaded);
      members = await this.#parts.compileMembers(config.upstreams.find((each) => each.name === name)!, this.plan);
      this.#control.overrides.withdrawFrom({ name, members });
      const change = await this.dataPlane.prepareMembers(upstream, members);
      if (this.#isStopping) change.undo();
      this.#assertRuns();
      const committed = change.commit();
      this.#follow();
      await committed;
      return { ok: true };
    } catch (error) {
      if (members !== null) releaseMembers(members);
      const problems = problemsOf(error).map(this.#log.redact);
      this.#log.error("members_refused", { upstream: name, problems });
      return { ok: false, problems };
    }
  }

  /** What is beside exchanges goes by the plan and the members that serve now. */
  #follow(): void {
    this.#control.overrides.settle(this.plan, this.#options.clock.nowMs());
    this.#prober.follow(this.plan);
  }

  /** Who asks for a reload gets what the files hold now; what the watcher noticed is taken as it was when it was still. */
  #load(trigger: string, contents: Map<string, string | null>): Promise<LoadedConfig> {
    return loadFromDisk(this.#options.path, contents, trigger === "file" ? this.#settled : null);
  }

  /** @throws {StoppingError} A shutdown that begins during a reload overtakes it. */
  #assertRuns(): void {
    if (this.#isStopping) throw new StoppingError();
  }

  /** What the operator has set takes the place of what the file says. */
  #withOverrides(loaded: LoadedConfig): LoadedConfig {
    return { ...loaded, config: this.#control.overrides.applyTo(loaded.config) };
  }

  /** Nothing in it can fail. Resolves when all threads have swapped. */
  #swap(loaded: LoadedConfig, change: DataPlaneChange): Promise<void> {
    if (loaded !== this.#loaded) {
      this.#warn(restartNeeded(this.#loaded.config, loaded.config));
      this.#warn(loaded.warnings.map((issue) => formatIssue(this.#options.path, issue)));
    }
    this.#loaded = loaded;
    this.#log.redact = redactor(loaded.config.masks);
    this.#watcher.quietMs = loaded.config.server.reloadQuietMs;
    const committed = change.commit();
    this.#follow();
    return committed;
  }

  #warn(messages: readonly string[]): void {
    for (const message of messages) this.#log.warn("config_warning", { message });
  }

  #tickHealth(): void {
    const nowMs = this.#options.clock.nowMs();
    this.#parts.collector?.count(nowMs);
    for (const { members } of this.plan.upstreams.values()) members.judged?.group.tick(nowMs);
  }

  #eachSecond(): void {
    this.metrics.tick();
    this.#control.tick(this.dataPlane.takeErrors());
    const { recent } = this.resources.backendRows.table;
    for (let row = 0; row < recent.length; row++) recent[row] *= 0.5;
  }

  #now(): RunningNow {
    this.dataPlane.publish();
    return {
      isStarted: this.#isStarted,
      isDraining: this.#isStopping,
      plan: this.plan,
      plansAlive: this.dataPlane.plans.alive,
      loaded: this.#loaded,
      listeners: this.dataPlane.listeners,
      connections: this.dataPlane.connections,
      workers: this.dataPlane.workers,
      logLevel: this.#log.level,
    };
  }

  /** What the operator's side sees of this. */
  #asRunning(): Running {
    const { version, path } = this.#options;
    return {
      version,
      path,
      now: () => this.#now(),
      metricsText: () => this.metricsText(),
      setLogLevel: (level) => this.dataPlane.setLogLevel(level),
      reload: (trigger) => this.reload(trigger),
      replaceMembers: (upstream) => this.#inTurn(() => this.#replaceMembers(upstream)),
      preview: (text) =>
        previewReload(() => text === "" ? loadFromDisk(path) : loadText(text, path, this.#loaded), {
          running: this.#loaded.config,
          facts: {
            inFlight: (upstream, backend) => this.metrics.view().backend(upstream, backend).inFlight,
            filtersOf: filterNamesOf,
          },
          examine: assertPermitted,
          problemsOf,
        }),
      restartWorker: (id) => this.dataPlane.restart(id),
    };
  }

  #every(ms: number, work: () => void): void {
    this.#timers.push(setInterval(work, ms));
  }

  async #close(): Promise<void> {
    await this.#admin?.close(); // last of all that listens: it has been saying "draining" so far
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#prober.close();
    await this.#watcher.close();
  }
}

/** @throws {PermissionError} with the flags that are missing. */
async function assertPermitted(loaded: LoadedConfig): Promise<void> {
  const missing = await missingPermissions(loaded);
  if (missing.length > 0) throw new PermissionError(missing);
}
