/** As many requests as go through: each connection sends its next one when its response is whole. */

import type { Scheme } from "../contender.ts";
import type { Load } from "../generator.ts";
import { faultOf } from "../load_result.ts";
import { prove } from "../proof.ts";
import type { Shape } from "../shapes.ts";
import { type Column, COLUMNS, MIB, startProxy, type Values, type Workload } from "../workload.ts";

export interface ClosedLoop {
  readonly name: string;
  readonly title: string;
  readonly shape: Shape;
  /** At most; default: as many as the bench was told. */
  readonly connections?: number;
  /** Default: "http", both. */
  readonly downstream?: Scheme;
  readonly upstream?: Scheme;
  readonly http2?: boolean;
  /** A new connection for each request. */
  readonly isFresh?: boolean;
  /** Bodies so large that what is counted is not requests but MiB. */
  readonly isBulk?: boolean;
  /** Default: all that are asked for. */
  readonly contenders?: Workload["contenders"];
}

const { cpuPerRequest, cpuPerMiB, requestsPerSecond, mibPerSecond, p50, p95, p99, peakMiB, backendConnections } =
  COLUMNS;
const REQUESTS: readonly Column[] = [cpuPerRequest, requestsPerSecond, p50, p95, p99, peakMiB, backendConnections];
const BULK: readonly Column[] = [cpuPerMiB, mibPerSecond, p50, peakMiB, backendConnections];

export function closedLoop(options: ClosedLoop): Workload {
  const { name, title, shape, connections = Infinity, isFresh = false, isBulk = false, http2 = false } = options;
  const { downstream = "http", upstream = "http" } = options;
  return {
    name,
    title,
    columns: isBulk ? BULK : REQUESTS,
    contenders: options.contenders ?? ((all) => http2 ? all.filter((contender) => contender.http2) : all),
    missing: (generators) => generators[downstream] === null ? "h2load is not installed" : "",
    async measure(contender, stage): Promise<Values> {
      const { backend, warmup, seconds } = stage;
      const run = stage.generators[downstream]!;
      await using proxy = await startProxy(contender, stage, { downstream, upstream });
      const load: Load = {
        address: proxy.address,
        scheme: downstream,
        http2,
        shape,
        seconds,
        connections: Math.min(connections, stage.connections),
        isFresh,
      };
      await prove(load, backend.certificates);
      if (warmup > 0) await run({ ...load, seconds: warmup });
      const acceptedBefore = await backend.accepted();
      const cpuBefore = proxy.cpuMicros();
      const result = await run(load);
      const cpuMicros = proxy.cpuMicros() - cpuBefore;
      const accepted = await backend.accepted();
      const fault = faultOf(result, shape.responseBytes);
      if (fault !== "") throw new Error(fault);
      return {
        cpuMicrosPerRequest: cpuMicros / result.requests,
        cpuMicrosPerMiB: cpuMicros / (result.bytes / MIB),
        requestsPerSecond: result.requests / result.seconds,
        mibPerSecond: result.bytes / MIB / result.seconds,
        p50Ms: result.p50Ms,
        p95Ms: result.p95Ms,
        p99Ms: result.p99Ms,
        peakMiB: proxy.peakRssBytes() / MIB,
        backendConnections: accepted === null || acceptedBefore === null ? NaN : accepted - acceptedBefore,
      };
    },
  };
}
