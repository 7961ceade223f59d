/**
 * The admin API and the dashboard, as one function from request to response. The only importer of Hono.
 *
 * Every answer that is no view is an `OutcomeView`, also when it is an error: whoever talks to the API reads one shape.
 */

import { type Context, Hono } from "hono";
import { CONFIG_LENGTH_MAX } from "../config/defaults.ts";
import type { Access } from "./access.ts";
import { type Asset, ASSETS, PAGE } from "./assets.ts";
import { LiveFeed } from "./live_feed.ts";
import { OPENAPI } from "./openapi.ts";
import { PROMETHEUS_CONTENT_TYPE } from "../observe/metrics/prometheus_text.ts";
import type { BackendCommand, Operator } from "./operator.ts";
import { BodyError, readObject, readText } from "./request_body.ts";
import type { OutcomeView, ReadinessView } from "./views.ts";

const JSON_BYTES_MAX = 64 * 1024;
const WEIGHT_MAX = 65_535;
const LEVELS: ReadonlySet<string> = new Set(["debug", "info", "warn", "error"]);
const COMMANDS: readonly BackendCommand[] = ["drain", "disable", "enable"];

const SECURITY_FIELDS: ReadonlyArray<readonly [name: string, value: string]> = [
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["cache-control", "no-store"],
  ["x-frame-options", "DENY"],
  ["cross-origin-resource-policy", "same-origin"],
  ["cross-origin-opener-policy", "same-origin"],
  [
    "content-security-policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  ],
];

export interface AdminAppParts {
  readonly operator: Operator;
  readonly access: Access;
  /** Told of what should never happen. */
  readonly onBug: (error: unknown) => void;
}

export interface AdminApp {
  fetch(request: Request): Response | Promise<Response>;
  /** "GET /api/status", …: what there is. */
  readonly routes: readonly string[];
  /** Ends the streams, which would go on for ever. */
  close(): void;
}

export function createAdminApp({ operator, access, onBug }: AdminAppParts): AdminApp {
  const app = new Hono();
  const feed = new LiveFeed(operator);

  app.use(async (context, next) => {
    const denial = await access.judge(context.req.raw);
    if (denial === null) await next();
    else {
      context.res = answer(context, denial.status, refusal(denial.message));
      if (denial.status === 401) context.res.headers.set("www-authenticate", "Bearer");
    }
    for (const [name, value] of SECURITY_FIELDS) context.res.headers.set(name, value);
  });
  app.onError((error, context) => {
    if (error instanceof BodyError) return answer(context, error.status, refusal(error.message));
    onBug(error);
    return answer(context, 500, refusal("internal error; the log says more"));
  });
  app.notFound((context) => {
    const allowed = methodsAt(app, context.req.path);
    const isKnown = allowed.length > 0 && !allowed.includes(context.req.method);
    if (!isKnown) return answer(context, 404, refusal("no such path; /api/openapi.json lists them"));
    const response = answer(context, 405, refusal(`${context.req.path} takes ${allowed.join(", ")}`));
    response.headers.set("allow", allowed.join(", "));
    return response;
  });

  addPages(app, operator, access);
  addViews(app, operator, feed);
  addCommands(app, operator);

  return {
    fetch: (request) => {
      if (!URL.canParse(request.url)) return malformed();
      return request.method === "HEAD" ? answerHead(app, request) : app.fetch(request);
    },
    routes: app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`),
    close: () => feed.close(),
  };
}

/** Deno glues a request's URL together from what came. What all else here takes for granted is that it is one. */
function malformed(): Response {
  const body = JSON.stringify(refusal("the Host or the target of the request is none"));
  return new Response(body, {
    status: 400,
    headers: [["content-type", "application/json"], ...SECURITY_FIELDS].map(([name, value]) => [name, value]),
  });
}

/** As GET, with the length that GET would have. Hono would drop the body unread: streams would stay open behind it. */
async function answerHead(app: Hono, request: Request): Promise<Response> {
  const { status, headers, body } = await app.fetch(new Request(request, { method: "GET" }));
  if (headers.get("content-type")?.startsWith("text/event-stream")) await body?.cancel();
  else headers.set("content-length", String((await new Response(body).arrayBuffer()).byteLength));
  return new Response(null, { status, headers });
}

/** "GET", "HEAD", …: what a path takes; none when there is no such path. */
function methodsAt(app: Hono, path: string): readonly string[] {
  const segments = path.split("/");
  const methods = app.routes.filter(({ method, path: pattern }) => {
    const wanted = pattern.split("/");
    return method !== "ALL" && wanted.length === segments.length &&
      wanted.every((part, index) => part.startsWith(":") ? segments[index] !== "" : part === segments[index]);
  }).map(({ method }) => method);
  return [...new Set(methods)].flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]);
}

function addPages(app: Hono, operator: Operator, access: Access): void {
  app.get("/", () => assetResponse(PAGE));
  app.get("/assets/:name", (context) => {
    const asset = ASSETS.get(context.req.param("name"));
    return asset === undefined ? context.notFound() : assetResponse(asset);
  });
  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/readyz", async (context) => {
    const readiness = operator.readiness();
    const view: ReadinessView = await access.knows(context.req.raw)
      ? readiness
      : { ready: readiness.ready, reasons: [] };
    return context.json(view, view.ready ? 200 : 503);
  });
  app.get("/metrics", (context) => context.body(operator.metrics(), 200, { "content-type": PROMETHEUS_CONTENT_TYPE }));
  app.get("/api/openapi.json", (context) => context.json(OPENAPI));
}

function addViews(app: Hono, operator: Operator, feed: LiveFeed): void {
  app.get("/api/status", (context) => context.json(operator.status()));
  app.get("/api/upstreams", (context) => context.json(operator.upstreams()));
  app.get("/api/routes", (context) => context.json(operator.routes()));
  app.get("/api/config", (context) => context.json(operator.settings()));
  app.get("/api/history", (context) => context.json(operator.history()));
  app.get("/api/events", (context) => context.json(operator.eventsSince(afterOf(context) ?? 0)));
  app.get("/api/stream", (context) => {
    const stream = feed.open(afterOf(context));
    if (stream === null) return answer(context, 503, refusal("too many streams are open"));
    return context.body(stream, 200, { "content-type": "text/event-stream; charset=utf-8" });
  });
}

function addCommands(app: Hono, operator: Operator): void {
  for (const command of COMMANDS) {
    app.post(`/api/backends/:upstream/:backend/${command}`, async (context) => {
      const { upstream, backend } = context.req.param();
      const unknown = unknownBackend(operator, upstream, backend);
      if (unknown !== "") return answer(context, 404, refusal(unknown));
      return outcome(context, await operator.command(upstream, backend, command), 409);
    });
  }
  app.put("/api/backends/:upstream/:backend/weight", async (context) => {
    const { upstream, backend } = context.req.param();
    const { weight } = await readObject(context.req.raw, JSON_BYTES_MAX);
    if (weight !== null && typeof weight !== "number") throw new BodyError(400, '"weight" must be a number or null');
    if (weight !== null && !(Number.isInteger(weight) && weight >= 0 && weight <= WEIGHT_MAX)) {
      return answer(context, 422, refusal(`weight must be a whole number from 0 to ${WEIGHT_MAX}, got ${weight}`));
    }
    const unknown = unknownBackend(operator, upstream, backend);
    if (unknown !== "") return answer(context, 404, refusal(unknown));
    return outcome(context, await operator.setWeight(upstream, backend, weight), 422);
  });
  app.post("/api/reload", async (context) => outcome(context, await operator.reload(), 422));
  app.post("/api/plan", async (context) => {
    return context.json(await operator.plan(await readText(context.req.raw, CONFIG_LENGTH_MAX)));
  });
  app.put("/api/log", async (context) => {
    const { level } = await readObject(context.req.raw, JSON_BYTES_MAX);
    if (typeof level !== "string") throw new BodyError(400, '"level" must be a text');
    if (!LEVELS.has(level)) {
      return answer(context, 422, refusal(`level must be ${[...LEVELS].join(", ")}, got ${JSON.stringify(level)}`));
    }
    return outcome(context, operator.setLogLevel(level), 422);
  });
  app.post("/api/explain", async (context) => {
    const { method, url, fields = [] } = await readObject(context.req.raw, JSON_BYTES_MAX);
    if (typeof method !== "string" || typeof url !== "string" || !isFieldList(fields)) {
      throw new BodyError(400, '"method" and "url" must be texts, "fields" a list of [name, value]');
    }
    return context.json(await operator.explain(method, url, fields));
  });
  app.post("/api/workers/:id/restart", async (context) => {
    const text = context.req.param("id");
    const id = /^\d{1,5}$/.test(text) ? Number(text) : -1;
    if (!operator.status().workers.some((worker) => worker.id === id)) {
      return answer(context, 404, refusal(`no worker ${JSON.stringify(text)}`));
    }
    return outcome(context, await operator.restartWorker(id), 409);
  });
}

function assetResponse({ type, text }: Asset): Response {
  return new Response(text, { headers: { "content-type": type } });
}

function unknownBackend(operator: Operator, upstreamName: string, backendName: string): string {
  const upstreams = operator.upstreams();
  const upstream = upstreams.find(({ name }) => name === upstreamName);
  if (upstream === undefined) {
    return `no upstream named ${JSON.stringify(upstreamName)}; there are: ${namesOf(upstreams)}`;
  }
  if (upstream.backends.some(({ name }) => name === backendName)) return "";
  return `no backend named ${JSON.stringify(backendName)} in upstream ${upstreamName}; there are: ${
    namesOf(upstream.backends)
  }`;
}

function namesOf(named: ReadonlyArray<{ readonly name: string }>): string {
  return named.map(({ name }) => name).join(", ");
}

function afterOf(context: Context): number | null {
  const text = context.req.query("after");
  if (text === undefined) return null;
  if (!/^\d{1,15}$/.test(text)) throw new BodyError(400, '"after" must be the id of an event');
  return Number(text);
}

function isFieldList(value: unknown): value is ReadonlyArray<readonly [string, string]> {
  return Array.isArray(value) &&
    value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string"));
}

type Status = 200 | 400 | 401 | 403 | 404 | 405 | 409 | 413 | 422 | 500 | 503;

function outcome(context: Context, view: OutcomeView, refused: Status): Response {
  return answer(context, view.ok ? 200 : refused, view);
}

function answer(context: Context, status: Status, view: OutcomeView): Response {
  return context.json(view, status);
}

function refusal(message: string): OutcomeView {
  return { ok: false, message, problems: [] };
}
