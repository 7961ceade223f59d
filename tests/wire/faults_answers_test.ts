/** What a client gets when a backend fails: the status, the code, and nothing that looks like success. */

import { assert, assertEquals } from "../support/assert.ts";
import {
  answer,
  closeBeforeHead,
  closeMidway,
  echo,
  hang,
  resetBeforeHead,
  resetMidway,
  response,
  type Script,
  trickle,
} from "../support/backend_scripts.ts";
import { testCertificates } from "../support/certificates.ts";
import { get } from "../support/raw_client.ts";
import { refusedPort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { accessOf, connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

/** No circuit comes between a case and the next. */
const NO_CIRCUIT = `circuit = { failures = 0, error_rate = 0.0 }`;
const ONCE = `${NO_CIRCUIT}\nretry = { attempts = 1 }`;
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";

/** A listener, and upstreams behind it. */
interface Way {
  readonly listener: string;
  /** What the names of the upstreams begin with. */
  readonly prefix: string;
}

const PIPED = "piped_";
const WAYS: readonly Way[] = [
  { listener: "web", prefix: "" },
  { listener: "wire", prefix: "" },
  { listener: "wire", prefix: PIPED },
];

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
}

interface FailureCase {
  readonly name: string;
  readonly upstream: string;
  readonly script?: Script;
  readonly status: number;
  readonly code: string;
}

const FAILURES: readonly FailureCase[] = [
  { name: "nobody listens", upstream: "refused", status: 502, code: "connect_refused" },
  { name: "the name does not exist", upstream: "nameless", status: 502, code: "dns_failed" },
  { name: "the backend does not speak TLS", upstream: "no_tls", status: 502, code: "tls_failed" },
  { name: "nobody vouches for its certificate", upstream: "stranger", status: 502, code: "tls_certificate_invalid" },
  {
    name: "it closes before the head",
    upstream: "once",
    script: closeBeforeHead(),
    status: 502,
    code: "connection_reset",
  },
  {
    name: "it resets before the head",
    upstream: "once",
    script: resetBeforeHead(),
    status: 502,
    code: "connection_reset",
  },
  { name: "it does not answer", upstream: "once", script: hang(), status: 504, code: "response_timeout" },
  {
    name: "it answers nonsense",
    upstream: "once",
    script: closeMidway("SSH-2.0-OpenSSH_9.2\r\n"),
    status: 502,
    code: "response_invalid",
  },
];

async function fail({ sluice, backend }: Stage, row: FailureCase): Promise<void> {
  for (const { listener, prefix } of WAYS) {
    backend.use(row.script ?? echo());
    const target = `/${prefix}${row.upstream}/${FAILURES.indexOf(row)}/${listener}`;
    const reply = await get(sluice.address(listener), target, {}, { deadlineMs: PATIENCE_MS });
    assertEquals([reply.status, reply.text.includes(row.code)], [row.status, true], reply.text);
    assertEquals((await accessOf(sluice, target)).error, row.code);
  }
}

const BROKEN: ReadonlyArray<readonly [name: string, script: Script]> = [
  ["a chunked body ends with FIN between chunks", closeMidway(CHUNKED)],
  ["a chunked body ends with FIN inside a chunk", closeMidway(`${CHUNKED}ff\r\nhal`)],
  ["a body of known length ends with FIN", closeMidway("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")],
  ["a chunk head is nonsense", closeMidway(`${CHUNKED}zz\r\n`)],
  ["a body stays silent", async (exchange) => {
    await exchange.write(CHUNKED);
    await exchange.wait(exchange.connection.closed);
  }],
];

/** @returns Whether the response looked whole. */
async function looksWhole(address: string, target: string): Promise<boolean> {
  using client = await connect(address);
  await client.send(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  try {
    const head = await client.readResponseHead();
    if (head.status !== 200) return false; // it broke before the head went on
    await client.bodyOf(head).readAll();
    return true;
  } catch {
    return false;
  }
}

async function breakOff({ sluice, backend }: Stage, script: Script, label: string): Promise<void> {
  for (const { listener, prefix } of WAYS) {
    backend.use([script, echo()]);
    const address = sluice.address(listener);
    assertEquals(await looksWhole(address, `/${prefix}once/${label}/${listener}`), false);
    assertEquals((await get(address, `/${prefix}once/after`, {}, { deadlineMs: PATIENCE_MS })).status, 200);
  }
}

/** A reset may overtake what the other side has not read: the client must have seen the beginning first. */
async function resetBody({ sluice, backend }: Stage): Promise<void> {
  for (const { listener, prefix } of WAYS) {
    const seen = Promise.withResolvers<void>();
    backend.use([resetMidway(CHUNKED, seen.promise), echo()]);
    using client = await connect(sluice.address(listener));
    await client.send(`GET /${prefix}once/reset HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    const head = await client.readResponseHead();
    await client.source.readThrough("hello\r\n");
    seen.resolve();
    const rest = await client.bodyOf(head).readAll().then(() => "whole", () => "broken");
    assertEquals(rest, "broken");
    assertEquals(
      (await get(sluice.address(listener), `/${prefix}once/after`, {}, { deadlineMs: PATIENCE_MS })).status,
      200,
    );
  }
}

/** @returns ms between the first attempt and the second. */
async function gapOf({ sluice, backend }: Stage, upstream: string, first: Uint8Array): Promise<number> {
  const times: number[] = [];
  const timed = (script: Script): Script => (exchange) => {
    times.push(performance.now());
    return script(exchange);
  };
  backend.use([timed(answer(first)), timed(echo())]);
  const reply = await get(sluice.address("web"), `/${upstream}/x`, {}, { deadlineMs: PATIENCE_MS });
  assertEquals(reply.status, 200);
  assertEquals(times.length, 2);
  return times[1] - times[0];
}

async function waitAsAsked(stage: Stage): Promise<void> {
  const unwell = response(503, "", { fields: [["Retry-After", "1"]] });
  const gapMs = await gapOf(stage, "patient", unwell);
  assert(gapMs >= 990, `It waited ${gapMs} ms, and was asked for 1 s`);
}

async function backOff(stage: Stage): Promise<void> {
  const gapMs = await gapOf(stage, "backoff", response(503, ""));
  assert(gapMs >= 290, `It waited ${gapMs} ms, and is configured to wait 300`);
}

async function passOnTrickle({ sluice, backend }: Stage): Promise<void> {
  const drops = Array.from({ length: 30 }, (_, index) => `1\r\n${index % 10}\r\n`);
  for (const { listener, prefix } of WAYS) {
    backend.use(trickle(["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ...drops, "0\r\n\r\n"], () => 20));
    const reply = await get(sluice.address(listener), `/${prefix}once/trickle`, {}, { deadlineMs: PATIENCE_MS });
    assertEquals(reply.text, "0123456789".repeat(3));
  }
}

async function timeOut({ sluice, backend }: Stage): Promise<void> {
  backend.use(hang());
  const before = backend.requests.length;
  const reply = await get(sluice.address("web"), "/total/x", {}, { deadlineMs: PATIENCE_MS });
  assertEquals([reply.status, reply.text.includes("total_timeout")], [504, true], reply.text);
  const attempts = backend.requests.length - before;
  assert(attempts >= 1 && attempts <= 2, `${attempts} attempts of 200 ms within 350 ms`);
}

Deno.test("A backend's failure reaches the client as what it is", async (t) => {
  const { localhost } = await testCertificates();
  await using backend = ScriptedBackend.start();
  await using secure = ScriptedBackend.start(echo(), { tls: { cert: localhost.cert, key: localhost.key } });
  await using plain = ScriptedBackend.start(echo(), {
    onConnect: (connection) => connection.write(response(400, "this is no TLS")),
  });
  using refused = await refusedPort();
  const quick = `timeouts = { response = "1500ms", idle = "1500ms" }`;
  const toml = [
    listenerToml("web"),
    listenerToml("wire", `engine = "wire"`),
    ...["", PIPED].flatMap((prefix) => {
      const keys = prefix === "" ? ONCE : `${ONCE}\npool.pipelining = 8`;
      return [
        upstreamToml(`${prefix}once`, [backend.url], { keys: `${keys}\n${quick}` }),
        upstreamToml(`${prefix}refused`, [refused.url], { keys }),
        upstreamToml(`${prefix}nameless`, ["http://name.invalid:8080"], { keys }),
        upstreamToml(`${prefix}no_tls`, [`https://127.0.0.1:${plain.port}`], { keys }),
        upstreamToml(`${prefix}stranger`, [secure.url], { keys }),
      ];
    }),
    upstreamToml("total", [backend.url, backend.url.replace("127.0.0.1", "localhost")], {
      keys: `${NO_CIRCUIT}\ntimeouts = { response = "200ms", total = "350ms" }\n` +
        `retry = { attempts = 10, on = ["timeout"], budget = 1.0 }`,
    }),
    upstreamToml("patient", [backend.url], {
      keys: `${NO_CIRCUIT}\nretry = { attempts = 2, on = [503], budget = 1.0 }`,
    }),
    upstreamToml("backoff", [backend.url], {
      keys: `${NO_CIRCUIT}\nretry = { attempts = 2, on = [503], budget = 1.0, ` +
        `backoff = { initial = "300ms", max = "300ms", jitter = 0.0 } }`,
    }),
  ].join("\n");
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
  const stage: Stage = { sluice, backend };
  for (const row of FAILURES) await step(t, `${row.status} ${row.code}: ${row.name}`, () => fail(stage, row));
  for (const [index, [name, script]] of BROKEN.entries()) {
    await step(t, `aborted, never ended well: ${name}`, () => breakOff(stage, script, `broken-${index}`));
  }
  await step(t, "aborted, never ended well: a reset inside the body", () => resetBody(stage));
  await step(t, "a trickle arrives whole", () => passOnTrickle(stage));
  await step(t, "Retry-After is waited for", () => waitAsAsked(stage));
  await step(t, "backoff lies between attempts", () => backOff(stage));
  await step(t, "a total timeout covers the retries", () => timeOut(stage));
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
});
