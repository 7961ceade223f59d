/**
 * A worker thread: a `LocalDataPlane` that is told what to serve. It judges nothing and watches nothing; the control
 * thread prepares it, commits and ends it.
 */

import type { GroupMemory } from "../../health/group_memory.ts";
import { ReportWriter } from "../../health/report.ts";
import { AssignedBackendRows } from "../../plan/registry.ts";
import { SharedConnections } from "../../base/shared/shared_connections.ts";
import { RegionWord, type SharedState, sharedStateOn, sharedTable } from "../../base/shared/shared_state.ts";
import { type Clock, turnClock } from "../../base/clock.ts";
import { createRandom } from "../../base/random.ts";
import { redactor } from "../../config/masks.ts";
import { AssignedRows } from "../../observe/metrics/rows.ts";
import { blockOver, clearGauges, type MetricsBlock } from "../../observe/metrics/store.ts";
import { compile, dispose } from "../../plan/compile.ts";
import { SharedHealth } from "../../plan/health_source.ts";
import { PlanHolder } from "../../plan/holder.ts";
import { Resources } from "../../plan/resources.ts";
import { compileMembers, type MembersContext, releaseMembers } from "../../plan/members.ts";
import type { Members, Plan } from "../../plan/types.ts";
import { makeRouteHandler } from "../../proxy/route_handler.ts";
import { Deadlines } from "../../transport/deadlines.ts";
import type { LineSink } from "../logs/line_queue.ts";
import { LocalDataPlane } from "../serving/local_data_plane.ts";
import { ListenError } from "../serving/listener_set.ts";
import { EventLog, logPipeliningFallback } from "../logs/event_log.ts";
import { problemsOf } from "../reload/problems.ts";
import { processDescriptors } from "../telemetry/process_descriptors.ts";
import { logUncaught } from "../logs/uncaught.ts";
import { TlsProblems } from "../logs/tls_problems.ts";
import type { FromWorker, MembersMessage, PlanMessage, ToWorker, WorkerSetup } from "./worker_messages.ts";

/** How often the control thread sees that this one is alive, and what it has under way. */
const HEARTBEAT_MS = 100;
/** How often it tells of errors. */
const ERRORS_MS = 1000;

/** What `self` is here; the compiler knows only pages. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
}
const scope = globalThis as unknown as WorkerScope;

/** One of two follows. */
interface Prepared {
  commit(): Promise<void>;
  undo(): void;
}

class WorkerThread {
  readonly #setup: WorkerSetup;
  readonly #state: SharedState;
  readonly #clock: Clock;
  readonly #log: EventLog;
  readonly #random: () => number;
  readonly #deadlines: Deadlines;
  readonly #backendRows: AssignedBackendRows;
  readonly #metricsRows: AssignedRows = new AssignedRows([]);
  readonly #block: MetricsBlock;
  readonly #resources: Resources;
  readonly #writer: ReportWriter;
  readonly #stdout: MessageSink = new MessageSink();
  #ports: ReadonlyMap<string, number> = new Map();
  #listenerRows: ReadonlyMap<string, number> = new Map();
  #dataPlane: LocalDataPlane | null = null;
  #prepared: Prepared | null = null;
  /** The change that brought a plan, or that replaced members. */
  readonly #changes: WeakMap<Plan | Members, number> = new WeakMap();
  #isStopping = false;

