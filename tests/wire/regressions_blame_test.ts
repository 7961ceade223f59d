/** Whom a failure is put down to: clients must not be able to have a backend taken out. */

import { assertEquals } from "@std/assert";
import { accessOf, connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";
import { resetBeforeHead, type Script } from "../support/backend_scripts.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";

/** What sluice takes for a client's doing begins at 1000. */
const SLOW_MS = 1300;
/** More than all socket buffers on the way hold. */
const LARGE_BYTES = 64 * 1024 * 1024;

interface Stage {
  readonly backend: ScriptedBackend;
  readonly sluice: SluiceProcess;
  readonly address: string;
  readonly path: string;
}

/** A backend that has enough of clients who send, or take, nothing for so long. */
const impatient: Script = async (exchange) => {
  if (exchange.request.method === "POST") await exchange.wait(SLOW_MS);
  else {
    await exchange.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`);
    const piece = new Uint8Array(64 * 1024);
    const fill = async () => {
      for (let sent = 0; sent < LARGE_BYTES; sent += piece.length) await exchange.write(piece);
    };
    await Promise.race([fill(), exchange.wait(SLOW_MS)]);
  }
  exchange.reset();
};

async function slowUpload({ backend, sluice, address, path }: Stage): Promise<void> {
  backend.use(impatient);
  for (const number of [1, 2, 3]) {
    using client = await connect(address);
    await client.send(`POST ${path}/up/${number} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nfour`);
    assertEquals((await client.readResponse()).status, 502);
    assertEquals((await accessOf(sluice, `${path}/up/${number}`)).error, "connection_reset");
  }
}

async function slowDownload({ backend, sluice, address, path }: Stage): Promise<void> {
  backend.use(impatient);
  for (const number of [1, 2, 3]) {
    using client = await connect(address);
    const seen = backend.requests.length;
    await client.send(`GET ${path}/down/${number} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await backend.waitForRequests(seen + 1);
    const connection = backend.connections.at(-1)!;
    await backend.waitFor(() => !connection.isOpen, "the reset", PATIENCE_MS);
    await client.readUntilClose(); // takes the rest of what was on its way
    assertEquals((await accessOf(sluice, `${path}/down/${number}`)).error, "response_incomplete");
  }
}

for (const engine of ["serve", "wire"]) {
  Deno.test(`${engine}: failures that a client brought about are not put down to the backend`, async (t) => {
    await using backend = ScriptedBackend.start();
    await using sluice = await SluiceProcess.start(
      listenerToml("web", `engine = "${engine}"`) +
        upstreamToml("app", [backend.url], { keys: `circuit = { failures = 2, open = "1m" }\nretry.attempts = 1` }),
    );
    const stage: Stage = { backend, sluice, address: sluice.address("web"), path: "/app" };
    const changes = () => sluice.events.filter(({ event }) => event === "backend_health").map(({ to }) => to);

    await step(t, "a client that sends its body so slowly that the backend gives up", async () => {
      await slowUpload(stage);
      assertEquals(changes(), []);
    });
    await step(t, "a client that takes a response so slowly that the backend gives up", async () => {
      await slowDownload(stage);
      assertEquals(changes(), []);
    });
    await step(t, "a backend that gives up by itself is taken out", async () => {
      backend.use(resetBeforeHead());
      for (const number of [1, 2]) {
        using client = await connect(stage.address);
        await client.send(`POST /app/self/${number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfour`);
        assertEquals((await client.readResponse()).status, 502);
      }
      await sluice.waitForEvent(({ event }) => event === "backend_health");
      assertEquals(changes(), ["open"]);
    });
    sluice.assertNoBugs();
  });
}
