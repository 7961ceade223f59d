/**
 * What the admin API says, as JSON: the one description that API, its OpenAPI document, dashboard and command line share.
 *
 * Times are RFC 3339 in UTC, durations end in their unit. Fields are added, never renamed: scripts read them.
 */

import { HEALTH_STATES } from "../health/reason.ts";
import { STANDING_NAMES } from "../health/group.ts";
import {
  choice,
  count,
  described,
  flag,
  list,
  nullable,
  number,
  type Shaped,
  Shapes,
  share,
  text,
  time,
} from "./shape.ts";

const shapes = new Shapes();
/** The schemas of all views, by name: for the description of the API. */
export const SCHEMAS = shapes.schemas;

const RELOAD = shapes.object("Reload", "", {
  at: time,
  ok: flag,
  trigger: described('"start", "file", "SIGHUP", "api".', text),
  problems: described("Why it was refused, a line each; empty when it was not.", list(text)),
});
export type ReloadView = Shaped<typeof RELOAD>;

const READINESS = shapes.object("Readiness", "", {
  ready: flag,
  reasons: described("For people; empty when ready.", list(text)),
});
export type ReadinessView = Shaped<typeof READINESS>;

const WORKER = shapes.object("Worker", "", {
  id: described("1 for the first; 0 stands for the process itself, when it serves without threads.", count),
  state: choice(["serving", "starting", "draining"]),
  restarts: count,
  exchanges: count,
});
export type WorkerView = Shaped<typeof WORKER>;

const LISTENER = shapes.object("Listener", "", {
  name: text,
  address: text,
  engine: choice(["serve", "wire"]),
  tls: flag,
  connections: described(
    "Open connections of clients; null where that is not known: with the engine serve.",
    nullable(count),
  ),
});
export type ListenerView = Shaped<typeof LISTENER>;

const TRAFFIC = shapes.object("Traffic", "Over the last seconds.", {
  requestsPerSecond: number,
  failuresPerSecond: described("Requests that were answered with 5xx or not at all.", number),
  p50Ms: number,
  p95Ms: number,
  p99Ms: number,
  inFlight: count,
  requestsTotal: described("Since the start.", count),
  cacheHitRate: described("A share, 0 to 1.", share),
  poolEfficiency: share,
  memoryBytes: count,
  cpuSeconds: number,
});
export type TrafficView = Shaped<typeof TRAFFIC>;

const OVERRIDE = shapes.object(
  "Override",
  "What an operator has set over the file; kept over reloads until it is cleared.",
  {
    command: nullable(choice(["drain", "disable"])),
    weight: nullable(count),
    since: time,
  },
);
export type OverrideView = Shaped<typeof OVERRIDE>;

const POOL = shapes.object("Pool", "", {
  active: count,
  idle: count,
  tunnels: described("They carry another protocol.", count),
  waiting: count,
  opened: described("Since the start.", count),
  reused: count,
});
export type PoolView = Shaped<typeof POOL>;

const BACKEND = shapes.object("Backend", "", {
  name: text,
  url: text,
  weight: count,
  configuredWeight: described("What the file says.", count),
  isBackup: flag,
  state: choice(HEALTH_STATES),
  standing: described("What its group makes of the state.", choice(STANDING_NAMES)),
  isEligible: flag,
  reason: described("For people: `connect_refused × 5 (traffic)`.", text),
  since: time,
  until: described("When the wait of `open` ends; null while it lasts until probes pass.", nullable(time)),
  probeFailures: described(
    "Probes that have failed in a row by now. From `health.fall` of them on the backend is out until probes pass.",
    count,
  ),
  tlsProblem: described('Why its TLS is refused, for people; "": it is not, as far as is known.', text),
  override: nullable(OVERRIDE),
  inFlight: count,
  latencyMs: described("Mean time to the response head over the last 10 s; 0: there was none.", number),
  pool: POOL,
  requestsPerSecond: number,
  share: described("Share of its upstream's requests, 0 to 1.", share),
  requestsTotal: count,
  failuresTotal: count,
});
export type BackendView = Shaped<typeof BACKEND>;

const UPSTREAM = shapes.object("Upstream", "", {
  name: text,
  strategy: text,
  isPanicking: flag,
  weightsIgnored: described(
    'Why weights other than 0 and 1 do nothing, with what to use instead; "": they count.',
    text,
  ),
  eligible: count,
  requestsPerSecond: number,
  backends: list(BACKEND),
});
export type UpstreamView = Shaped<typeof UPSTREAM>;

const STATUS = shapes.object("Status", "", {
  version: text,
  pid: count,
  startedAt: time,
  uptimeSeconds: number,
  generation: count,
  configPath: text,
  lastReload: RELOAD,
  plansAlive: described("Plans that some exchange still runs on, the current one included.", count),
  isDraining: flag,
  readiness: READINESS,
  logLevel: choice(["debug", "info", "warn", "error"]),
  workers: list(WORKER),
  listeners: list(LISTENER),
  traffic: TRAFFIC,
  upstreams: list(UPSTREAM),
});
export type StatusView = Shaped<typeof STATUS>;

const SAMPLE = shapes.object("Sample", "What plots are made of: a second of the last minutes.", {
  at: time,
  requestsPerSecond: number,
  failuresPerSecond: number,
  p50Ms: number,
  p95Ms: number,
  p99Ms: number,
  inFlight: count,
});
export type SampleView = Shaped<typeof SAMPLE>;

const ROUTE = shapes.object("Route", "", {
  name: text,
  host: text,
  path: text,
  methods: list(text),
  conditions: list(text),
  action: described('"upstream api", "redirect 308 to …", "respond 200".', text),
  requestsTotal: count,
  requestsPerSecond: number,
});
export type RouteView = Shaped<typeof ROUTE>;

const SETTING = shapes.object(
  "Setting",
  "One effective value of the configuration and where it came from. Secrets are masked.",
  {
    key: text,
    value: text,
    origin: text,
  },
);
export type SettingView = Shaped<typeof SETTING>;

const EVENT = shapes.object("Event", "", {
  id: described('Ascending, for "what is new since".', count),
  at: time,
  kind: choice(["error", "health", "reload", "admin", "worker"]),
  code: described("A stable name: an error code, a state, a command.", text),
  message: text,
});
export type EventView = Shaped<typeof EVENT>;

const CHANGE = shapes.object("Change", "", {
  kind: choice(["added", "removed", "changed"]),
  area: choice(["setting", "listener", "upstream", "backend", "route"]),
  name: described('"api/b1", "public", "server.drain".', text),
  detail: described("For people, one line.", text),
  inFlight: described("Exchanges that a removed backend still has, which end on the old plan; 0 elsewhere.", count),
});
export type ChangeView = Shaped<typeof CHANGE>;

const PLAN = shapes.object("Plan", "What a reload to another file would change.", {
  ok: described("The file is valid: what follows is what a reload would do.", flag),
  problems: list(text),
  changes: list(CHANGE),
  warnings: list(text),
  restartNeeded: described("What takes effect only at a restart.", list(text)),
});
export type PlanView = Shaped<typeof PLAN>;

const OUTCOME = shapes.object("Outcome", "Answer to a command.", {
  ok: flag,
  message: text,
  problems: list(text),
});
export type OutcomeView = Shaped<typeof OUTCOME>;

const EXPLANATION = shapes.object("Explanation", "", {
  lines: described("As `sluice explain` prints it, with the health of now.", list(text)),
  route: nullable(text),
});
export type ExplanationView = Shaped<typeof EXPLANATION>;
