/** A client that leaves takes its exchange at the backend with it, whatever that was doing. */

import { assertEquals } from "../support/assert.ts";
import { echo, echoOf, hang, type Script } from "../support/backend_scripts.ts";
import { testCertificates } from "../support/certificates.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import {
  accessOf,
  Bulk,
  connect,
  listenerToml,
  PATIENCE_MS,
  step,
  upstreamToml,
  within,
} from "../support/proxy_stage.ts";

interface LeaveCase {
  readonly name: string;
  readonly script: Script;
  /** What follows "METHOD TARGET HTTP/1.1". */
  readonly method: string;
  readonly fields: string;
  /** Goes on until the client is where it leaves. */
  readonly reach: (client: RawClient, backend: ScriptedBackend) => Promise<void>;
  /** What the access log may call it. */
  readonly errors: readonly string[];
}

const CHUNKED_HEAD = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

const endless: Script = async (exchange) => {
  const bulk = new Bulk(1024);
  await exchange.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bulk.length}\r\n\r\n`);
  await bulk.send((block) => exchange.write(block));
};

const silentStream: Script = async (exchange) => {
  await exchange.write(`${CHUNKED_HEAD}5\r\nhello\r\n`);
  await exchange.wait(exchange.connection.closed);
};

const bodiless = { method: "GET", fields: "" };

const CASES: readonly LeaveCase[] = [
  {
    name: "while it waits for the response head",
    script: hang(),
    ...bodiless,
    reach: () => Promise.resolve(),
    errors: ["client_gone"],
  },
  {
    name: "in the middle of a large response",
    script: endless,
    ...bodiless,
    reach: async (client) => {
      await client.readResponseHead();
      await client.source.readExactly(1_000_000);
    },
    errors: ["client_gone"],
  },
  {
    name: "on a stream that is silent",
    script: silentStream,
    ...bodiless,
    reach: async (client) => {
      await client.readResponseHead();
      await client.source.readThrough("hello\r\n");
    },
    errors: ["client_gone"],
  },
  {
    name: "on a stream whose head alone has come",
    script: async (exchange) => {
      await exchange.write(CHUNKED_HEAD);
      await exchange.wait(exchange.connection.closed);
    },
    ...bodiless,
    reach: async (client) => void await client.readResponseHead(),
    errors: ["client_gone"],
  },
  {
    name: "in the middle of an upload of known length",
    script: hang(),
    method: "POST",
    fields: "Content-Length: 100000\r\n",
    reach: (client) => client.send("x".repeat(5000)),
    errors: ["client_gone", "request_body_broken"],
  },
  {
    name: "in the middle of a chunked upload",
    script: hang(),
    method: "POST",
    fields: "Transfer-Encoding: chunked\r\n",
    reach: (client) => client.send("5\r\nhello\r\n"),
    errors: ["client_gone", "request_body_broken"],
  },
  {
    name: "while the backend does not take its upload",
    script: async (exchange) => {
      exchange.connection.pauseReading();
      // Full buffers hide the close as well: reads on once the client has gone, to come to the end.
      await gone.promise;
      exchange.connection.resumeReading();
      await exchange.wait(exchange.connection.closed);
    },
    method: "POST",
    fields: "Content-Length: 1000000000\r\n",
    reach: async (client, backend) => {
      const bulk = new Bulk(900);
      const sending = bulk.send((block) => client.send(block));
      sending.catch(() => {}); // ends when the client leaves
      const before = () => bulk.sent;
      for (let sent = -1; sent !== before() || sent === 0;) {
        sent = before();
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      assertEquals(backend.openConnections > 0, true);
    },
    errors: ["client_gone", "request_body_broken"],
  },
  {
    name: "with its response begun and its upload unfinished",
    script: async (exchange) => {
      await exchange.write(`${CHUNKED_HEAD}5\r\nhello\r\n`);
      await exchange.readBody();
    },
    method: "POST",
    fields: "Transfer-Encoding: chunked\r\n",
    reach: async (client) => {
      await client.send("5\r\nhello\r\n");
      await client.readResponseHead();
      await client.source.readThrough("hello\r\n");
    },
    errors: ["client_gone", "request_body_broken"],
  },
];

/** Opened when the client of the case under way has left. */
let gone = Promise.withResolvers<void>();

/** The test client can reset cleartext connections alone. */
const HOWS = ["close", "reset"] as const;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
  readonly label: string;
  dial(): Promise<RawClient>;
}

async function leave(stage: Stage, how: "close" | "reset", row: LeaveCase): Promise<void> {
  const { sluice, backend } = stage;
  gone = Promise.withResolvers<void>();
  backend.use(row.script);
  const before = backend.requests.length;
  const target = `/leave/${stage.label}/${how}/${CASES.indexOf(row)}`;
  const client = await stage.dial();
  await client.send(`${row.method} ${target} HTTP/1.1\r\nHost: a.test\r\n${row.fields}\r\n`);
  await backend.waitForRequests(before + 1, PATIENCE_MS);
  await row.reach(client, backend);
  if (how === "close") client.close();
  else client.reset();
  gone.resolve();
  const connection = backend.connections[backend.requests[before].connectionId];
  await within(connection.closed, "the backend's connection to close");
  const line = await accessOf(sluice, target);
  assertEquals(row.errors.includes(String(line.error)), true, `The error was "${line.error}"`);
}

Deno.test("A client that leaves ends its exchange at the backend", async (t) => {
  const { authority, localhost } = await testCertificates();
  await using backend = ScriptedBackend.start();
  const tls = `tls = { cert = "site.pem", key = "site.key" }`;
  const wire = `engine = "wire"\nlimits = { half_close = "100ms" }`;
  await using sluice = await SluiceProcess.start(
    listenerToml("plain") + listenerToml("tls", tls) + listenerToml("wire", wire) +
      listenerToml("wire-tls", `${wire}\n${tls}`) + upstreamToml("leave", [backend.url]),
    { deadlineMs: PATIENCE_MS, files: { "site.pem": localhost.cert, "site.key": localhost.key } },
  );
  const caCerts = [authority.cert];
  const stages = ["plain", "tls", "wire", "wire-tls"].map((label): Stage => {
    const tls = label.endsWith("tls") ? { caCerts, hostname: "localhost" } : undefined;
    return { sluice, backend, label, dial: () => connect(sluice.address(label), tls) };
  });
  for (const stage of stages) {
    for (const how of stage.label.endsWith("tls") ? HOWS.slice(0, 1) : HOWS) {
      for (const row of CASES) {
        await step(t, `${stage.label}, ${how}: ${row.name}`, () => leave(stage, how, row));
      }
    }
  }
  await step(t, "all that was held is given back", async () => {
    backend.use(echo());
    using client = await connect(sluice.address("plain"));
    await client.send("GET /leave/after HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assertEquals(echoOf(await client.readResponse()).target, "/leave/after");
    assertEquals(backend.openConnections, 1);
  });
  assertEquals(await sluice.stop(), 0);
});
