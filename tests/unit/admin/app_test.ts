import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { withDeadline } from "../../support/waiting.ts";
import { READERS_MAX } from "../../../lib/admin/live_feed.ts";
import { adminStage, JSON_TYPE } from "./admin_stage.ts";

interface CommandCase {
  readonly name: string;
  readonly request: string;
  readonly body?: string;
  readonly type?: string;
  /** What the operator refuses with. */
  readonly refusal?: string;
  readonly status: number;
  readonly call?: string;
  readonly message?: RegExp;
}

const WEIGHT = "PUT /api/backends/api/b1/weight";

const COMMANDS: readonly CommandCase[] = [
  { name: "drains", request: "POST /api/backends/api/b1/drain", status: 200, call: "drain api b1" },
  { name: "disables", request: "POST /api/backends/api/b1/disable", status: 200, call: "disable api b1" },
  {
    name: "enables a backend with a slash, a colon and a space in its name",
    request: "POST /api/backends/api/10.0.0.2%3A80%2Fa%20b/enable",
    status: 200,
    call: "enable api 10.0.0.2:80/a b",
  },
  {
    name: "knows no such backend",
    request: "POST /api/backends/api/b9/drain",
    status: 404,
    message: /no backend named "b9" in upstream api; there are: b1, /,
  },
  {
    name: "knows no such upstream",
    request: "POST /api/backends/web/b1/drain",
    status: 404,
    message: /no upstream named "web"; there are: api/,
  },
  {
    name: "says why a command is refused",
    request: "POST /api/backends/api/b1/drain",
    refusal: "shutting down",
    status: 409,
    call: "drain api b1",
    message: /^shutting down$/,
  },
  { name: "sets a weight", request: WEIGHT, body: '{"weight":3}', status: 200, call: "weight api b1 3" },
  { name: "clears a weight", request: WEIGHT, body: '{"weight":null}', status: 200, call: "weight api b1 null" },
  { name: "wants a weight", request: WEIGHT, body: "{}", status: 400, message: /"weight" must be a number or null/ },
  { name: "wants whole weights", request: WEIGHT, body: '{"weight":1.5}', status: 422, message: /whole number/ },
  { name: "wants weights in range", request: WEIGHT, body: '{"weight":65536}', status: 422, message: /0 to 65535/ },
  { name: "wants JSON", request: WEIGHT, body: "weight=1", status: 400, message: /must be JSON/ },
  { name: "wants a JSON object", request: WEIGHT, body: "[1]", status: 400, message: /JSON object/ },
  {
    name: "refuses a body without end",
    request: WEIGHT,
    body: `{"weight":1,"x":"${"x".repeat(70_000)}"}`,
    status: 413,
    message: /at most 65536 bytes/,
  },
  { name: "reloads", request: "POST /api/reload", status: 200, call: "reload" },
  {
    name: "says why a reload is refused",
    request: "POST /api/reload",
    refusal: "refused",
    status: 422,
    call: "reload",
  },
  {
    name: "plans",
    request: "POST /api/plan",
    type: "application/toml",
    body: 'a = "ü"',
    status: 200,
    call: 'plan a = "ü"',
  },
  { name: "plans the file as it is", request: "POST /api/plan", status: 200, call: "plan " },
  { name: "sets the level", request: "PUT /api/log", body: '{"level":"debug"}', status: 200, call: "log debug" },
  { name: "knows four levels", request: "PUT /api/log", body: '{"level":"trace"}', status: 422, message: /"trace"/ },
  { name: "wants a level", request: "PUT /api/log", body: '{"level":1}', status: 400 },
  {
    name: "explains",
    request: "POST /api/explain",
    body: '{"method":"GET","url":"/a","fields":[["host","b"]]}',
    status: 200,
    call: 'explain GET /a [["host","b"]]',
  },
  { name: "explains without fields", request: "POST /api/explain", body: '{"method":"GET","url":"/"}', status: 200 },
  {
    name: "wants fields in pairs",
    request: "POST /api/explain",
    body: '{"method":"GET","url":"/","fields":[["a"]]}',
    status: 400,
  },
  { name: "restarts a worker", request: "POST /api/workers/0/restart", status: 200, call: "restart 0" },
  { name: "knows no such worker", request: "POST /api/workers/7/restart", status: 404, message: /no worker "7"/ },
  { name: "knows no worker by name", request: "POST /api/workers/x/restart", status: 404 },
  { name: "knows no other command", request: "POST /api/backends/api/b1/kill", status: 404, message: /openapi\.json/ },
  {
    name: "commands nothing by GET",
    request: "GET /api/backends/api/b1/drain",
    status: 405,
    message: /^\/api\/backends\/api\/b1\/drain takes POST$/,
  },
  { name: "changes no view", request: "DELETE /api/status", status: 405, message: /takes GET, HEAD$/ },
];

for (const { name, request, body, type = "application/json", refusal = "", status, call, message } of COMMANDS) {
  Deno.test(`admin API ${name}`, async () => {
    const { ask, operator } = await adminStage();
    operator.refusal = refusal;
    const options = { headers: { "content-type": type }, ...(body === undefined ? {} : { body }) };
    const response = await ask(request, request.startsWith("GET") ? {} : options);
    const view = await response.json();
    assertEquals(response.status, status);
    if (call !== undefined) assertEquals(operator.calls, [call]);
    else if (status >= 400) assertEquals(operator.calls, []);
    if (status >= 400) assertEquals(view.ok, false);
    if (message !== undefined) assertMatch(view.message, message);
  });
}

