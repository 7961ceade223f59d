/** What a failed attempt costs a client, counted at the backends: who executed what, and how often. */

import { assertEquals } from "../support/assert.ts";
import { closeBeforeHead, echo, echoOf, hang, resetBeforeHead, type Script } from "../support/backend_scripts.ts";
import { get, type RawResponse } from "../support/raw_client.ts";
import { refusedPort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { accessOf, connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const REQUESTS = 12;
/** Between the attempts of one upstream. */
const PAUSE_MS = 1000;
const HASTY = `timeouts.response = "300ms"`;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly first: ScriptedBackend;
  readonly second: ScriptedBackend;
}

async function post({ sluice }: Stage, target: string, body: string, fields = ""): Promise<RawResponse> {
  using client = await connect(sluice.address("web"));
  await client.send(
    `POST ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  return await client.readResponse();
}

function executions({ first, second }: Stage, target: string): number {
  return [...first.requests, ...second.requests].filter((request) => request.target === target).length;
}

async function refusing(stage: Stage): Promise<void> {
  for (let index = 0; index < REQUESTS; index++) {
    const reply = await get(stage.sluice.address("web"), `/refusing/${index}`, {}, { deadlineMs: PATIENCE_MS });
    assertEquals(echoOf(reply).target, `/refusing/${index}`);
    assertEquals(executions(stage, `/refusing/${index}`), 1);
  }
}

/** Nothing was sent, so even a POST may go elsewhere. */
async function refusedPost(stage: Stage): Promise<void> {
  for (let index = 0; index < REQUESTS; index++) {
    const target = `/refusing/post-${index}`;
    assertEquals(echoOf(await post(stage, target, "body")).bodyLength, 4);
    assertEquals(executions(stage, target), 1);
  }
}

/**
 * The backend ends an idle connection just as the next request is written to it: the reading side learns of it with
 * the first byte of the request already sent.
 */
async function stale(stage: Stage): Promise<void> {
  const { sluice, first } = stage;
  for (const [name, end] of [["close", closeBeforeHead()], ["reset", resetBeforeHead()]] as const) {
    first.use([echo(), end, echo()]);
    await get(sluice.address("web"), `/alone/warm-${name}`);
    const connections = first.connections.length;
    const target = `/alone/stale-${name}`;
    const reply = await get(sluice.address("web"), target, {}, { deadlineMs: PATIENCE_MS });
    assertEquals(echoOf(reply).target, target);
    assertEquals({ executed: executions(stage, target), opened: first.connections.length - connections }, {
      executed: 2,
      opened: 1,
    });
    assertEquals((await accessOf(sluice, target)).error, "");
  }
}

/** Between two requests nothing is on its way: the dead connection is noticed while it waits, and never written to. */
async function idleClosed(stage: Stage): Promise<void> {
  const { sluice, first } = stage;
  first.use(echo());
  for (let index = 0; index < REQUESTS; index++) {
    await get(sluice.address("web"), `/alone/before-${index}`);
    first.closeConnections();
    await first.waitForConnectionsClosed(PATIENCE_MS);
    const target = `/alone/after-${index}`;
    assertEquals(echoOf(await post(stage, target, "once")).bodyLength, 4);
    assertEquals(executions(stage, target), 1);
  }
}

async function postOnce(stage: Stage): Promise<void> {
  const scripts: ReadonlyArray<readonly [string, Script]> = [
    ["close", closeBeforeHead()],
    ["close-head", closeBeforeHead({ readBody: false })],
    ["reset", resetBeforeHead()],
  ];
  for (const [name, script] of scripts) {
    for (const isWarm of [false, true]) {
      stage.first.use(echo());
      stage.second.use(echo());
      if (isWarm) { for (let index = 0; index < 2; index++) await get(stage.sluice.address("web"), "/both/warm"); }
      stage.first.use(script);
      stage.second.use(script);
      const target = `/both/post-${name}-${isWarm}`;
      const reply = await post(stage, target, "exactly once");
      assertEquals({ status: reply.status, executed: executions(stage, target) }, { status: 502, executed: 1 });
      assertEquals((await accessOf(stage.sluice, target)).error, "connection_reset");
    }
  }
}

/** Whoever sends a key says that twice is as good as once. */
async function idempotencyKey(stage: Stage): Promise<void> {
  let executed = 0;
  const failFirst: Script = (exchange) => ++executed === 1 ? closeBeforeHead()(exchange) : echo()(exchange);
  stage.first.use(failFirst);
  stage.second.use(failFirst);
  const reply = await post(stage, "/both/keyed", "again", "Idempotency-Key: 1\r\n");
  assertEquals({ status: reply.status, length: echoOf(reply).bodyLength, executed }, {
    status: 200,
    length: 5,
    executed: 2,
  });
}

/** The end of its body came between two attempts: the second one sent all of it, and was taken for one still under way. */
async function endedBetween({ sluice, first }: Stage): Promise<void> {
  first.use([(exchange) => exchange.reset(), echo(), echo()]);
  first.closeConnections();
  await first.waitForConnectionsClosed(PATIENCE_MS);
  const seen = first.connections.length;
  using client = await connect(sluice.address("wire"));
  await client.send("PUT /patient/upload HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  await first.waitFor(() => first.connections[seen]?.isOpen === false, "the reset", PATIENCE_MS);
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS / 4));
  await client.send("0\r\n\r\n");
  assertEquals(echoOf(await client.readResponse()).bodyLength, 5);
  await client.send("GET /patient/next HTTP/1.1\r\nHost: a.test\r\n\r\n"); // to the same worker, whose pool it is
  assertEquals((await client.readResponse()).status, 200);
  assertEquals(first.connections.length - seen, 2);
}

/** A backend that hangs costs a client time, and not its answer. */
async function silent(stage: Stage): Promise<void> {
  const { sluice, first, second } = stage;
  first.use(hang());
  second.use(echo());
  for (let index = 0; index < 4; index++) {
    const target = `/hasty/${index}`;
    const reply = await get(sluice.address("web"), target, {}, { deadlineMs: PATIENCE_MS });
    assertEquals(echoOf(reply).target, target);
  }
  assertEquals(first.requests.filter(({ target }) => target.startsWith("/hasty/")).length > 0, true);
}

async function silentPost(stage: Stage): Promise<void> {
  stage.first.use(hang());
  stage.second.use(hang());
  const reply = await post(stage, "/hasty/post", "exactly once");
  assertEquals({ status: reply.status, executed: executions(stage, "/hasty/post") }, { status: 504, executed: 1 });
}

/** It would wait as long once more. */
async function silentAlone(stage: Stage): Promise<void> {
  stage.first.use(hang());
  const { status } = await get(stage.sluice.address("web"), "/hermit/x", {}, { deadlineMs: PATIENCE_MS });
  assertEquals({ status, executed: executions(stage, "/hermit/x") }, { status: 504, executed: 1 });
  assertEquals((await accessOf(stage.sluice, "/hermit/x")).error, "response_timeout");
}

/** Both were asked, and nobody a third time, though there are attempts left. */
async function allSilent(stage: Stage): Promise<void> {
  stage.first.use(hang());
  stage.second.use(hang());
  const { status } = await get(stage.sluice.address("web"), "/hasty/all", {}, { deadlineMs: PATIENCE_MS });
  assertEquals({ status, executed: executions(stage, "/hasty/all") }, { status: 504, executed: 2 });
}

Deno.test("Retries cost clients nothing and execute nothing twice that must not be", async (t) => {
  using refused = await refusedPort();
  await using first = ScriptedBackend.start(echo(), { name: "first" });
  await using second = ScriptedBackend.start(echo(), { name: "second" });
  const circuit = (name: string) => ({
    sections: `[upstreams.${name}.circuit]\nfailures = 1000\nmin_requests = 1000\n`,
  });
  const retry = (name: string) => `[upstreams.${name}.retry]\nbudget = 1.0\n`;
  await using sluice = await SluiceProcess.start(
    listenerToml("web") +
      upstreamToml("refusing", [refused.url, first.url], {
        sections: circuit("refusing").sections + retry("refusing"),
      }) + upstreamToml("alone", [first.url], circuit("alone")) +
      upstreamToml("both", [first.url, second.url], circuit("both")) +
      listenerToml("wire", `engine = "wire"`) +
      upstreamToml("hasty", [first.url, second.url], {
        keys: HASTY,
        sections: `${circuit("hasty").sections}[upstreams.hasty.retry]\nattempts = 4\nbudget = 1.0\n`,
      }) + upstreamToml("hermit", [first.url], { keys: HASTY, ...circuit("hermit") }) +
      upstreamToml("patient", [first.url], {
        sections: `${circuit("patient").sections}[upstreams.patient.retry.backoff]\ninitial = "${PAUSE_MS}ms"\n` +
          `max = "${PAUSE_MS}ms"\njitter = 0.0\n`,
      }),
    { deadlineMs: PATIENCE_MS },
  );
  const stage = { sluice, first, second };
  await step(t, "a GET to a backend that refuses is answered by another", () => refusing(stage));
  await step(t, "a POST to a backend that refuses is answered by another", () => refusedPost(stage));
  await step(t, "a connection that ends under a GET is replaced once", () => stale(stage));
  await step(t, "a connection that ended between requests is not used", () => idleClosed(stage));
  await step(t, "a POST that reached a backend is never sent twice", () => postOnce(stage));
  await step(t, "a POST with Idempotency-Key is", () => idempotencyKey(stage));
  await step(t, "a connection that carried a body again is kept", () => endedBetween(stage));
  await step(t, "a GET to a backend that hangs is answered by another", () => silent(stage));
  await step(t, "a POST to a backend that hangs is not sent twice", () => silentPost(stage));
  await step(t, "a backend that hangs is not asked again", () => silentAlone(stage));
  await step(t, "with all backends hanging each is asked once", () => allSilent(stage));
  assertEquals(await sluice.stop(), 0);
});
