/** The shapes of views.ts as JSON schemas. Every field is required and no other is there: a test holds both to it. */

type Json = Readonly<Record<string, unknown>>;

const TEXT = { type: "string" };
const TIME = { type: "string", format: "date-time" };
const FLAG = { type: "boolean" };
const NUMBER = { type: "number", minimum: 0 };
const COUNT = { type: "integer", minimum: 0 };
const SHARE = { type: "number", minimum: 0, maximum: 1 };
const TEXTS = { type: "array", items: TEXT };

export const SCHEMAS: Json = {
  Status: object({
    version: TEXT,
    pid: COUNT,
    startedAt: TIME,
    uptimeSeconds: NUMBER,
    generation: COUNT,
    configPath: TEXT,
    lastReload: ref("Reload"),
    plansAlive: COUNT,
    isDraining: FLAG,
    readiness: ref("Readiness"),
    logLevel: oneOf("debug", "info", "warn", "error"),
    workers: list(ref("Worker")),
    listeners: list(ref("Listener")),
    traffic: ref("Traffic"),
    upstreams: list(ref("Upstream")),
  }),
  Reload: object({ at: TIME, ok: FLAG, trigger: TEXT, problems: TEXTS }),
  Readiness: object({ ready: FLAG, reasons: TEXTS }),
  Worker: object({ id: COUNT, state: oneOf("serving", "starting", "draining"), restarts: COUNT, exchanges: COUNT }),
  Listener: object({
    name: TEXT,
    address: TEXT,
    engine: oneOf("serve", "wire"),
    tls: FLAG,
    connections: { type: ["integer", "null"], minimum: 0 },
  }),
  Traffic: object({
    requestsPerSecond: NUMBER,
    failuresPerSecond: NUMBER,
    p50Ms: NUMBER,
    p95Ms: NUMBER,
    p99Ms: NUMBER,
    inFlight: COUNT,
    requestsTotal: COUNT,
    cacheHitRate: SHARE,
    poolEfficiency: SHARE,
    memoryBytes: COUNT,
    cpuSeconds: NUMBER,
  }),
  Sample: object({
    at: TIME,
    requestsPerSecond: NUMBER,
    failuresPerSecond: NUMBER,
    p50Ms: NUMBER,
    p95Ms: NUMBER,
    p99Ms: NUMBER,
    inFlight: COUNT,
  }),
  Upstream: object({
    name: TEXT,
    strategy: TEXT,
    isPanicking: FLAG,
    weightsIgnored: TEXT,
    eligible: COUNT,
    requestsPerSecond: NUMBER,
    backends: list(ref("Backend")),
  }),
  Backend: object({
    name: TEXT,
    url: TEXT,
    weight: COUNT,
    configuredWeight: COUNT,
    isBackup: FLAG,
    state: oneOf("healthy", "slow_start", "open", "probation", "draining", "disabled"),
    standing: oneOf("out", "proven", "ejected", "spared", "panic"),
    isEligible: FLAG,
    reason: TEXT,
    since: TIME,
    until: { type: ["string", "null"], format: "date-time" },
    override: { oneOf: [ref("Override"), { type: "null" }] },
    inFlight: COUNT,
    latencyMs: NUMBER,
    pool: ref("Pool"),
    requestsPerSecond: NUMBER,
    share: SHARE,
    requestsTotal: COUNT,
    failuresTotal: COUNT,
    probeFailures: COUNT,
  }),
  Override: object({
    command: { enum: ["drain", "disable", null] },
    weight: { type: ["integer", "null"] },
    since: TIME,
  }),
  Pool: object({ active: COUNT, idle: COUNT, tunnels: COUNT, waiting: COUNT, opened: COUNT, reused: COUNT }),
  Route: object({
    name: TEXT,
    host: TEXT,
    path: TEXT,
    methods: TEXTS,
    conditions: TEXTS,
    action: TEXT,
    requestsTotal: COUNT,
    requestsPerSecond: NUMBER,
  }),
  Setting: object({ key: TEXT, value: TEXT, origin: TEXT }),
  Event: object({
    id: COUNT,
    at: TIME,
    kind: oneOf("error", "health", "reload", "admin", "worker"),
    code: TEXT,
    message: TEXT,
  }),
  Plan: object({
    ok: FLAG,
    problems: TEXTS,
    changes: list(ref("Change")),
    warnings: TEXTS,
    restartNeeded: TEXTS,
  }),
  Change: object({
    kind: oneOf("added", "removed", "changed"),
    area: oneOf("setting", "listener", "upstream", "backend", "route"),
    name: TEXT,
    detail: TEXT,
    inFlight: COUNT,
  }),
  Outcome: object({ ok: FLAG, message: TEXT, problems: TEXTS }),
  Explanation: object({ lines: TEXTS, route: { type: ["string", "null"] } }),
};

function object(properties: Json): Json {
  return { type: "object", required: Object.keys(properties), properties, additionalProperties: false };
}

function list(items: Json): Json {
  return { type: "array", items };
}

function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function oneOf(...values: readonly string[]): Json {
  return { enum: values };
}
