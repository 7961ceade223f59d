/**
 * The operator's side of the running proxy: what the admin app asks, answered and done.
 *
 * It knows the proxy through `Running` alone, so that it does not matter whether that serves in this thread or in
 * several. Made only when an admin listener is configured.
 */

import type { BackendCommand, Operator } from "../../admin/operator.ts";
import type {
  EventView,
  ExplanationView,
  OutcomeView,
  PlanView,
  ReadinessView,
  ReloadView,
  RouteView,
  SampleView,
  SettingView,
  StatusView,
  UpstreamView,
  WorkerView,
} from "../../admin/views.ts";
import type { Clock } from "../../base/clock.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { deafToWeights } from "../../config/validate/upstreams.ts";
import { type ExplainedHealth, explainRequest, requestToExplain } from "../../plan/people/explain.ts";
import type { Plan } from "../../plan/types.ts";
import type { ErrorCount } from "../telemetry/error_tally.ts";
import type { EventRings } from "./event_rings.ts";
import type { EventLog, LogLevel } from "../logs/event_log.ts";
import { type Override, Overrides, sharersOf } from "./overrides.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ConnectionsFact } from "../../observe/metrics/facts.ts";
import type { BoundListener } from "../serving/data_plane.ts";
import type { TlsProblems } from "../logs/tls_problems.ts";
import {
  listenerViews,
  memberSnapshots,
  readinessView,
  routeViews,
  sampleView,
  trafficView,
  upstreamViews,
  type ViewParts,
} from "./views.ts";

/** Five minutes, a sample a second. */
const HISTORY_MAX = 300;

/** One moment of the running proxy. */
export interface RunningNow {
  readonly isStarted: boolean;
  readonly isDraining: boolean;
  readonly plan: Plan;
  readonly plansAlive: number;
  /** The file that runs, without overrides. */
  readonly loaded: LoadedConfig;
  readonly listeners: readonly BoundListener[];
  readonly connections: readonly ConnectionsFact[];
  readonly workers: readonly WorkerView[];
  readonly logLevel: LogLevel;
}

export interface Running {
  readonly version: string;
  readonly path: string;
  now(): RunningNow;
  /** Prometheus text. */
  metricsText(): string;
  setLogLevel(level: LogLevel): void;
  /** From disk. */
  reload(trigger: string): Promise<ReloadResult>;
  /** The members of an upstream, compiled anew with the overrides of now. */
  replaceMembers(upstream: string): Promise<ChangeResult>;
  preview(text: string): Promise<PlanView>;
  /** @returns Whether there is such a worker. */
  restartWorker(id: number): boolean;
}

export type ReloadResult =
  | { readonly ok: true; readonly generation: number }
  | Refused;

export type ChangeResult =
  | { readonly ok: true }
  | Refused;

interface Refused {
  readonly ok: false;
  readonly problems: readonly string[];
}

export interface ControlParts {
  readonly running: Running;
  readonly clock: Clock;
  readonly log: EventLog;
  readonly events: EventRings;
  readonly metrics: Metrics;
  readonly tlsProblems: TlsProblems;
}

export class Control implements Operator {
  readonly overrides: Overrides = new Overrides();
  readonly #running: Running;
  readonly #clock: Clock;
  readonly #log: EventLog;
  readonly #events: EventRings;
  readonly #metrics: Metrics;
  readonly #tlsProblems: TlsProblems;
  readonly #startedMs: number;
  readonly #history: SampleView[] = [];
  #lastReload: ReloadView;

  constructor({ running, clock, log, events, metrics, tlsProblems }: ControlParts) {
    this.#running = running;
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
    this.#metrics = metrics;
    this.#tlsProblems = tlsProblems;
    this.#startedMs = clock.epochMs();
    this.#lastReload = { at: this.#now(), ok: true, trigger: "start", problems: [] };
  }

  /** To be called about once a second, with the errors since the last time. */
  tick(errors: readonly ErrorCount[]): void {
    this.#history.push(sampleView(this.#metrics.view(), this.#now()));
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    this.#events.errorsCounted(errors);
  }

  /** Told of each reload, whoever asked for it. */
  reloaded(trigger: string, problems: readonly string[]): void {
    this.#lastReload = { at: this.#now(), ok: problems.length === 0, trigger, problems };
    if (problems.length === 0) {
      this.#events.push("reload", "reloaded", `generation ${this.#running.now().plan.generation} (${trigger})`);
    } else this.#events.push("reload", "reload_refused", `refused (${trigger}): ${problems.join("; ")}`);
  }

