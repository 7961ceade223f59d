/** The commands that ask the admin API, as processes, against one that answers what a row wants. */

import type { OutcomeView, PlanView } from "../../../lib/admin/views.ts";
import { AdminClient } from "../../../lib/cli/admin_client.ts";
import { AdminError, parseAdminAddress } from "../../../lib/cli/admin_target.ts";
import { PATIENCE_MS } from "../../support/proxy_stage.ts";
import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { assertResult } from "./command_result.ts";
import { ConfigFile } from "../../support/config_file.ts";
import { type Answers, backendView, FakeAdmin, statusView, upstreamView } from "../../support/fake_admin.ts";
import { runSluice } from "../../support/sluice_process.ts";

const API = upstreamView("api", [
  backendView("b1", { inFlight: 4 }),
  backendView("b2", {
    state: "open",
    standing: "ejected",
    isEligible: false,
    reason: "connect_refused × 5 (traffic)",
    until: "2099-01-01T00:00:00Z",
  }),
]);
const WEB = upstreamView("web", [backendView("b1"), backendView("unix:/run/w.sock")]);
const SICK = statusView([API, WEB]);
const WELL = statusView([WEB]);

const DONE: OutcomeView = { ok: true, message: "web/unix:/run/w.sock drains", problems: [] };
const PLAN: PlanView = {
  ok: true,
  problems: [],
  changes: [
    { kind: "removed", area: "backend", name: "api/b2", detail: "http://x: no new requests", inFlight: 12 },
    { kind: "changed", area: "setting", name: "server.drain", detail: "30s → 10s", inFlight: 0 },
  ],
  warnings: ["upstreams.api.retry.methods: POST is not idempotent"],
  restartNeeded: ["server.workers: stays 1 until a restart, the file says 2"],
};

interface Case {
  readonly name: string;
  /** FILE stands for a configuration with the admin's address, and whatever `toml` adds. */
  readonly args: readonly string[];
  readonly answers?: Answers;
  readonly toml?: string;
  readonly token?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly code: number;
  readonly stdout?: readonly RegExp[];
  readonly stderr?: readonly RegExp[];
  /** The last request, with its body. */
  readonly asked?: string;
}

// deno-lint-ignore no-control-regex
const PLAIN_TEXT = /^[^\x1b]*$/;

const STATUS: Answers = { "/api/status": { body: SICK } };
const outcome = (line: string, body: unknown = DONE, status = 200): Answers => ({
  ...STATUS,
  [line]: { body, status },
});

