/** What `sluice status` prints: a few lines about the process, then a table of backends. Pure. */

import type { BackendView, StatusView, UpstreamView } from "../../admin/views.ts";
import type { Style } from "./style.ts";
import { type Cell, type Column, tableLines } from "./table.ts";

export interface StatusOptions {
  readonly style: Style;
  /** Columns of the terminal; `Infinity` for none. */
  readonly width: number;
  /** Since 1970, ms. */
  readonly nowMs: number;
}

const COLUMNS: readonly Column[] = [
  { title: "UPSTREAM", cutTo: 8 },
  { title: "BACKEND", cutTo: 8 },
  { title: "STATE", cutTo: 20 },
  { title: "FOR", isNumber: true, expendable: 4 },
  { title: "WEIGHT", isNumber: true, expendable: 5 },
  { title: "IN FLIGHT", isNumber: true },
  { title: "REQ/S", isNumber: true, expendable: 1 },
  { title: "SHARE", isNumber: true, expendable: 3 },
  { title: "LATENCY", isNumber: true, expendable: 2 },
  { title: "POOL", expendable: 6 },
];

export function statusLines(status: StatusView, options: StatusOptions): readonly string[] {
  const rows = status.upstreams.flatMap((upstream) => upstream.backends.map((each) => rowOf(upstream, each, options)));
  const panics = status.upstreams.filter(({ isPanicking }) => isPanicking).map(({ name }) =>
    options.style.red(`${name}: so many backends are out that health is ignored`)
  );
  const table = rows.length === 0 ? ["no backends"] : tableLines(COLUMNS, rows, options);
  return [...headLines(status, options), "", ...table, ...panics];
}

/** Whether an operator has to look: not ready, or a backend out that nobody took out. */
export function isAllWell({ readiness, upstreams }: StatusView): boolean {
  return readiness.ready &&
    upstreams.every(({ backends }) => backends.every((backend) => backend.isEligible || isTakenOut(backend)));
}

function isTakenOut({ state, weight }: BackendView): boolean {
  return state === "draining" || state === "disabled" || weight === 0;
}

function headLines(status: StatusView, { style, nowMs }: StatusOptions): string[] {
  const { readiness, lastReload, traffic, workers } = status;
  const ready = status.isDraining
    ? style.yellow("draining")
    : readiness.ready
    ? style.green("ready")
    : style.red("not ready");
  const threads = workers.length > 1 ? `, ${workers.length} workers` : "";
  const lines = [
    `${style.bold(`sluice ${status.version}`)}  ${ready}, up ${spanText(status.uptimeSeconds)}, ` +
    `pid ${status.pid}${threads}`,
    ...readiness.reasons.map((reason) => style.red(`  ${reason}`)),
    `generation ${status.generation} of ${status.configPath}${
      status.plansAlive > 1 ? `, ${status.plansAlive} plans alive` : ""
    }`,
  ];
  if (lastReload.trigger !== "start" || !lastReload.ok) {
    const ago = `${spanText((nowMs - Date.parse(lastReload.at)) / 1000)} ago`;
    lines.push(
      lastReload.ok
        ? `last reload ${ago} (${lastReload.trigger})`
        : style.red(`last reload ${ago} (${lastReload.trigger}) refused:`),
      ...lastReload.problems.map((problem) => style.red(`  ${problem}`)),
    );
  }
  const failures = `${rateText(traffic.failuresPerSecond)} failed/s`;
  lines.push(
    `${rateText(traffic.requestsPerSecond)} req/s, ` +
      `${traffic.failuresPerSecond > 0 ? style.red(failures) : failures}, ${traffic.inFlight} in flight, ` +
      `p50 ${msText(traffic.p50Ms)}, p95 ${msText(traffic.p95Ms)}, p99 ${msText(traffic.p99Ms)}`,
  );
  return lines;
}

function rowOf(upstream: UpstreamView, backend: BackendView, { nowMs }: StatusOptions): readonly Cell[] {
  const { pool } = backend;
  const tunnels = pool.tunnels > 0 ? `, ${pool.tunnels} tunnels` : "";
  const waiting = pool.waiting > 0 ? `, ${pool.waiting} waiting` : "";
  return [
    { text: upstream.name },
    { text: backend.isBackup ? `${backend.name} (backup)` : backend.name },
    stateCell(backend, nowMs),
    { text: spanText((nowMs - Date.parse(backend.since)) / 1000) },
    { text: weightText(backend) },
    { text: String(backend.inFlight) },
    { text: rateText(backend.requestsPerSecond) },
    { text: `${Math.round(backend.share * 100)} %` },
    { text: backend.latencyMs === 0 ? "-" : msText(backend.latencyMs) },
    { text: `${pool.active} active, ${pool.idle} idle${tunnels}${waiting}` },
  ];
}

function stateCell(backend: BackendView, nowMs: number): Cell {
  const { state, standing, isEligible, weight, tlsProblem } = backend;
  const reason = tlsProblem === "" ? backend.reason : `${backend.reason}: ${tlsProblem}`;
  switch (state) {
    case "healthy":
      if (tlsProblem !== "") return { text: `healthy, but TLS was refused: ${tlsProblem}`, style: "yellow" };
      return weight === 0 ? { text: "weight 0", style: "yellow" } : { text: "healthy", style: "green" };
    case "slow_start":
      return { text: "ramping up", style: "yellow" };
    case "draining":
    case "disabled":
      return { text: state, style: "yellow" };
    case "probation":
      return { text: `probation: ${reason}`, style: "yellow" };
    case "open": {
      const wait = waitText(backend, nowMs);
      const used = isEligible ? `, used all the same (${standing})` : "";
      return { text: `open: ${reason}${wait}${used}`, style: "red" };
    }
  }
}

/** What probes hold out has no time at which it ends. */
function waitText({ until }: BackendView, nowMs: number): string {
  return until === null ? ", until probes pass" : `, ${spanText((Date.parse(until) - nowMs) / 1000)} more`;
}

/** With what the file says, where an operator has set another. */
function weightText({ weight, configuredWeight }: BackendView): string {
  return weight === configuredWeight ? String(weight) : `${weight} (file: ${configuredWeight})`;
}

/** In the two largest units: `5s`, `3m 20s`, `2d 4h`. */
export function spanText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (!Number.isFinite(whole)) return "-";
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${Math.floor(whole % 3600 / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor(whole % 86_400 / 3600)}h`;
}

function rateText(rate: number): string {
  return rate >= 10 || rate === 0 ? String(Math.round(rate)) : rate.toFixed(1);
}

function msText(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 10 || ms === 0 ? Math.round(ms) : ms.toFixed(1)} ms`;
}