  status(): StatusView {
    const { version, path } = this.#running;
    const running = this.#running.now();
    const parts = this.#viewParts();
    return {
      version,
      pid: Deno.pid,
      startedAt: new Date(this.#startedMs).toISOString(),
      uptimeSeconds: Math.max(0, (this.#clock.epochMs() - this.#startedMs) / 1000),
      generation: running.plan.generation,
      configPath: path,
      lastReload: this.#lastReload,
      plansAlive: running.plansAlive,
      isDraining: running.isDraining,
      readiness: this.readiness(),
      logLevel: running.logLevel,
      workers: running.workers,
      listeners: listenerViews(running),
      traffic: trafficView(parts.traffic),
      upstreams: upstreamViews(parts),
    };
  }

  upstreams(): readonly UpstreamView[] {
    return upstreamViews(this.#viewParts());
  }

  routes(): readonly RouteView[] {
    return routeViews(this.#running.now().plan, this.#metrics.view());
  }

  settings(): readonly SettingView[] {
    return this.#running.now().loaded.settings;
  }

  history(): readonly SampleView[] {
    return this.#history;
  }

  readiness(): ReadinessView {
    return readinessView(this.#running.now());
  }

  metrics(): string {
    return this.#running.metricsText();
  }

  eventsSince(id: number): readonly EventView[] {
    return this.#events.since(id);
  }

  onEvent(listener: (event: EventView) => void): () => void {
    return this.#events.onEvent(listener);
  }

  async command(upstream: string, backend: string, command: BackendCommand): Promise<OutcomeView> {
    const member = this.#running.now().plan.upstreams.get(upstream)?.members.backends.find(({ name }) =>
      name === backend
    );
    if (member === undefined) return refused(`no backend ${upstream}/${backend}`);
    if (this.#running.now().isDraining) return refused("sluice is shutting down");
    const before = this.overrides.of(upstream, backend);
    const isCleared = command === "enable";
    this.overrides.set(upstream, backend, {
      command: isCleared ? null : command,
      weight: isCleared ? null : before.weight,
      sinceMs: before.command === command ? before.sinceMs : this.#clock.epochMs(),
    });
    this.overrides.settle(this.#running.now().plan, this.#clock.nowMs());
    this.#tell(command, `${upstream}/${backend}`);
    if (isCleared && before.weight !== null) {
      const result = await this.#running.replaceMembers(upstream);
      if (!result.ok) return notDone(`${upstream}/${backend} is enabled; its weight could not be set back`, result);
    }
    return done(this.#describe(command, upstream, backend));
  }

  async setWeight(upstream: string, backend: string, weight: number | null): Promise<OutcomeView> {
    const before = this.overrides.of(upstream, backend);
    // Also of a backend that the file has no more: what was set for it would wait for its return.
    const isClearing = weight === null && before.weight !== null;
    const reason = isClearing ? "" : this.#weightFault(upstream, backend, weight);
    if (reason !== "") return refused(reason);
    this.overrides.set(upstream, backend, { ...before, weight, sinceMs: this.#clock.epochMs() });
    const result = await this.#running.replaceMembers(upstream);
    if (!result.ok) {
      this.#takeBack(upstream, backend, { weight, before });
      return notDone("the weight could not be set", result);
    }
    this.#tell("weight", `${upstream}/${backend} ${weight ?? "as in the file"}`);
    return done(`${upstream}/${backend} has ${weight === null ? "the weight of the file" : `weight ${weight}`} now`);
  }

  setLogLevel(level: string): OutcomeView {
    this.#running.setLogLevel(level as LogLevel);
    this.#tell("log", level);
    return done(`the log level is ${level} until the next reload`);
  }

  async reload(): Promise<OutcomeView> {
    const result = await this.#running.reload("api");
    return result.ok
      ? done(`reloaded, generation ${result.generation}`)
      : notDone("refused; the running configuration stays", result);
  }

  plan(text: string): Promise<PlanView> {
    return this.#running.preview(text);
  }

  explain(method: string, url: string, fields: ReadonlyArray<readonly [string, string]>): Promise<ExplanationView> {
    const { plan } = this.#running.now();
    const health: ExplainedHealth = {
      members: (upstream) => memberSnapshots(upstream, this.overrides, (ms) => this.#monotonicOf(ms)),
      nowMs: this.#clock.nowMs(),
      epochMs: this.#clock.epochMs(),
    };
    try {
      return Promise.resolve(explainRequest(plan, requestToExplain(method, url, fields), health));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return Promise.resolve({ lines: [error.message], route: null });
    }
  }

  restartWorker(id: number): Promise<OutcomeView> {
    if (!this.#running.restartWorker(id)) {
      return Promise.resolve(refused(id === 0 ? "sluice serves in the process itself" : `worker ${id} is not running`));
    }
    this.#tell("restart", `worker ${id}`);
    return Promise.resolve(done(`worker ${id} was ended, another takes its place`));
  }

  /** A weight that was refused. What was commanded while that was found out stays. */
  #takeBack(upstream: string, backend: string, refused: { weight: number | null; before: Override }): void {
    const { weight, before } = refused;
    const now = this.overrides.of(upstream, backend);
    if (now.weight !== weight) return;
    const sinceMs = now.command === before.command ? before.sinceMs : now.sinceMs;
    this.overrides.set(upstream, backend, { command: now.command, weight: before.weight, sinceMs });
  }

  #viewParts(): ViewParts {
    const { plan, loaded } = this.#running.now();
    const nowMs = this.#clock.nowMs();
    const epochMs = this.#clock.epochMs();
    return {
      plan,
      configured: loaded.config,
      overrides: this.overrides,
      traffic: this.#metrics.view(),
      tlsProblemOf: (backend) => this.#tlsProblems.of(backend),
      epochOf: (ms) => ms - nowMs + epochMs,
      monotonicOf: (ms) => ms - epochMs + nowMs,
    };
  }

  /** @returns Why a weight makes no sense, as the validation of a file would put it; "": it does. */
  #weightFault(upstreamName: string, backendName: string, weight: number | null): string {
    const upstream = this.#running.now().plan.upstreams.get(upstreamName);
    const isKnown = upstream?.members.backends.some(({ name }) => name === backendName) ?? false;
    if (upstream === undefined || !isKnown) return `no backend ${upstreamName}/${backendName}`;
    if (weight === null) return "";
    const deaf = deafToWeights(upstream.members.config);
    if (weight > 1 && deaf !== "") return `a weight has no effect with ${deaf}`;
    const isLast = weight === 0 &&
      upstream.members.config.backends.every((other) => other.name === backendName || other.weight === 0);
    return isLast ? `every weight of ${upstreamName} would be 0; at least one backend must take traffic` : "";
  }

  #describe(command: BackendCommand, upstreamName: string, backendName: string): string {
    const name = `${upstreamName}/${backendName}`;
    const { plan } = this.#running.now();
    const upstream = plan.upstreams.get(upstreamName)!;
    const { index } = upstream.members.backends.find((backend) => backend.name === backendName)!;
    const { inFlight } = this.#metrics.view().backend(upstreamName, backendName);
    if (command === "enable") return `${name} is enabled`;
    const parts = [
      command === "drain" ? `${name} drains: no new exchanges` : `${name} is disabled: no new exchanges, no probes`,
      `${inFlight} in flight`,
    ];
    const busy = sharersOf(plan, upstreamName, index)
      .filter((sharer) => this.overrides.of(sharer.upstream, sharer.backend).command === null)
      .map((sharer) => `${sharer.upstream}/${sharer.backend}`);
    if (busy.length > 0) parts.push(`the same address still takes traffic as ${busy.join(", ")}`);
    if (upstream.members.health.eligible.every((word) => word === 0)) {
      parts.push(`no backend of ${upstreamName} is eligible any more, requests to it get 503`);
    }
    return parts.join("; ");
  }

  #tell(command: string, target: string): void {
    this.#log.info("admin_command", { command, target });
    this.#events.push("admin", command, `${command} ${target}`);
  }

  #monotonicOf(epochMs: number): number {
    return epochMs - this.#clock.epochMs() + this.#clock.nowMs();
  }

  #now(): string {
    return new Date(this.#clock.epochMs()).toISOString();
  }
}

function done(message: string): OutcomeView {
  return { ok: true, message, problems: [] };
}

function refused(message: string): OutcomeView {
  return { ok: false, message, problems: [] };
}

function notDone(message: string, { problems }: { readonly problems: readonly string[] }): OutcomeView {
  return { ok: false, message, problems };
}
