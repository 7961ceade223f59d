/** Faults of the wire engine that a review found in the running proxy, each with what broke. */

import { assertEquals } from "@std/assert";
import { accessOf, connect, step, upstreamToml } from "../support/proxy_stage.ts";
import { answer, answerAfter, hang, response, tunnelEcho } from "../support/backend_scripts.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";

/** The client is watched by then, which leaves a read pending. */
const WATCHED_MS = 150;

Deno.test("The review's faults of the wire engine stay mended", async (t) => {
  await using backend = ScriptedBackend.start();
  await using sluice = await SluiceProcess.start(
    `[[listeners]]\nname = "web"\naddress = "127.0.0.1:0"\nengine = "wire"\n${upstreamToml("app", [backend.url])}`,
  );
  const address = sluice.address("web");

  await step(t, "a tunnel whose backend took its time carries what the client sends", async () => {
    // The backend got the beginning of the request's head in place of the client's first bytes.
    backend.use(async (exchange) => {
      await exchange.wait(WATCHED_MS);
      await tunnelEcho("chat")(exchange);
    });
    using client = await connect(address);
    await client.send("GET /app/tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n");
    assertEquals((await client.readResponseHead()).status, 101);
    await client.send("hello");
    assertEquals(new TextDecoder().decode(await client.source.readExactly(5)), "hello");
  });

  await step(t, "a tunnel asked for behind a slow request carries what the client sends", async () => {
    // Two reads were under way into one place: old bytes of the buffer, perhaps of another client, went to the backend.
    backend.use([answerAfter(WATCHED_MS, response(200, "slow")), tunnelEcho("chat")]);
    using client = await connect(address);
    const head = "HTTP/1.1\r\nHost: a\r\n";
    await client.send(
      `GET /app/slow ${head}\r\nGET /app/behind ${head}Connection: Upgrade\r\nUpgrade: chat\r\n\r\n`,
    );
    assertEquals((await client.readResponse()).text, "slow");
    assertEquals((await client.readResponseHead()).status, 101);
    for (const letter of "ABC") {
      await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
      await client.send(letter.repeat(400));
      assertEquals(new TextDecoder().decode(await client.source.readExactly(400)), letter.repeat(400));
    }
  });

  await step(t, "a client that leaves after a slow upload ends its exchange", async () => {
    // It was looked at once, while its body was still coming, and never again.
    backend.use(hang());
    const seen = backend.requests.length;
    using client = await connect(address);
    await client.send("POST /app/left HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n");
    await backend.waitForRequests(seen + 1);
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    await client.send("1\r\n2\r\n0\r\n\r\n");
    await backend.waitFor(() => backend.requests.at(-1)!.isBodyComplete, "the body");
    client.reset();
    assertEquals((await accessOf(sluice, "/app/left")).error, "client_gone");
  });

  await step(t, "a client that leaves in the second of two slow pipelined requests ends its exchange", async () => {
    // The read that the first one had left pending was taken for that of the second, and nobody heard how it failed.
    backend.use([answerAfter(WATCHED_MS, response(200, "first")), hang()]);
    const seen = backend.requests.length;
    using client = await connect(address);
    const request = (name: string) => `GET /app/pipelined/${name} HTTP/1.1\r\nHost: a\r\n\r\n`;
    await client.send(request("1") + request("2"));
    assertEquals((await client.readResponse()).text, "first");
    await backend.waitForRequests(seen + 2);
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    client.reset();
    assertEquals((await accessOf(sluice, "/app/pipelined/2")).error, "client_gone");
  });

  await step(t, "clients that reset before they are accepted hold up nobody", async () => {
    // Each of them was taken for a lack of descriptors, which nobody was accepted after for 50 ms.
    sluice.signal("SIGSTOP");
    try {
      for (let index = 0; index < 20; index++) (await connect(address)).reset();
    } finally {
      sluice.signal("SIGCONT");
    }
    backend.use(answer(response(200, "served")));
    using client = await connect(address);
    await client.send("GET /app/accepted HTTP/1.1\r\nHost: a\r\n\r\n");
    assertEquals((await client.readResponse()).text, "served");
    assertEquals(sluice.events.filter(({ event }) => event === "listener_failed"), []);
  });

  await step(t, "a drain lets a request be answered whose backend has not begun", async () => {
    // Its connection passed for idle and was closed.
    const gate = new Gate();
    const seen = backend.requests.length;
    backend.use(answerAfter(gate.opened, response(200, "late")));
    using client = await connect(address);
    await client.send("GET /app/drain HTTP/1.1\r\nHost: a\r\n\r\n");
    await backend.waitForRequests(seen + 1);
    sluice.signal("SIGTERM");
    await sluice.waitForEvent(({ event }) => event === "draining");
    gate.open();
    const reply = await client.readResponse();
    assertEquals([reply.status, reply.text], [200, "late"]);
    assertEquals(await sluice.waitForExit(), 0);
  });

  sluice.assertNoBugs();
});
