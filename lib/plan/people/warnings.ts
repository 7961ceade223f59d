/** What is valid in a configuration, probably not meant, and not told by its validation. */

import type { Config, UpstreamConfig } from "../../config/types.ts";
import type { PlanChange } from "./plan_change.ts";

/** RFC 9110 §9.2.2, and those defined by WebDAV to be. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"],
  ...["PROPFIND", "SEARCH", "REPORT", "MKCOL", "COPY", "MOVE", "UNLOCK"],
]);
/** Retries as a share of requests, beyond which they load a failing upstream more than they help. */
const BUDGET_OF_NOTE = 0.5;
/** Percent; from here on one backend out of two makes the group ignore health. */
const PANIC_OF_NOTE = 51;

/** @param changes Of the upstreams, with what is in flight on backends that go. */
export function planWarnings(running: Config, next: Config, changes: readonly PlanChange[]): readonly string[] {
  const warnings: string[] = [];
  for (const upstream of next.upstreams) {
    const current = running.upstreams.find(({ name }) => name === upstream.name);
    const warn = (key: string, message: string) => warnings.push(`upstreams.${upstream.name}.${key}: ${message}`);
    warnOfRetries(upstream, warn);
    warnOfHealth(upstream, warn);
    warnOfBackends(upstream, current, warn);
    warnOfSticky(upstream, current, warn);
  }
  for (const { kind, area, name, inFlight } of changes) {
    if (kind !== "removed" || area !== "backend" || inFlight === 0) continue;
    warnings.push(
      `${name} goes with ${inFlight} in flight, which end on the old plan; "sluice drain ${name} --wait" empties it first`,
    );
  }
  return warnings;
}

type Warn = (key: string, message: string) => void;

function warnOfRetries({ retry }: UpstreamConfig, warn: Warn): void {
  if (retry.attempts <= 1) return;
  const unsafe = retry.methods.filter((method) => !IDEMPOTENT.has(method));
  if (unsafe.length > 0) {
    const verb = unsafe.length === 1 ? "is" : "are";
    warn("retry.methods", `${unsafe.join(", ")} ${verb} not idempotent: a retry may do twice what was asked for once`);
  }
  const repeatsAnswered = retry.on.timeout || retry.on.statuses.length > 0;
  if (retry.budget === 0) {
    warn("retry.budget", `is 0: no retry is ever made, whatever attempts = ${retry.attempts} says`);
  } else if (repeatsAnswered && retry.budget > BUDGET_OF_NOTE) {
    warn(
      "retry.budget",
      `${retry.budget} hardly bounds retries on timeouts and statuses: an outage multiplies the load`,
    );
  }
}

function warnOfHealth({ health, circuit, panicThresholdPercent, backends }: UpstreamConfig, warn: Warn): void {
  if (health !== null && health.timeoutMs >= health.intervalMs) {
    warn("health.timeout", "is as long as the interval: a probe may still run when the next is due");
  }
  if (panicThresholdPercent >= PANIC_OF_NOTE) {
    warn(
      "panic_threshold",
      `at ${panicThresholdPercent} percent, traffic goes to failing backends while half are well`,
    );
  }
  if (health === null && circuit.failures === 0 && circuit.errorRate === 0 && backends.length > 1) {
    warn("circuit", "is off and there are no probes: a dead backend goes on getting its share");
  }
}

function warnOfBackends(upstream: UpstreamConfig, current: UpstreamConfig | undefined, warn: Warn): void {
  const { backends, circuit } = upstream;
  const taking = takingTraffic(upstream);
  const before = current === undefined ? -1 : takingTraffic(current).length;
  const hasCircuit = circuit.failures > 0 || circuit.errorRate > 0;
  if (taking.length === 1 && hasCircuit && before !== 1) {
    warn("backends", `${taking[0].name} alone takes traffic: while its circuit is open, requests get 503`);
  }
  const primaries = backends.filter(({ backup }) => !backup);
  if (primaries.length > 0 && primaries.every(({ weight }) => weight === 0)) {
    warn("backends", "only backups have a weight above 0: they take all traffic");
  }
}

function warnOfSticky(upstream: UpstreamConfig, current: UpstreamConfig | undefined, warn: Warn): void {
  if (upstream.strategy !== "sticky") return;
  const { secret, cookie } = upstream.sticky;
  if (secret === "") warn("sticky.secret", "is not set: cookies end with a restart, and hold for one instance only");
  if (current?.strategy !== "sticky") return;
  if (current.sticky.secret !== secret || current.sticky.cookie !== cookie) {
    warn("sticky", "cookies that clients have are void: each may get another backend");
  }
}

function takingTraffic({ backends }: UpstreamConfig): UpstreamConfig["backends"] {
  return backends.filter(({ weight }) => weight > 0);
}