const CASES: readonly Case[] = [
  {
    name: "status prints a line a backend, without colours into a pipe",
    args: ["status"],
    answers: STATUS,
    code: 0,
    stdout: [
      /^sluice 0\.1\.0 {2}ready, up 1h 2m/,
      /\ngeneration 7 of \/etc\/sluice\/config\.toml\n/,
      /\n20 req\/s, 0\.5 failed\/s, 3 in flight, p50 1\.2 ms, p95 20 ms, p99 1\.5 s\n/,
      /\napi +b1 +healthy +\S+ \S+ +1 +4 +10 +50 % +1\.5 ms +0 active, 2 idle\n/,
      /\napi +b2 +open: connect_refused × 5 \(traffic\), \S+ \S+ more/,
      PLAIN_TEXT,
    ],
  },
  {
    name: "status of one upstream",
    args: ["status", "web"],
    answers: STATUS,
    code: 0,
    stdout: [/web +b1/, /^(?!.*connect_refused)/s],
  },
  {
    name: "status of no upstream says which was meant",
    args: ["status", "wbe"],
    answers: STATUS,
    code: 2,
    stderr: [/no upstream named "wbe"; did you mean "web"\? \(upstreams: api, web\)/],
  },
  {
    name: "status --json",
    args: ["status", "--json"],
    answers: STATUS,
    code: 0,
    stdout: [/^\{\n {2}"version": "0\.1\.0"/],
  },
  {
    name: "status --names",
    args: ["status", "--names"],
    answers: STATUS,
    code: 0,
    stdout: [/^api\/b1\napi\/b2\nweb\/b1\nweb\/unix:\/run\/w\.sock\n$/],
  },
  { name: "status --exit-code: not well", args: ["status", "--exit-code"], answers: STATUS, code: 3, stdout: [/open/] },
  {
    name: "status --exit-code: well",
    args: ["status", "--exit-code"],
    answers: { "/api/status": { body: WELL } },
    code: 0,
    stdout: [/ready/],
  },
  { name: "status --health: alive", args: ["status", "--health"], answers: { "/healthz": { body: "ok" } }, code: 0 },
  {
    name: "status --ready: not",
    args: ["status", "--ready"],
    answers: { "/readyz": { status: 503, body: "api: nobody" } },
    code: 1,
    stderr: [/\/readyz at 127\.0\.0\.1:\d+ answered 503: api: nobody/],
  },
  {
    name: "a token of the file is sent",
    args: ["status", "--names"],
    toml: `token = "hunter2"`,
    token: "hunter2",
    answers: STATUS,
    code: 0,
    stdout: [/api\/b1/],
  },
  {
    name: "a token of the environment is sent",
    args: ["status", "--names"],
    env: { SLUICE_ADMIN_TOKEN: "hunter2" },
    token: "hunter2",
    answers: STATUS,
    code: 0,
    stdout: [/api\/b1/],
  },
  {
    name: "a token that is missing",
    args: ["status"],
    token: "hunter2",
    code: 1,
    stderr: [/needs a token \(401\): set SLUICE_ADMIN_TOKEN or --token/],
  },
  {
    name: "a token that is wrong",
    args: ["drain", "b2", "--token", "nope"],
    token: "hunter2",
    code: 1,
    stderr: [/does not take this token \(401\)/],
  },
  {
    name: "what is no admin API",
    args: ["status"],
    answers: { "/api/status": { body: "<html>" } },
    code: 1,
    stderr: [/is not the admin API of sluice: it answered no JSON/],
  },
  {
    name: "an API without that path",
    args: ["status"],
    code: 1,
    stderr: [/answered 404: no such path/],
  },
  {
    name: "drain by a name that is the only one",
    args: ["drain", "b2"],
    answers: outcome("POST /api/backends/api/b2/drain", { ...DONE, message: "api/b2 drains" }),
    code: 0,
    stdout: [/^api\/b2 drains\n$/],
    asked: "POST /api/backends/api/b2/drain",
  },
  {
    name: "drain by a name with a slash in it",
    args: ["drain", "unix:/run/w.sock"],
    answers: outcome("POST /api/backends/web/unix%3A%2Frun%2Fw.sock/drain"),
    code: 0,
    stdout: [/drains/],
  },
  {
    name: "drain of a name that several have",
    args: ["drain", "b1"],
    answers: STATUS,
    code: 2,
    stderr: [/"b1" is the name of several backends: api\/b1, web\/b1/],
  },
  {
    name: "drain of a name that none has",
    args: ["drain", "apii/b1"],
    answers: STATUS,
    code: 2,
    stderr: [/no backend named "apii\/b1"; did you mean "api\/b1"\? \(backends: api\/b1, api\/b2, /],
  },
  {
    name: "drain --wait gives up in time",
    args: ["drain", "api/b1", "--wait", "--timeout", "10ms"],
    answers: outcome("POST /api/backends/api/b1/drain"),
    code: 1,
    stdout: [/api\/b1: 4 in flight/],
    stderr: [/api\/b1 still has 4 in flight after 0\.01 s; it stays drained/],
  },
  { name: "drain needs a backend", args: ["drain"], code: 2, stderr: [/drain needs a backend/] },
  {
    name: "drain: --timeout alone",
    args: ["drain", "b2", "--timeout", "1s"],
    code: 2,
    stderr: [/--timeout needs --wait/],
  },
  {
    name: "enable",
    args: ["enable", "api/b2"],
    answers: outcome("POST /api/backends/api/b2/enable"),
    code: 0,
    stdout: [/./],
    asked: "POST /api/backends/api/b2/enable",
  },
  {
    name: "disable that is refused",
    args: ["disable", "api/b2"],
    answers: outcome("POST /api/backends/api/b2/disable", { ok: false, message: "not now", problems: ["why"] }, 409),
    code: 1,
    stderr: [/^sluice: not now\n {2}why\n$/],
  },
  {
    name: "weight",
    args: ["weight", "api/b2", "5"],
    answers: outcome("PUT /api/backends/api/b2/weight"),
    code: 0,
    stdout: [/./],
    asked: `PUT /api/backends/api/b2/weight {"weight":5}`,
  },
  {
    name: "weight --clear",
    args: ["weight", "api/b2", "--clear"],
    answers: outcome("PUT /api/backends/api/b2/weight"),
    code: 0,
    stdout: [/./],
    asked: `PUT /api/backends/api/b2/weight {"weight":null}`,
  },
  {
    name: "weight that is none",
    args: ["weight", "b2", "70000"],
    code: 2,
    stderr: [/whole number from 0 to 65535, got "70000"/],
  },
  { name: "weight without one", args: ["weight", "b2"], code: 2, stderr: [/weight needs a backend and a number/] },
  {
    name: "reload",
    args: ["reload"],
    answers: outcome("POST /api/reload", { ok: true, message: "generation 8", problems: [] }),
    code: 0,
    stdout: [/^generation 8\n$/],
  },
  {
    name: "reload that is refused",
    args: ["reload"],
    answers: outcome("POST /api/reload", { ok: false, message: "refused", problems: ["config.toml:3: wrong"] }, 422),
    code: 1,
    stderr: [/^sluice: refused\n {2}config\.toml:3: wrong\n$/],
  },
  {
    name: "plan against the running proxy",
    args: ["plan", "FILE"],
    answers: outcome("POST /api/plan", PLAN),
    code: 0,
    stdout: [
      /config\.toml would change the running configuration at 127\.0\.0\.1:\d+:\n/,
      /\nBackends\n {2}- api\/b2: http:\/\/x: no new requests\n/,
      /\nSettings\n {2}~ server\.drain: 30s → 10s\n/,
      /\nNeeds a restart\n {2}server\.workers/,
      /\nWarnings\n {2}upstreams\.api\.retry\.methods/,
      /\n1 changed, 1 removed; 12 in flight end on the old plan\n$/,
    ],
  },
  {
    name: "plan --json --exit-code",
    args: ["plan", "FILE", "--json", "--exit-code"],
    answers: outcome("POST /api/plan", PLAN),
    code: 4,
    stdout: [/^\{\n {2}"ok": true/],
  },
  {
    name: "plan of a file that is refused",
    args: ["plan", "FILE"],
    answers: outcome("POST /api/plan", { ...PLAN, ok: false, changes: [], problems: ["x:1: bad"] }),
    code: 2,
    stdout: [/cannot replace .*\n\nA reload would refuse it\n {2}x:1: bad\n/],
  },
  {
    name: "plan when the proxy does not answer says how to go on",
    args: ["plan", "FILE", "--admin", "127.0.0.1:1"],
    code: 1,
    stderr: [
      /^sluice: Cannot reach the admin API at 127\.0\.0\.1:1: connection refused/,
      /\nTo compare with a file instead: sluice plan \S+ --against OLD\n/,
    ],
  },
  {
    name: "plan of no file",
    args: ["plan", "/nowhere.toml"],
    code: 2,
    stderr: [/nowhere\.toml: cannot be read: no such file/],
  },
  {
    name: "explain --live",
    args: ["explain", "GET", "/v1", "-H", "X-A: b", "--live"],
    answers: { "POST /api/explain": { body: { route: "api", lines: ["b1 skipped: open until 12:03:07"] } } },
    code: 0,
    stdout: [/^b1 skipped: open until 12:03:07\n$/],
    asked: `POST /api/explain {"method":"GET","url":"/v1","fields":[["X-A","b"]]}`,
  },
  {
    name: "explain --live of what the API refuses",
    args: ["explain", "GET", "/v1", "--live"],
    answers: outcome("POST /api/explain", { ok: false, message: "no such method", problems: [] }, 400),
    code: 1,
    stderr: [/answered 400: no such method\n$/],
  },
  {
    name: "permissions --admin",
    args: ["permissions", "FILE", "--admin"],
    code: 0,
    stdout: [/^--allow-net=127\.0\.0\.1:\d+ --allow-read=\S+config\.toml --allow-env=SLUICE_\*,TERM\n$/],
  },
];

for (const { name, args, answers = {}, toml = "", token = "", env = {}, code, stdout, stderr, asked } of CASES) {
  Deno.test(`sluice ${name}`, async () => {
    await using admin = new FakeAdmin(answers, { token });
    const config = new ConfigFile(`[admin]\naddress = "${admin.address}"\n${toml}\n`);
    try {
      const result = await runSluice(args.map((arg) => arg.replace("FILE", config.path)), {
        env: { SLUICE_CONFIG: config.path, ...env },
        deadlineMs: PATIENCE_MS,
      });
      assertResult(result, { code, stdout: stdout ?? [], stderr: stderr ?? [] });
    } finally {
      config.remove();
    }
    const last = admin.asked.at(-1);
    if (asked !== undefined) assertEquals(`${last?.line} ${last?.body}`.trim(), asked);
    if (last?.line.startsWith("P")) assertEquals(last.fields.get("x-sluice-admin"), "1");
  });
}

Deno.test("sluice drain --wait waits until nothing is in flight", async () => {
  const inFlight = [4, 4, 2, 0];
  await using admin = new FakeAdmin({
    "/api/status": () => {
      const [now, ...more] = inFlight;
      if (more.length > 0) inFlight.shift();
      return { body: statusView([upstreamView("api", [backendView("b1", { inFlight: now })])]) };
    },
    "POST /api/backends/api/b1/drain": { body: { ok: true, message: "api/b1 drains", problems: [] } },
  });
  const result = await runSluice(["drain", "b1", "--wait", "--admin", admin.address], { deadlineMs: PATIENCE_MS });
  assertResult(result, {
    code: 0,
    stdout: [/^api\/b1 drains\napi\/b1: 4 in flight\napi\/b1: 2 in flight\napi\/b1 is empty\n$/],
    stderr: [],
  });
});

Deno.test("sluice status asks a Unix socket", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    await using admin = new FakeAdmin(STATUS, { path: `${folder}/admin.sock` });
    const config = `[admin]\naddress = "unix:admin.sock"\n`;
    Deno.writeTextFileSync(`${folder}/config.toml`, config);
    const result = await runSluice(["status", "--names", "-c", `${folder}/config.toml`], { deadlineMs: PATIENCE_MS });
    assertResult(result, { code: 0, stdout: [/api\/b1/], stderr: [] });
    assertEquals(admin.asked.map(({ line }) => line), ["GET /api/status"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("AdminClient gives up on an admin API that is silent", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  try {
    const address = parseAdminAddress(`127.0.0.1:${listener.addr.port}`);
    const client = new AdminClient({ address, host: "x", token: "" });
    const error = await assertRejects(() => client.send({ method: "GET", path: "/", timeoutMs: 50 }), AdminError);
    assertMatch(error.message, /^Waited 0\.05 s for the admin API at 127\.0\.0\.1:\d+ in vain$/);
  } finally {
    (await accepted).close();
    listener.close();
  }
});