Deno.test("admin API names the methods of a path, and of none that is not there", async () => {
  const { ask } = await adminStage();
  const headers = { "content-type": "application/json" };
  const wrong = await ask("POST /api/backends/api/b1/weight", { headers });
  assertEquals([wrong.status, wrong.headers.get("allow"), (await wrong.json()).ok], [405, "PUT", false]);
  assertEquals(wrong.headers.get("x-content-type-options"), "nosniff");
  const none = await ask("GET /api/backends/api");
  assertEquals([none.status, none.headers.get("allow")], [404, null]);
  await none.body?.cancel();
  const missing = await ask("GET /assets/nothing.js");
  assertEquals(missing.status, 404);
  await missing.body?.cancel();
});

Deno.test("admin API refuses bytes that are no text", async () => {
  const { app } = await adminStage();
  const body = new Uint8Array([0x61, 0xff]);
  const response = await app.fetch(
    new Request("http://localhost/api/plan", { method: "POST", headers: JSON_TYPE, body }),
  );
  assertEquals([response.status, (await response.json()).message], [400, "the body must be text in UTF-8"]);
});

Deno.test("admin API says nothing about a bug but that it is one", async () => {
  const { ask, operator, bugs } = await adminStage();
  operator.routes = () => {
    throw new Error("inside at /etc/secret");
  };
  const response = await ask("GET /api/routes");
  assertEquals([response.status, (await response.json()).message], [500, "internal error; the log says more"]);
  assertEquals((bugs[0] as Error).message, "inside at /etc/secret");
});

for (const path of ["/", "/assets/app.js", "/assets/uplot.js", "/api/status", "/nowhere", "/healthz"]) {
  Deno.test(`admin API locks ${path} down`, async () => {
    const { ask } = await adminStage();
    const { headers, body } = await ask(`GET ${path}`);
    await body?.cancel();
    assertEquals(headers.get("cache-control"), "no-store");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("referrer-policy"), "no-referrer");
    const policy = headers.get("content-security-policy") ?? "";
    assertMatch(policy, /default-src 'none'.*frame-ancestors 'none'/);
    assert(!policy.includes("unsafe"), policy);
  });
}

Deno.test("admin API sends metrics as Prometheus reads them", async () => {
  const { ask } = await adminStage();
  const response = await ask("GET /metrics");
  assertEquals(await response.text(), "lb_throughput_rps 20\n");
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
});

Deno.test("admin API lists what happened after an event", async () => {
  const { ask, operator } = await adminStage();
  for (const code of ["a", "b", "c"]) operator.tell(code);
  const codes = async (query: string) =>
    (await (await ask(`GET /api/events${query}`)).json()).map((event: { code: string }) => event.code);
  assertEquals(await codes(""), ["a", "b", "c"]);
  assertEquals(await codes("?after=2"), ["c"]);
  const wrong = await ask("GET /api/events?after=x");
  assertEquals([wrong.status, (await wrong.json()).ok], [400, false]);
});

/** Reads messages of a stream until `isEnough`. */
async function readMessages(response: Response, isEnough: (text: string) => boolean): Promise<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!isEnough(text)) {
    const { value, done } = await withDeadline(reader.read(), 10_000, () => `more than ${text}`);
    if (done) return text + "(end)";
    text += value;
  }
  await reader.cancel();
  return text;
}

Deno.test("admin API streams status, what was missed, and what happens", async () => {
  const { ask, operator } = await adminStage();
  for (const code of ["a", "b"]) operator.tell(code);
  const response = await ask("GET /api/stream?after=1");
  assertEquals(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  operator.tell("c");
  const text = await readMessages(response, (text) => text.includes("c happened"));
  const names = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
  assertEquals(names, ["status", "event", "event"]);
  assertMatch(text, /^id: 2\nevent: event\ndata: {"id":2,/m);
  assertEquals(operator.listeners, 0, "nobody reads any more");
});

Deno.test("admin API repeats the status while somebody reads", async () => {
  const { ask } = await adminStage();
  const text = await readMessages(await ask("GET /api/stream"), (text) => text.match(/event: status/g)?.length === 2);
  assertMatch(text, /"requestsTotal":200/);
});

Deno.test("admin API ends streams at its close, and opens no more than it can bear", async () => {
  const { ask, app, operator } = await adminStage();
  const streams = await Promise.all(Array.from({ length: READERS_MAX }, () => ask("GET /api/stream")));
  assertEquals((await ask("GET /api/stream")).status, 503);
  app.close();
  const texts = await Promise.all(streams.map((stream) => readMessages(stream, () => false)));
  assert(texts.every((text) => text.endsWith("(end)")));
  assertEquals(operator.listeners, 0);
  assertEquals((await ask("GET /api/stream")).status, 503);
});

Deno.test("admin API lets go of a reader that does not read", async () => {
  const { ask, operator } = await adminStage();
  const response = await ask("GET /api/stream");
  for (let index = 0; index < 100; index++) operator.tell("storm");
  assertEquals(operator.listeners, 0);
  const text = await readMessages(response, () => false);
  assert(text.endsWith("(end)"));
});
