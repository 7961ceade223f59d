/** What the proxy asks of a backend, told to streams that are not HTTP/1: it writes no protocol itself. */

import { SYSTEM_CLOCK } from "../../../lib/base/clock.ts";
import { ProxyError } from "../../../lib/base/errors.ts";
import { loadConfig } from "../../../lib/config/load.ts";
import { WireRequest } from "../../../lib/engines/wire/http1/request.ts";
import { decodeRequestHead } from "../../../lib/http1/decode_request.ts";
import { Head } from "../../../lib/http1/head.ts";
import { RequestIds } from "../../../lib/observe/request_id.ts";
import { compile } from "../../../lib/plan/compile.ts";
import { JudgedHealth } from "../../../lib/plan/health_source.ts";
import { PlanHolder } from "../../../lib/plan/holder.ts";
import { Resources } from "../../../lib/plan/resources.ts";
import { ProxyCore } from "../../../lib/proxy/core.ts";
import type { Exchange } from "../../../lib/proxy/exchange.ts";
import { makeRouteHandler } from "../../../lib/proxy/route_handler.ts";
import { handle } from "../../../lib/proxy/handler.ts";
import { Deadlines } from "../../../lib/transport/deadlines.ts";
import { NO_BODY, UNKNOWN_LENGTH } from "../../../lib/transport/outgoing_request.ts";
import { assertEquals } from "../../support/assert.ts";
import { toBytes } from "../../support/wire_bytes.ts";
import { type Answer, FakeBackend, type Received } from "./fake_backend.ts";

const OK = "200 OK\r\nX-From: backend";
const RESET = new ProxyError("connection_reset");
const BOUNDS = { bytesMax: 16 * 1024, fieldsMax: 50, targetBytesMax: 8192 };

/** Behind the client's own fields, in this order. */
const OURS = [
  "via: 1.1 sluice",
  "x-forwarded-for: 192.0.2.7",
  "x-forwarded-proto: http",
  "x-forwarded-host: a.test",
  "x-request-id: given",
  "x-edge: 1",
];

interface Row {
  readonly name: string;
  /** Request line and fields. */
  readonly request: string;
  readonly pieces?: readonly string[];
  readonly trailers?: string;
  readonly answers?: readonly Answer[];
  readonly status?: number;
  /** What each attempt gave, but for the fields of `OURS`. */
  readonly attempts: readonly Partial<Received>[];
}

const ROWS: readonly Row[] = [
  {
    name: "GET",
    request: "GET /v1/a?b=c HTTP/1.1\r\nAccept: x/y\r\nX-Internal: secret\r\nConnection: x-hop\r\nX-Hop: 1",
    attempts: [{ line: "GET http://a.test/a?b=c", fields: ["Accept: x/y"], bodyLength: NO_BODY }],
  },
  {
    name: "POST with a length",
    request: "POST /v1/p HTTP/1.1\r\nContent-Length: 10\r\nContent-Type: x/y",
    pieces: ["01234", "56789"],
    attempts: [{
      line: "POST http://a.test/p",
      fields: ["Content-Type: x/y"],
      bodyLength: 10,
      pieces: ["01234", "56789"],
      outcome: "sent",
    }],
  },
  {
    name: "chunked, with trailers",
    request: "PUT /v1/p HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: te\r\nTrailer: X-Sum",
    pieces: ["hello"],
    trailers: "X-Sum: 1\r\nContent-Length: 9\r\nX-Internal: secret",
    attempts: [{
      line: "PUT http://a.test/p",
      bodyLength: UNKNOWN_LENGTH,
      takesTrailers: true,
      pieces: ["hello"],
      trailers: ["X-Sum: 1"],
      outcome: "sent",
    }],
  },
  {
    name: "an upgrade",
    request: "GET /v1/ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
    answers: ["101 Switching Protocols\r\nUpgrade: websocket"],
    status: 101,
    attempts: [{
      line: "GET http://a.test/ws",
      fields: ["Sec-WebSocket-Version: 13"],
      upgrade: "websocket",
      bodyLength: NO_BODY,
    }],
  },
  {
    name: "another attempt, with the same body",
    request: "PUT /v1/p HTTP/1.1\r\nContent-Length: 5",
    pieces: ["hello"],
    answers: [RESET, OK],
    attempts: [
      { line: "PUT http://a.test/p", bodyLength: 5, pieces: ["hello"], outcome: "sent" },
      { line: "PUT http://a.test/p", bodyLength: 5, pieces: ["hello"], outcome: "sent" },
    ],
  },
  {
    name: "a body that breaks off",
    request: "POST /v1/p HTTP/1.1\r\nContent-Length: 100000",
    pieces: ["hello", "broken"],
    status: 400,
    attempts: [{ line: "POST http://a.test/p", bodyLength: 100_000, pieces: ["hello"], outcome: "failed" }],
  },
];

