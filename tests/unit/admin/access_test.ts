import { assertEquals } from "../../support/assert.ts";
import { adminStage, JSON_TYPE } from "./admin_stage.ts";

interface AccessCase {
  readonly name: string;
  readonly address?: string;
  readonly token?: string;
  readonly request: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
}

const REMOTE = { address: "0.0.0.0:9900", token: "s3cret" };
const DRAIN = "POST /api/backends/api/b1/drain";

const CASES: readonly AccessCase[] = [
  { name: "lets anybody read on loopback without a token", request: "GET /api/status", status: 200 },
  { name: "takes localhost with any port", request: "GET /api/status", headers: { host: "LOCALHOST:1" }, status: 200 },
  { name: "takes [::1] without a port", request: "GET /api/status", headers: { host: "[::1]" }, status: 200 },
  { name: "refuses a rebound name on loopback", request: "GET /", headers: { host: "evil.test:9900" }, status: 403 },
  {
    name: "refuses a rebound name on loopback even with the token",
    token: "s3cret",
    request: "GET /api/status",
    headers: { host: "evil.test", authorization: "Bearer s3cret" },
    status: 403,
  },
  {
    name: "refuses a name that only begins right",
    request: "GET /",
    headers: { host: "localhost.evil.test" },
    status: 403,
  },
  {
    name: "takes the configured loopback address",
    address: "127.0.0.7:9900",
    request: "GET /api/status",
    headers: { host: "127.0.0.7:9900" },
    status: 200,
  },
  {
    name: "takes any name on a Unix socket",
    address: "unix:/run/a.sock",
    request: "GET /api/status",
    headers: { host: "sluice" },
    status: 200,
  },
  {
    name: "asks for the token when there is one, on loopback too",
    token: "t",
    request: "GET /api/status",
    status: 401,
  },
  { name: "asks for the token for metrics", ...REMOTE, request: "GET /metrics", status: 401 },
  { name: "asks for the token for the description", ...REMOTE, request: "GET /api/openapi.json", status: 401 },
  {
    name: "refuses a wrong token",
    ...REMOTE,
    request: "GET /api/status",
    headers: { authorization: "Bearer s3cre" },
    status: 401,
  },
  {
    name: "refuses an empty token",
    ...REMOTE,
    request: "GET /api/status",
    headers: { authorization: "Bearer " },
    status: 401,
  },
  {
    name: "refuses the token in another scheme",
    ...REMOTE,
    request: "GET /api/status",
    headers: { authorization: "Basic s3cret" },
    status: 401,
  },
  {
    name: "takes the token, under any name",
    ...REMOTE,
    request: "GET /api/status",
    headers: { authorization: "bearer s3cret", host: "lb.example.com:9900" },
    status: 200,
  },
  { name: "shows the page without a token", ...REMOTE, request: "GET /", status: 200 },
  { name: "shows the page's files without a token", ...REMOTE, request: "GET /assets/app.js", status: 200 },
  { name: "says that it lives without a token", ...REMOTE, request: "GET /healthz", status: 200 },
  {
    name: "says whether it is ready under any name",
    request: "GET /readyz",
    headers: { host: "10.1.2.3" },
    status: 200,
  },
  { name: "refuses a write that a form can send", request: DRAIN, status: 403 },
  {
    name: "refuses a write with a form's content type",
    request: DRAIN,
    headers: { "content-type": "text/plain" },
    status: 403,
  },
  { name: "takes a write with JSON", request: DRAIN, headers: JSON_TYPE, status: 200 },
  { name: "takes a write with a field of its own", request: DRAIN, headers: { "x-sluice-admin": "1" }, status: 200 },
  {
    name: "takes a write with the token alone",
    ...REMOTE,
    request: DRAIN,
    headers: { authorization: "Bearer s3cret" },
    status: 200,
  },
  {
    name: "refuses a write of another origin",
    request: DRAIN,
    headers: { ...JSON_TYPE, origin: "http://evil.test" },
    status: 403,
  },
  { name: "refuses a write of no origin", request: DRAIN, headers: { ...JSON_TYPE, origin: "null" }, status: 403 },
  {
    name: "refuses a write of another port of this machine",
    request: DRAIN,
    headers: { ...JSON_TYPE, origin: "http://127.0.0.1:3000", "sec-fetch-site": "same-site" },
    status: 403,
  },
  {
    name: "takes a write of its own page",
    request: DRAIN,
    headers: { ...JSON_TYPE, origin: "http://127.0.0.1:9900", "sec-fetch-site": "same-origin" },
    status: 200,
  },
  {
    name: "refuses a read that another site makes",
    request: "GET /api/stream",
    headers: { "sec-fetch-site": "cross-site" },
    status: 403,
  },
  {
    name: "shows the page to who comes by a link",
    request: "GET /",
    headers: { "sec-fetch-site": "cross-site" },
    status: 200,
  },
  { name: "takes no write on the page's path", request: "POST /", status: 403 },
];

for (const { name, request, headers = {}, status, ...options } of CASES) {
  Deno.test(`Access ${name}`, async () => {
    const { ask, operator } = await adminStage(options);
    const response = await ask(request, { headers });
    await response.body?.cancel();
    assertEquals(response.status, status);
    assertEquals(response.headers.get("access-control-allow-origin"), null);
    assertEquals(operator.calls.length, request === DRAIN && status === 200 ? 1 : 0);
  });
}

Deno.test("Access asks for a bearer token, and browsers for nothing", async () => {
  const { ask } = await adminStage({ token: "s3cret" });
  const response = await ask("GET /api/status");
  assertEquals(response.headers.get("www-authenticate"), "Bearer");
  assertEquals((await response.json()).message, 'a token is required: "Authorization: Bearer …"');
});

Deno.test("Access tells why it is not ready only to who may know", async () => {
  const { ask, operator } = await adminStage(REMOTE);
  operator.ready = { ready: false, reasons: ["upstream api has no eligible backend"] };
  const stranger = await ask("GET /readyz");
  assertEquals([stranger.status, await stranger.json()], [503, { ready: false, reasons: [] }]);
  const known = await ask("GET /readyz", { headers: { authorization: "Bearer s3cret" } });
  assertEquals([known.status, await known.json()], [503, operator.ready]);
});
