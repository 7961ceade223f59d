/**
 * Puts the running proxy together, with or without worker threads: who owns health, rows and plans, and what serves.
 */

import { ReportCollector } from "../health/report_collector.ts";
import { describeReason, type HealthChange } from "../health/reason.ts";
import { BackendRows } from "../plan/registry.ts";
import { createPlanMemory, groupMemories } from "../health/group_memory.ts";
import { createSharedState, sharedTable } from "../base/shared/shared_state.ts";
import { createRandom } from "../base/random.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { UpstreamConfig } from "../config/types.ts";
import { needsWorkerThreads } from "../config/threads.ts";
import { NO_BLOCK } from "../observe/metrics/store.ts";
import { compile, dispose } from "../plan/compile.ts";
import { JudgedHealth } from "../plan/health_source.ts";
import { PlanHolder } from "../plan/holder.ts";
import { Resources } from "../plan/resources.ts";
import { compileMembers } from "../plan/members.ts";
import type { Members, Plan } from "../plan/types.ts";
import { makeRouteHandler } from "../proxy/route_handler.ts";
import { Deadlines } from "../transport/deadlines.ts";
import { WorkerPool } from "./workers/worker_pool.ts";
import { LocalDataPlane } from "./serving/local_data_plane.ts";
import { logPipeliningFallback } from "./logs/event_log.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { processDescriptors } from "./telemetry/process_descriptors.ts";
import type { DataPlane } from "./serving/data_plane.ts";
import type { SluiceOptions } from "./options.ts";
import { TlsProblems } from "./logs/tls_problems.ts";

export interface Parts {
  readonly dataPlane: DataPlane;
  readonly resources: Resources;
  readonly metrics: Metrics;
  readonly random: () => number;
  readonly tlsProblems: TlsProblems;
  /** Where workers' reports are judged; null without workers. */
  readonly collector: ReportCollector | null;
  /** Compiles beside the running plan. @throws {ConfigError} */
  compile(loaded: LoadedConfig, running: Plan): Promise<Plan>;
  /** Compiles members for an upstream of the running plan. @throws {RangeError} */
  compileMembers(upstream: UpstreamConfig, running: Plan): Promise<Members>;
}

/** @throws {ConfigError} Nothing is open yet when it returns. */
export function assemble(options: SluiceOptions, loaded: LoadedConfig): Promise<Parts> {
  return needsWorkerThreads(loaded.config) ? assembleWorkers(options, loaded) : assembleAlone(options, loaded);
}

async function assembleAlone(options: SluiceOptions, loaded: LoadedConfig): Promise<Parts> {
  const { clock, log, stickySecret } = options;
  const random = createRandom(options.seed);
  const deadlines = new Deadlines(() => clock.nowMs());
  const metrics = new Metrics(1, () => clock.nowMs());
  const [block] = metrics.blocks;
  const tlsProblems = createTlsProblems(options);
  const resources: Resources = new Resources({
    clock,
    deadlines,
    descriptors: processDescriptors(loaded.config.path, log, () => resources.shedIdle()),
    onHealthChange: (upstream, backend, change) => onHealthChange({ options, metrics }, { upstream, backend, change }),
    onPipeliningFallback: (backend, facts) => logPipeliningFallback(log, backend, facts),
    onTls: (backend, problem) => tlsProblems.tell(backend, problem),
    metrics: { rows: metrics.rows, block },
  });
  const compileFrom = ({ config }: LoadedConfig, generation: number, running: ReadonlySet<string>) => {
    const health = new JudgedHealth(running);
    return compile(config, { resources, generation, health, stickySecret, random, makeHandler: makeRouteHandler });
  };
  const plans = new PlanHolder(await compileFrom(loaded, 1, new Set()), dispose);
  return {
    dataPlane: new LocalDataPlane({ clock, log, deadlines, resources, plans, random, block }),
    resources,
    metrics,
    random,
    tlsProblems,
    collector: null,
    compile: (next, { generation, upstreams }) => compileFrom(next, generation + 1, new Set(upstreams.keys())),
    compileMembers: (upstream, { features }) => {
      const health = new JudgedHealth(new Set([upstream.name]));
      return compileMembers(upstream, features, { resources, health, stickySecret, random });
    },
  };
}

async function assembleWorkers(options: SluiceOptions, loaded: LoadedConfig): Promise<Parts> {
  const { clock, stickySecret } = options;
  const random = createRandom(options.seed);
  const state = createSharedState(loaded.config.server.workers);
  const collector = new ReportCollector(state);
  const metrics = new Metrics(state.workers, () => clock.nowMs());
  const tlsProblems = createTlsProblems(options);
  const resources = new Resources({
    clock,
    deadlines: new Deadlines(() => clock.nowMs()),
    onHealthChange: (upstream, backend, change) => onHealthChange({ options, metrics }, { upstream, backend, change }),
    // Rows are given here, and counted in by workers.
    metrics: { rows: metrics.rows, block: NO_BLOCK },
    backendRows: new BackendRows(sharedTable(state, -1)),
    onMachine: {
      made: (machine) => collector.admitMachine(machine),
      gone: (machine) => collector.dismissMachine(machine, clock.nowMs()),
    },
  });
  const healthFor = (upstreams: readonly UpstreamConfig[], running: ReadonlySet<string>) => {
    const members = upstreams.map(({ backends }) => backends.length);
    return new JudgedHealth(running, groupMemories(createPlanMemory(members), members));
  };
  const compileFrom = ({ config }: LoadedConfig, generation: number, running: ReadonlySet<string>) => {
    const health = healthFor(config.upstreams, running);
    return compile(config, { resources, generation, health, stickySecret, random, makeHandler: makeRouteHandler });
  };
  const plans = new PlanHolder(await compileFrom(loaded, 1, new Set()), dispose);
  const dataPlane = new WorkerPool({
    options,
    state,
    collector,
    metrics,
    plans,
    tlsProblems,
  });
  return {
    dataPlane,
    resources,
    metrics,
    random,
    tlsProblems,
    collector,
    compile: (next, { generation, upstreams }) => compileFrom(next, generation + 1, new Set(upstreams.keys())),
    compileMembers: (upstream, { features }) => {
      const health = healthFor([upstream], new Set([upstream.name]));
      return compileMembers(upstream, features, { resources, health, stickySecret, random });
    },
  };
}

function createTlsProblems({ clock, log, events }: SluiceOptions): TlsProblems {
  return new TlsProblems(() => clock.nowMs(), (backend, problem) => {
    if (problem === "") return log.info("backend_tls_restored", { backend });
    log.warn("backend_tls_refused", { backend, reason: problem });
    events.push("health", "tls_refused", `${backend}: ${problem}`);
  });
}

function onHealthChange(
  { options: { log, events }, metrics }: { options: SluiceOptions; metrics: Metrics },
  { upstream, backend, change }: { upstream: string; backend: string; change: HealthChange },
): void {
  metrics.healthChanged(upstream, backend, change);
  events.healthChanged(`${upstream}/${backend}`, change);
  const { from, to } = change;
  const details = { backend: `${upstream}/${backend}`, from, to, reason: describeReason(change.reason) };
  if (to !== "open") return log.info("backend_health", details);
  // What probes hold out has no time at which it ends.
  if (change.untilMs < 0) return log.warn("backend_health", details);
  log.warn("backend_health", { ...details, open_ms: Math.round(change.untilMs - change.atMs) });
}
