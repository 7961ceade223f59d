/** The description of the admin API, OpenAPI 3.1: served at /api/openapi.json, and held against the app by a test. */

import type { Json } from "./shape.ts";
import { SCHEMAS } from "./views.ts";

const TEXT = { type: "string" };
const REFUSED = { description: "Refused: the message says why.", content: json("Outcome") };
const COMMON = {
  "401": { description: "A token is configured and was not sent, or is wrong.", content: json("Outcome") },
  "403": { description: "Another site, an unknown Host, or a write without its sign.", content: json("Outcome") },
};

const AFTER: Json = {
  name: "after",
  in: "query",
  description: "Only events with a greater id.",
  schema: { type: "integer" },
};

const BACKEND = [
  parameter("upstream", "Name of the upstream, percent-encoded."),
  parameter("backend", "Name of the backend, percent-encoded."),
];

export const OPENAPI: Json = {
  openapi: "3.1.0",
  info: {
    title: "sluice admin API",
    version: "1",
    description:
      "State and control of one running sluice. Fields are added, never renamed. Writes need a JSON or TOML " +
      "content type, an X-Sluice-Admin field, or the token, so that no page of another site can make them. " +
      "A method that a path does not take is answered with 405 and Allow.",
  },
  servers: [{ url: "/" }],
  security: [{ token: [] }, {}],
  paths: {
    "/": { get: plain("The dashboard.", "text/html", []) },
    "/assets/{name}": {
      get: {
        ...plain("A file of the dashboard.", "text/javascript", []),
        parameters: [parameter("name", "Of the file.")],
      },
    },
    "/healthz": { get: plain("The process lives.", "text/plain", []) },
    "/readyz": {
      get: {
        summary: "Whether traffic should come here: it has started, does not drain, and can serve every route.",
        security: [],
        responses: {
          "200": { description: "Ready.", content: json("Readiness") },
          "503": { description: "Not ready. Reasons only for who may read the rest, too.", content: json("Readiness") },
        },
      },
    },
    "/metrics": { get: plain("Metrics, Prometheus text format.", "text/plain") },
    "/api/openapi.json": { get: { summary: "This description.", responses: ok({ type: "object" }) } },
    "/api/status": { get: view("Everything at a glance.", "Status") },
    "/api/upstreams": { get: views("Upstreams and their backends.", "Upstream") },
    "/api/routes": { get: views("Routes, in the order of the file.", "Route") },
    "/api/config": { get: views("Every value in effect and where it came from; secrets are masked.", "Setting") },
    "/api/history": { get: views("Traffic of the last minutes, about a sample a second.", "Sample") },
    "/api/events": {
      get: {
        ...views("The last errors, health changes, reloads and commands, oldest first.", "Event"),
        parameters: [AFTER],
      },
    },
    "/api/stream": {
      get: {
        summary: 'Server-sent events: "status" (Status) about once a second, "event" (Event) as it happens.',
        parameters: [AFTER],
        responses: {
          "200": { description: "Goes on until one side ends it.", content: { "text/event-stream": { schema: TEXT } } },
          "503": { description: "Too many streams are open.", content: json("Outcome") },
          ...COMMON,
        },
      },
    },
    "/api/backends/{upstream}/{backend}/drain": {
      post: command("Takes no new exchanges; what is in flight ends.", BACKEND, { "404": REFUSED, "409": REFUSED }),
    },
    "/api/backends/{upstream}/{backend}/disable": {
      post: command("As drain, and it is not probed either.", BACKEND, { "404": REFUSED, "409": REFUSED }),
    },
    "/api/backends/{upstream}/{backend}/enable": {
      post: command("Clears what was set over the file.", BACKEND, { "404": REFUSED, "409": REFUSED }),
    },
    "/api/backends/{upstream}/{backend}/weight": {
      put: {
        ...command("Sets a weight over that of the file; null: the file's again.", BACKEND, {
          "400": REFUSED,
          "404": REFUSED,
          "422": REFUSED,
        }),
        requestBody: body({
          type: "object",
          required: ["weight"],
          properties: { weight: { type: ["integer", "null"], minimum: 0, maximum: 65535 } },
        }),
      },
    },
    "/api/reload": { post: command("Loads the file again.", [], { "422": REFUSED }) },
    "/api/plan": {
      post: {
        summary:
          "What a reload to this text would change; it may use the variables and files of the running configuration. An empty body: to the file as it is now.",
        requestBody: { required: false, content: { "application/toml": { schema: TEXT } } },
        responses: { ...ok(ref("Plan")), "413": REFUSED, ...COMMON },
      },
    },
    "/api/log": {
      put: {
        ...command("Sets the least important level that is logged, until the next reload.", [], {
          "400": REFUSED,
          "422": REFUSED,
        }),
        requestBody: body({
          type: "object",
          required: ["level"],
          properties: { level: { enum: ["debug", "info", "warn", "error"] } },
        }),
      },
    },
    "/api/explain": {
      post: {
        summary: "Which route and backends a request gets now, and why.",
        requestBody: body({
          type: "object",
          required: ["method", "url"],
          properties: {
            method: TEXT,
            url: TEXT,
            fields: { type: "array", items: { type: "array", items: TEXT, minItems: 2, maxItems: 2 } },
          },
        }),
        responses: { ...ok(ref("Explanation")), "400": REFUSED, ...COMMON },
      },
    },
    "/api/workers/{id}/restart": {
      post: command("Ends a worker at once and starts another; what it has in flight is lost.", [
        parameter("id", "Of the worker."),
      ], { "404": REFUSED, "409": REFUSED }),
    },
  },
  components: {
    securitySchemes: { token: { type: "http", scheme: "bearer" } },
    schemas: SCHEMAS,
  },
};

function parameter(name: string, description: string): Json {
  return { name, in: "path", required: true, description, schema: TEXT };
}

function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function json(name: string): Json {
  return { "application/json": { schema: ref(name) } };
}

function body(schema: Json): Json {
  return { required: true, content: { "application/json": { schema } } };
}

function ok(schema: Json): Json {
  return { "200": { description: "Done.", content: { "application/json": { schema } } } };
}

function view(summary: string, name: string): Json {
  return { summary, responses: { ...ok(ref(name)), ...COMMON } };
}

function views(summary: string, name: string): Json {
  return { summary, responses: { ...ok({ type: "array", items: ref(name) }), ...COMMON } };
}

function command(summary: string, parameters: readonly Json[], refusals: Json): Json {
  return { summary, parameters, responses: { ...ok(ref("Outcome")), ...refusals, ...COMMON } };
}

/** @param security Empty: no token is ever asked for. */
function plain(summary: string, type: string, security?: readonly Json[]): Json {
  return {
    summary,
    ...(security === undefined ? {} : { security }),
    responses: { "200": { description: "Here it is.", content: { [type]: { schema: TEXT } } } },
  };
}