for (const { name, request, pieces = [], trailers = "", answers = [OK], status = 200, attempts } of ROWS) {
  Deno.test(`a stream is given, name by name: ${name}`, async () => {
    const backend = new FakeBackend([...answers]);
    const exchange = await exchanged(backend, requestOf(request, { pieces, trailers }));
    const expected = attempts.map(({ fields = [], ...rest }) => ({
      upgrade: "",
      takesTrailers: false,
      pieces: [],
      trailers: [],
      outcome: "",
      ...rest,
      fields: [...fields, ...OURS],
    }));
    assertEquals<unknown>(backend.received, expected);
    assertEquals([exchange.response.status, backend.switchedCount], [status, status === 101 ? 1 : 0]);
    exchange.finish("");
    assertEquals(backend.released, attempts.length);
  });
}

Deno.test("a stream that answers before it has the body hears that the attempt is over, and gets no more", async () => {
  const backend = new FakeBackend([OK], true);
  const last = Promise.withResolvers<void>();
  const request = requestOf("POST /v1/p HTTP/1.1\r\nContent-Length: 100000", { pieces: ["hello"], trailers: "" }, last);
  const exchange = await exchanged(backend, request);
  assertEquals([exchange.response.status, exchange.isUploadDone], [200, false]);
  exchange.finish("");
  last.resolve();
  for (let turn = 0; turn < 20; turn++) await undefined;
  assertEquals([backend.received[0].pieces, backend.received[0].outcome, backend.released], [["hello"], "", 1]);
});

interface Content {
  /** "broken" stands for a failure. */
  readonly pieces: readonly string[];
  readonly trailers: string;
}

/** @param last What the end of the body waits for. */
function requestOf(text: string, { pieces, trailers }: Content, last?: PromiseWithResolvers<void>): WireRequest {
  const left = [...pieces];
  return new WireRequest(headOf(`${text}\r\nHost: a.test\r\nX-Request-Id: given`), {
    takeReceived: () => null,
    isBodyTaken: false,
    sendInformational() {},
    async readBody() {
      const piece = left.shift();
      if (piece === "broken") throw new ProxyError("request_body_broken");
      if (piece === undefined) await last?.promise;
      return piece === undefined ? null : toBytes(piece);
    },
    reuse() {},
    bodyTrailers: () => trailers === "" ? null : headOf(`GET / HTTP/1.1\r\n${trailers}`),
    passInformational() {},
    watchClient() {},
  }, { peerIp: "192.0.2.7", isSecure: false, bodyTimeoutMs: 0, bodyRateMin: 0, bodyBytesMax: 0 });
}

function headOf(lines: string): Head {
  const head = new Head();
  const bytes = toBytes(`${lines}\r\n\r\n`);
  decodeRequestHead(head, bytes, 0, bytes.length, BOUNDS);
  return head;
}

const TOML = `[[listeners]]
address = "127.0.0.1:0"
[[routes]]
path = "/v1/*"
rewrite = "/*"
upstream = "b"
request_headers = { set = { x-edge = "1" }, remove = ["x-internal"] }
[upstreams.b]
backends = [{ url = "http://127.0.0.1:9001" }, { url = "http://127.0.0.1:9002" }]
retry = { body_buffer = "5B", backoff = { initial = "0s" } }
`;

async function exchanged(backend: FakeBackend, request: WireRequest): Promise<Exchange> {
  const { config } = await loadConfig("/c.toml", { env: () => undefined, readTextFile: () => Promise.resolve(TOML) });
  const clock = SYSTEM_CLOCK;
  const deadlines = new Deadlines(clock.nowMs);
  const resources = new Resources({ clock, deadlines, onHealthChange: () => {} });
  const health = new JudgedHealth(new Set());
  const plan = await compile(config, {
    resources,
    generation: 1,
    health,
    stickySecret: "x",
    random: () => 0,
    makeHandler: makeRouteHandler,
  });
  const { acquire, release, switched } = backend;
  for (const { pool } of plan.upstreams.get("b")!.members.backends) {
    Object.assign(pool, {
      acquire: acquire.bind(backend),
      release: release.bind(backend),
      switched: switched.bind(backend),
    });
  }
  const recorder = { attemptBegan() {}, attemptEnded() {}, retried() {}, record() {} };
  const plans = new PlanHolder(plan, () => {});
  const core = new ProxyCore({
    clock,
    plans,
    deadlines,
    recorder,
    requestIds: new RequestIds(() => 0),
    random: () => 0,
  });
  return await handle(core, request);
}
