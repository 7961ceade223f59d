/** What the control thread has compiled, as workers need it to compile the same. */

import type { ReportCollector } from "../../health/report_collector.ts";
import type { LoadedConfig } from "../../config/load.ts";
import type { Members, Plan } from "../../plan/types.ts";
import type { BoundListener } from "../serving/data_plane.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { judgedOf } from "../operator/judged.ts";
import type { MembersMessage, PlanMessage } from "./worker_messages.ts";

export interface MessageParts {
  readonly collector: ReportCollector;
  readonly metrics: Metrics;
}

export interface ListenerParts {
  readonly listeners: readonly BoundListener[];
  readonly listenerRows: PlanMessage["listenerRows"];
}

/** The members are those of now: what was replaced since the plan took over is in it. */
export function planMessage(
  { config, ...loaded }: LoadedConfig,
  plan: Plan,
  { collector, metrics, listeners, listenerRows }: MessageParts & ListenerParts,
): PlanMessage {
  const upstreams = [...plan.upstreams.values()];
  return {
    loaded: { ...loaded, config: { ...config, upstreams: upstreams.map(({ members }) => members.config) } },
    generation: plan.generation,
    backendRows: upstreams.flatMap(({ members }) => backendRows(members)),
    healthRows: upstreams.flatMap(({ members }) => healthRows(members, collector)),
    metricsRows: metrics.rows.all(),
    memories: upstreams.map((upstream) => judgedOf(upstream).group.memory),
    ports: listeners.filter(({ address }) => !address.startsWith("unix:"))
      .map(({ identity, address }) => [identity, Number(address.slice(address.lastIndexOf(":") + 1))]),
    listenerRows,
  };
}

export function membersMessage(members: Members, { collector, metrics }: MessageParts): MembersMessage {
  const { config } = members;
  return {
    config,
    backendRows: backendRows(members),
    healthRows: healthRows(members, collector),
    metricsRows: metrics.rows.assignments("backend").filter(({ labels }) => labels[0] === config.name),
    memory: judgedOf({ name: config.name, members }).group.memory,
  };
}

function backendRows({ held }: Members): PlanMessage["backendRows"] {
  return held.backends.map(({ identity, resource }) => [identity, resource.row]);
}

function healthRows({ held }: Members, collector: ReportCollector): PlanMessage["healthRows"] {
  return held.machines.map(({ identity, resource }) => [identity, collector.rowOf(resource)]);
}
