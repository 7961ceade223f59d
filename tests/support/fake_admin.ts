/** An admin API as commands see it: it answers with what a test wants, and keeps what it was asked. */

import type { BackendView, StatusView, UpstreamView } from "../../lib/admin/views.ts";

export interface AskedRequest {
  /** `POST /api/reload`, the path as it came. */
  readonly line: string;
  readonly fields: Headers;
  readonly body: string;
}

export interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

/** By request line, without the method for GET: `/api/status`, `POST /api/reload`. */
export type Answers = Readonly<Record<string, Answer | ((asked: AskedRequest) => Answer)>>;

export class FakeAdmin {
  readonly asked: AskedRequest[] = [];
  /** For `--admin`. */
  readonly address: string;
  readonly #http: Deno.HttpServer;

  /** @param path Of a Unix socket; default: a port of this machine. */
  constructor(answers: Answers, { token = "", path = "" }: { token?: string; path?: string } = {}) {
    const handler = async (request: Request) => {
      const target = request.url.replace(/^[a-z+]+:\/\/[^/]*/, "");
      const asked = { line: `${request.method} ${target}`, fields: request.headers, body: await request.text() };
      this.asked.push(asked);
      if (token !== "" && request.headers.get("authorization") !== `Bearer ${token}`) {
        return Response.json({ message: "unauthorized" }, { status: 401 });
      }
      const answer = answers[asked.line] ?? answers[asked.line.replace(/^GET /, "")];
      if (answer === undefined) return Response.json({ message: "no such path" }, { status: 404 });
      const { status = 200, body } = typeof answer === "function" ? answer(asked) : answer;
      return typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status });
    };
    const onListen = () => {};
    if (path !== "") {
      this.#http = Deno.serve({ path, onListen }, handler);
      this.address = `unix:${path}`;
    } else {
      const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, handler);
      this.#http = http;
      this.address = `127.0.0.1:${http.addr.port}`;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.shutdown();
  }
}

export function backendView(name: string, changes: Partial<BackendView> = {}): BackendView {
  return {
    name,
    url: `http://127.0.0.1/${name}`,
    weight: 1,
    configuredWeight: 1,
    isBackup: false,
    state: "healthy",
    standing: "proven",
    isEligible: true,
    reason: "join (join)",
    since: "2026-01-01T00:00:00Z",
    until: null,
    override: null,
    inFlight: 0,
    latencyMs: 1.5,
    pool: { active: 0, idle: 2, tunnels: 0, waiting: 0, opened: 2, reused: 100 },
    requestsPerSecond: 10,
    share: 0.5,
    requestsTotal: 100,
    failuresTotal: 0,
    probeFailures: 0,
    tlsProblem: "",
    ...changes,
  };
}

export function upstreamView(name: string, backends: readonly BackendView[]): UpstreamView {
  const eligible = backends.filter(({ isEligible }) => isEligible).length;
  return {
    name,
    strategy: "least_connections",
    isPanicking: false,
    weightsIgnored: "",
    eligible,
    requestsPerSecond: 20,
    backends,
  };
}

export function statusView(upstreams: readonly UpstreamView[], changes: Partial<StatusView> = {}): StatusView {
  return {
    version: "0.1.0",
    pid: 4242,
    startedAt: "2026-01-01T00:00:00Z",
    uptimeSeconds: 3725,
    generation: 7,
    configPath: "/etc/sluice/config.toml",
    lastReload: { at: "2026-01-01T00:00:00Z", ok: true, trigger: "file", problems: [] },
    plansAlive: 1,
    isDraining: false,
    readiness: { ready: true, reasons: [] },
    logLevel: "info",
    workers: [{ id: 0, state: "serving", restarts: 0, exchanges: 3 }],
    listeners: [{ name: "public", address: "127.0.0.1:8080", engine: "serve", tls: false, connections: null }],
    traffic: {
      requestsPerSecond: 20,
      failuresPerSecond: 0.5,
      p50Ms: 1.2,
      p95Ms: 20,
      p99Ms: 1500,
      inFlight: 3,
      requestsTotal: 1000,
      cacheHitRate: 0.99,
      poolEfficiency: 0.98,
      memoryBytes: 50_000_000,
      cpuSeconds: 1.5,
    },
    upstreams,
    ...changes,
  };
}
