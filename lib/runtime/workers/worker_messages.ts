/** What the control thread and a worker say to each other. Plain data; health and numbers go through shared memory. */

import type { HealthReport } from "../../health/report.ts";
import type { GroupMemory } from "../../health/group_memory.ts";
import type { LoadedConfig } from "../../config/load.ts";
import type { UpstreamConfig } from "../../config/types.ts";
import type { RowAssignment } from "../../observe/metrics/rows.ts";
import type { ErrorCount } from "../telemetry/error_tally.ts";
import type { BoundListener } from "../serving/data_plane.ts";

/** A plan as a worker needs it to compile the same one. */
export interface PlanMessage {
  /** With the members of now. */
  readonly loaded: LoadedConfig;
  readonly generation: number;
  /** By connection identity. */
  readonly backendRows: ReadonlyArray<readonly [identity: string, row: number]>;
  /** By health identity. */
  readonly healthRows: ReadonlyArray<readonly [identity: string, row: number]>;
  readonly metricsRows: readonly RowAssignment[];
  /** Where the health groups of the plan write, in the order of the upstreams. */
  readonly memories: readonly GroupMemory[];
  /** Ports that were found for listeners on port 0. */
  readonly ports: ReadonlyArray<readonly [identity: string, port: number]>;
  /** Where connections are counted. */
  readonly listenerRows: ReadonlyArray<readonly [identity: string, row: number]>;
}

/** Members as a worker needs them to compile the same ones. */
export interface MembersMessage {
  /** Of the upstream that they are for. */
  readonly config: UpstreamConfig;
  readonly backendRows: PlanMessage["backendRows"];
  readonly healthRows: PlanMessage["healthRows"];
  readonly metricsRows: readonly RowAssignment[];
  readonly memory: GroupMemory;
}

export interface WorkerSetup {
  readonly id: number;
  /** Where in shared memory it writes. */
  readonly region: number;
  readonly workers: number;
  /** The path of the file, which may be read. */
  readonly configPath: string;
  readonly shared: SharedArrayBuffer;
  /** Where it counts. */
  readonly block: SharedArrayBuffer;
  readonly seed: number;
  /** A seed that is the same for all workers. */
  readonly commonSeed: number;
  readonly stickySecret: string;
  /** `performance.timeOrigin` of the control thread, whose clock counts. */
  readonly timeOriginMs: number;
}

export type ToWorker =
  | { readonly kind: "setup"; readonly setup: WorkerSetup }
  /** @param change Ascends with what a worker is asked to prepare. */
  | { readonly kind: "prepare"; readonly change: number; readonly plan: PlanMessage }
  | { readonly kind: "prepare_members"; readonly change: number; readonly members: MembersMessage }
  | { readonly kind: "commit"; readonly change: number }
  | { readonly kind: "undo" }
  | { readonly kind: "log_level"; readonly level: LoadedConfig["config"]["log"]["level"] }
  /** @param problem Why the lines could not be written; "" when they were. */
  | { readonly kind: "written"; readonly problem: string }
  | { readonly kind: "shutdown"; readonly drainMs: number };

export type FromWorker =
  | { readonly kind: "prepared"; readonly listeners: readonly BoundListener[] }
  | { readonly kind: "refused"; readonly problems: readonly string[] }
  | { readonly kind: "committed" }
  /** The last exchange of an old plan has ended. @param change The one that brought the plan. */
  | { readonly kind: "freed"; readonly change: number }
  /** The last exchange on members that were replaced has ended. @param change The one that replaced them. */
  | { readonly kind: "freed_members"; readonly change: number }
  /** Lines for stdout, which is the control thread's to write to. Answered by `written`. */
  | { readonly kind: "lines"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** One that did not fit into the ring. */
  | { readonly kind: "report"; readonly report: HealthReport }
  /** About once a second, when there were any. */
  | { readonly kind: "errors"; readonly counts: readonly ErrorCount[] }
  /** TLS to a backend is refused; "": no more. */
  | { readonly kind: "tls"; readonly backend: string; readonly problem: string }
  /** What cannot fail has failed: it does not know any more what it serves. */
  | { readonly kind: "broken"; readonly reason: string }
  | { readonly kind: "drained"; readonly cut: number };
