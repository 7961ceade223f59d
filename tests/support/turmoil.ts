/** Clients that come, leave in every stage of an exchange, and come back: what a proxy has to survive without a trace. */

import { RawClient } from "./raw_client.ts";

/** Beyond it a client gives up on its exchange; a proxy under test may be slow, but never that slow. */
const CLIENT_DEADLINE_MS = 30_000;

type Visit = (address: string, target: string) => Promise<void>;

async function whole(address: string, target: string): Promise<void> {
  using client = await connect(address);
  for (let index = 0; index < 3; index++) {
    await client.send(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    const reply = await client.readResponse();
    if (!reply.keepAlive) return;
  }
}

async function upload(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`POST ${target} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50000\r\n\r\n${"x".repeat(50_000)}`);
  await client.readResponse();
}

async function leaveAtOnce(address: string): Promise<void> {
  (await connect(address)).close();
}

async function leaveInHead(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`GET ${target} HTTP/1.1\r\nHost: a.te`);
}

async function leaveInUpload(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`POST ${target} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n${"x".repeat(9000)}`);
}

async function leaveInChunk(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`POST ${target} HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf`);
}

async function leaveBeforeHead(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`GET ${target}?do=hang HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  await new Promise((resolve) => setTimeout(resolve, 60)); // beyond the moment from which sluice watches for it
}

async function leaveInBody(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`GET ${target}?do=large HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  await client.readResponseHead();
}

async function leaveInTrickle(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`GET ${target}?do=trickle HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  await client.readResponseHead();
}

async function seeItBreak(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`GET ${target}?do=break HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  await client.readResponse();
}

async function reset(address: string, target: string): Promise<void> {
  using client = await connect(address);
  await client.send(`GET ${target}?do=slow HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  client.reset();
}

async function sendNonsense(address: string): Promise<void> {
  using client = await connect(address);
  await client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1, 2\r\n\r\n");
  await client.readUntilClose();
}

const VISITS: readonly Visit[] = [
  whole,
  whole,
  whole,
  upload,
  leaveAtOnce,
  leaveInHead,
  leaveInUpload,
  leaveInChunk,
  leaveBeforeHead,
  leaveInBody,
  leaveInTrickle,
  seeItBreak,
  reset,
  sendNonsense,
];

/** The index-th visit of a turmoil. What comes of it is nobody's business here: backends die meanwhile. */
export async function visit(address: string, target: string, index: number): Promise<void> {
  try {
    await VISITS[index % VISITS.length](address, target);
  } catch {
    // The end of a client whose exchange went wrong, which is what this is for.
  }
}

/** `count` visits, `clients` at a time, in turn over the addresses. */
export async function turmoil(
  addresses: readonly string[],
  target: string,
  { count, clients = 8 }: { readonly count: number; readonly clients?: number },
): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < count) {
      const index = next++;
      // Each address sees every kind of visit.
      await visit(addresses[Math.floor(index / VISITS.length) % addresses.length], target, index);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
}

function connect(address: string): Promise<RawClient> {
  return RawClient.connect(address, { deadlineMs: CLIENT_DEADLINE_MS });
}
