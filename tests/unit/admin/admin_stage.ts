/** An operator that only remembers what it was asked, and requests to an app in front of it. */

import { Access } from "../../../lib/admin/access.ts";
import { type AdminApp, createAdminApp } from "../../../lib/admin/app.ts";
import type { BackendCommand, Operator } from "../../../lib/admin/operator.ts";
import type {
  BackendView,
  EventView,
  ExplanationView,
  OutcomeView,
  PlanView,
  ReadinessView,
  RouteView,
  SampleView,
  SettingView,
  StatusView,
  UpstreamView,
} from "../../../lib/admin/views.ts";
import { parseListenAddress } from "../../../lib/base/address.ts";

export const AT = "2026-01-02T03:04:05.000Z";

export function backendView(name: string, more: Partial<BackendView> = {}): BackendView {
  return {
    name,
    url: `http://10.0.0.1:8080`,
    weight: 1,
    configuredWeight: 1,
    isBackup: false,
    state: "healthy",
    tlsProblem: "",
    standing: "proven",
    isEligible: true,
    reason: "join (join)",
    since: AT,
    until: null,
    override: null,
    inFlight: 2,
    latencyMs: 12.5,
    pool: { active: 2, idle: 3, tunnels: 0, waiting: 0, opened: 9, reused: 91 },
    requestsPerSecond: 10,
    share: 0.5,
    requestsTotal: 100,
    failuresTotal: 1,
    probeFailures: 0,
    ...more,
  };
}

export class FakeOperator implements Operator {
  readonly calls: string[] = [];
  ready: ReadinessView = { ready: true, reasons: [] };
  refusal = "";
  events: EventView[] = [];
  readonly #listeners = new Set<(event: EventView) => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  status(): StatusView {
    return {
      version: "0.0.0",
      pid: 1,
      startedAt: AT,
      uptimeSeconds: 60,
      generation: 3,
      configPath: "/etc/sluice/config.toml",
      lastReload: { at: AT, ok: true, trigger: "start", problems: [] },
      plansAlive: 1,
      isDraining: false,
      readiness: this.ready,
      logLevel: "info",
      workers: [{ id: 0, state: "serving", restarts: 0, exchanges: 4 }],
      listeners: [{ name: "public", address: "0.0.0.0:8080", engine: "serve", tls: false, connections: null }],
      traffic: {
        requestsPerSecond: 20,
        failuresPerSecond: 0.5,
        p50Ms: 3,
        p95Ms: 9,
        p99Ms: 20.5,
        inFlight: 4,
        requestsTotal: 200,
        cacheHitRate: 0.9,
        poolEfficiency: 0.95,
        memoryBytes: 64e6,
        cpuSeconds: 1.5,
      },
      upstreams: this.upstreams(),
    };
  }

  upstreams(): readonly UpstreamView[] {
    const out = backendView("10.0.0.2:80/a b", {
      state: "open",
      standing: "ejected",
      isEligible: false,
      until: AT,
      override: { command: null, weight: 3, since: AT },
    });
    return [{
      name: "api",
      strategy: "round_robin",
      isPanicking: false,
      weightsIgnored: "",
      eligible: 1,
      requestsPerSecond: 20,
      backends: [backendView("b1"), out],
    }];
  }

  routes(): readonly RouteView[] {
    return [{
      name: "all",
      host: "",
      path: "/*",
      methods: [],
      conditions: [],
      action: "upstream api",
      requestsTotal: 200,
      requestsPerSecond: 20,
    }];
  }

  settings(): readonly SettingView[] {
    return [{ key: "admin.token", value: '"***"', origin: "config.toml:3" }];
  }

  history(): readonly SampleView[] {
    return [{ at: AT, requestsPerSecond: 20, failuresPerSecond: 0, p50Ms: 3, p95Ms: 9, p99Ms: 20, inFlight: 4 }];
  }

  readiness(): ReadinessView {
    return this.ready;
  }

  metrics(): string {
    return "lb_throughput_rps 20\n";
  }

  eventsSince(id: number): readonly EventView[] {
    return this.events.filter((event) => event.id > id);
  }

  onEvent(listener: (event: EventView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(code: string): void {
    const event: EventView = { id: this.events.length + 1, at: AT, kind: "error", code, message: `${code} happened` };
    this.events.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  command(upstream: string, backend: string, command: BackendCommand): Promise<OutcomeView> {
    return Promise.resolve(this.#outcome(`${command} ${upstream} ${backend}`));
  }

  setWeight(upstream: string, backend: string, weight: number | null): Promise<OutcomeView> {
    return Promise.resolve(this.#outcome(`weight ${upstream} ${backend} ${weight}`));
  }

  setLogLevel(level: string): OutcomeView {
    return this.#outcome(`log ${level}`);
  }

  reload(): Promise<OutcomeView> {
    return Promise.resolve(this.#outcome("reload"));
  }

  plan(text: string): Promise<PlanView> {
    this.#outcome(`plan ${text}`);
    const change = {
      kind: "changed",
      area: "setting",
      name: "server.drain",
      detail: "30s to 10s",
      inFlight: 0,
    } as const;
    return Promise.resolve({ ok: true, problems: [], changes: [change], warnings: [], restartNeeded: [] });
  }

  explain(method: string, url: string, fields: ReadonlyArray<readonly [string, string]>): Promise<ExplanationView> {
    this.#outcome(`explain ${method} ${url} ${JSON.stringify(fields)}`);
    return Promise.resolve({ lines: ["route all"], route: "all" });
  }

  restartWorker(id: number): Promise<OutcomeView> {
    return Promise.resolve(this.#outcome(`restart ${id}`));
  }

  #outcome(call: string): OutcomeView {
    this.calls.push(call);
    return this.refusal === ""
      ? { ok: true, message: "done", problems: [] }
      : { ok: false, message: this.refusal, problems: ["config.toml:1: wrong"] };
  }
}

export interface AdminStage {
  readonly operator: FakeOperator;
  readonly app: AdminApp;
  /** @param request "POST /api/reload". */
  ask(request: string, init?: { headers?: Readonly<Record<string, string>>; body?: string }): Promise<Response>;
  readonly bugs: unknown[];
}

export async function adminStage({ address = "127.0.0.1:9900", token = "" } = {}): Promise<AdminStage> {
  const operator = new FakeOperator();
  const bugs: unknown[] = [];
  const access = await Access.create({ token, address: parseListenAddress(address) });
  const app = createAdminApp({ operator, access, onBug: (error) => bugs.push(error) });
  return {
    operator,
    app,
    bugs,
    ask: async (request, { headers = {}, body } = {}) => {
      const [method, path] = request.split(" ");
      const init = { method, headers: { host: "127.0.0.1:9900", ...headers }, ...(body === undefined ? {} : { body }) };
      return await app.fetch(new Request(`http://127.0.0.1:9900${path}`, init));
    },
  };
}

export const JSON_TYPE = { "content-type": "application/json" };