  constructor(setup: WorkerSetup) {
    const offsetMs = performance.timeOrigin - setup.timeOriginMs;
    this.#setup = setup;
    this.#clock = { nowMs: turnClock(() => performance.now() + offsetMs), epochMs: () => Date.now() };
    this.#log = new EventLog("info", () => Date.now(), { worker: setup.id });
    this.#random = createRandom(setup.seed);
    this.#state = sharedStateOn(setup.shared, setup.workers);
    this.#backendRows = new AssignedBackendRows(sharedTable(this.#state, setup.region));
    this.#deadlines = new Deadlines(() => this.#clock.nowMs());
    this.#writer = new ReportWriter(
      this.#state,
      setup.region,
      (report) => scope.postMessage({ kind: "report", report }),
    );
    this.#block = blockOver(setup.block);
    clearGauges(this.#block);
    const tlsProblems = new TlsProblems(
      () => this.#clock.nowMs(),
      (backend, problem) => scope.postMessage({ kind: "tls", backend, problem }),
    );
    this.#resources = new Resources({
      clock: this.#clock,
      deadlines: this.#deadlines,
      descriptors: processDescriptors(setup.configPath, this.#log, () => this.#resources.shedIdle()),
      backendRows: this.#backendRows,
      metrics: { rows: this.#metricsRows, block: this.#block },
      onHealthChange: () => {}, // judged elsewhere
      onPipeliningFallback: (backend, facts) => logPipeliningFallback(this.#log, backend, facts),
      onTls: (backend, problem) => tlsProblems.tell(backend, problem),
    });
    logUncaught(this.#log);
    setInterval(() => this.#beat(), HEARTBEAT_MS);
    setInterval(() => this.#tellErrors(), ERRORS_MS);
  }

  async receive(message: Exclude<ToWorker, { kind: "setup" }>): Promise<void> {
    switch (message.kind) {
      case "prepare":
        return await this.#prepare(message.plan, message.change);
      case "prepare_members":
        return await this.#prepareMembers(message.members, message.change);
      case "commit":
        return await this.#commit();
      case "undo":
        return this.#undo();
      case "log_level":
        return this.#dataPlane?.setLogLevel(message.level);
      case "written":
        return this.#stdout.written(message.problem);
      case "shutdown":
        this.#isStopping = true;
        return scope.postMessage({ kind: "drained", cut: await this.#dataPlane?.shutdown(message.drainMs) ?? 0 });
    }
  }

  async #prepare(message: PlanMessage, number: number): Promise<void> {
    let plan: Plan | null = null;
    try {
      this.#log.redact = redactor(message.loaded.config.masks);
      this.#ports = new Map(message.ports);
      this.#listenerRows = new Map(message.listenerRows);
      const compiled = plan = await this.#compile(message);
      this.#changes.set(plan, number);
      this.#dataPlane ??= this.#createDataPlane(plan);
      const change = await this.#dataPlane.prepare(message.loaded, plan);
      if (this.#isStopping) {
        change.undo();
        throw new ListenError("sluice is shutting down");
      }
      const undo = () => {
        change.undo();
        this.#drop(compiled);
      };
      this.#prepared = { commit: () => change.commit(), undo };
      scope.postMessage({ kind: "prepared", listeners: change.listeners });
    } catch (error) {
      if (plan !== null) this.#drop(plan);
      scope.postMessage({ kind: "refused", problems: problemsOf(error) });
    }
  }

  async #prepareMembers(message: MembersMessage, number: number): Promise<void> {
    try {
      const dataPlane = this.#dataPlane!;
      const { features, upstreams } = dataPlane.plans.current.plan;
      const upstream = upstreams.get(message.config.name)!;
      this.#backendRows.assign(message.backendRows);
      this.#metricsRows.assign(message.metricsRows);
      const context = this.#membersContext(message.healthRows, [message.memory]);
      const members = await compileMembers(message.config, features, context);
      const change = await dataPlane.prepareMembers(upstream, members);
      this.#prepared = {
        commit: () => {
          this.#changes.set(upstream.members, number);
          return change.commit();
        },
        undo: () => releaseMembers(members),
      };
      scope.postMessage({ kind: "prepared", listeners: dataPlane.listeners });
    } catch (error) {
      scope.postMessage({ kind: "refused", problems: problemsOf(error) });
    }
  }

  async #commit(): Promise<void> {
    const prepared = this.#prepared!;
    this.#prepared = null;
    await prepared.commit();
    scope.postMessage({ kind: "committed" }); // behind "freed" of the old plan, if nothing is left on it
  }

  #undo(): void {
    const prepared = this.#prepared; // null: it was this worker that refused
    this.#prepared = null;
    prepared?.undo();
  }

  /**
   * Disposes of a plan that was not committed. The first one is held by the data plane all the same, until another
   * takes its place.
   */
  #drop(plan: Plan): void {
    if (this.#dataPlane?.plans.current.plan !== plan) dispose(plan);
  }

  #compile({ loaded, generation, backendRows, healthRows, metricsRows, memories }: PlanMessage): Promise<Plan> {
    this.#backendRows.assign(backendRows);
    this.#metricsRows.assign(metricsRows);
    return compile(loaded.config, {
      ...this.#membersContext(healthRows, memories),
      generation,
      makeHandler: makeRouteHandler,
    });
  }

  #membersContext(healthRows: PlanMessage["healthRows"], memories: readonly GroupMemory[]): MembersContext {
    return {
      resources: this.#resources,
      health: new SharedHealth({
        state: this.#state,
        writer: this.#writer,
        healthRows: new Map(healthRows),
        memories,
      }),
      stickySecret: this.#setup.stickySecret,
      random: this.#random,
    };
  }

  #createDataPlane(plan: Plan): LocalDataPlane {
    const plans = new PlanHolder(plan, (freed) => {
      dispose(freed);
      scope.postMessage({ kind: "freed", change: this.#changes.get(freed)! });
    });
    return new LocalDataPlane({
      clock: this.#clock,
      log: this.#log,
      deadlines: this.#deadlines,
      resources: this.#resources,
      plans,
      random: this.#random,
      block: this.#block,
      listeners: {
        sharesPorts: true,
        isFirst: this.#setup.id === 1,
        portAt: (identity) => this.#ports.get(identity),
        countOf: (identity) => this.#countOf(identity),
      },
      stdout: this.#stdout,
      onMembersFree: (members) => scope.postMessage({ kind: "freed_members", change: this.#changes.get(members)! }),
    });
  }

  #tellErrors(): void {
    const counts = this.#dataPlane?.takeErrors() ?? [];
    if (counts.length > 0) scope.postMessage({ kind: "errors", counts });
  }

  #countOf(identity: string): SharedConnections {
    const { region, commonSeed } = this.#setup;
    return new SharedConnections(this.#state, { region, row: this.#listenerRows.get(identity)!, seed: commonSeed });
  }

  #beat(): void {
    const { header } = this.#state.regions[this.#setup.region];
    header[RegionWord.exchanges] = this.#dataPlane?.exchanges ?? 0;
    Atomics.add(header, RegionWord.heartbeat, 1);
  }
}

/** Lines on their way to the control thread, one message at a time. */
class MessageSink implements LineSink {
  #written: PromiseWithResolvers<void> | null = null;

  write(bytes: Uint8Array): Promise<void> {
    const written = this.#written = Promise.withResolvers<void>();
    const own = bytes.slice();
    scope.postMessage({ kind: "lines", bytes: own }, [own.buffer]);
    return written.promise;
  }

  written(problem: string): void {
    if (problem === "") this.#written?.resolve();
    else this.#written?.reject(new Error(problem));
  }

  close(): void {}
}

let thread: WorkerThread | null = null;
scope.onmessage = ({ data }) => {
  if (data.kind === "setup") thread = new WorkerThread(data.setup);
  else thread!.receive(data).catch((error) => scope.postMessage({ kind: "broken", reason: String(error) }));
};
