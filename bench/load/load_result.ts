/** What a load came to. */

export interface LoadResult {
  /** That were answered whole, with whatever status. */
  readonly requests: number;
  readonly seconds: number;
  /** That were read: bodies, and with some generators heads. */
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Requests that were not answered whole or not with 2xx. */
  readonly failed: number;
}

/** @param latenciesMs In any order; sorted here. */
export function loadResult(latenciesMs: number[], rest: Pick<LoadResult, "seconds" | "bytes" | "failed">): LoadResult {
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number) => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))];
  return { requests: latenciesMs.length, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), ...rest };
}

/** @param responseBytes Of each body. @returns What is wrong with it, or "". */
export function faultOf({ requests, bytes, failed }: LoadResult, responseBytes: number): string {
  if (failed > 0) return `${failed} requests were not answered whole with 2xx`;
  if (requests === 0) return "no request was answered";
  const wanted = requests * responseBytes;
  return bytes < wanted ? `bodies were short: ${bytes} bytes instead of ${wanted}` : "";
}
