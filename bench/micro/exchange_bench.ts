/**
 * What exchanges cost in JavaScript: the whole proxy, engine `wire`, over sockets that are memory. No kernel, no other
 * process, and so the place to see a tenth of a microsecond; what the caches of a busy machine do to it is not in here.
 *
 *     deno bench -A bench/micro/exchange_bench.ts
 *
 * 64 clients send 1,280 GETs; 12 of what comes is there in one turn of the event loop. Deno 2.9.6, AMD EPYC, two shared
 * cores, one GET, the best of a run: small 2.7 µs (fast_path off: 7.6), with a browser's head 2.9 (8.3), one of which the
 * fields differ each time 4.0 (8.3).
 */

import { useFastPath } from "../../lib/base/fast_path.ts";
import { startInProcess } from "../../tests/support/in_process.ts";

const CLIENTS = 64;
const EXCHANGES = 20 * CLIENTS;
/** What an event loop under load finds at once. */
const BATCH = 12;
/** Longer than any chain of promises between a read and the write that follows it. */
const TURNS = 16;
const WARM_UP = 100;

const encoder = new TextEncoder();
const RESPONSE = encoder.encode(
  "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 01 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n" +
    `Content-Length: 66\r\nConnection: keep-alive\r\n\r\n${"x".repeat(66)}`,
);
const LINE = "GET /small HTTP/1.1\r\nHost: www.example.com\r\n";
const BROWSER = LINE +
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
  "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
  "Referer: https://www.example.com/products?page=2\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
  "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n";

/** Bytes on their way to who reads them. */
const coming: { socket: MemorySocket; bytes: Uint8Array }[] = [];
const clients: MemorySocket[] = [];
let answered = 0;
let requests: readonly Uint8Array[] = [];

/** One side of a connection; what it writes decides what comes next. */
class MemorySocket {
  readonly remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };
  readonly #onWritten: (socket: MemorySocket) => void;
  #into: Uint8Array | null = null;
  #early: Uint8Array | null = null;
  #resolve: (count: number) => void = () => {};

  constructor(onWritten: (socket: MemorySocket) => void) {
    this.#onWritten = onWritten;
  }

  read(into: Uint8Array): Promise<number> {
    this.#into = into;
    const promise = new Promise<number>((resolve) => this.#resolve = resolve);
    if (this.#early !== null) this.receive(this.#early);
    return promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    this.#onWritten(this);
    return Promise.resolve(bytes.length);
  }

  receive(bytes: Uint8Array): void {
    const into = this.#into;
    this.#early = into === null ? bytes : null;
    if (into === null) return;
    into.set(bytes);
    this.#into = null;
    this.#resolve(bytes.length);
  }

  setNoDelay(): void {}

  close(): void {}
}

const accepting: ((socket: MemorySocket) => void)[] = [];
Object.assign(Deno, {
  connect: () => Promise.resolve(new MemorySocket((socket) => coming.push({ socket, bytes: RESPONSE }))),
  listen: () => ({
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 1 },
    accept: () => new Promise((resolve) => accepting.push(resolve)),
    close() {},
  }),
});

async function turn(): Promise<void> {
  for (let count = 0; count < TURNS; count++) await null;
}

function ask(socket: MemorySocket): void {
  coming.push({ socket, bytes: requests[answered % requests.length] });
}

async function exchange(kind: readonly Uint8Array[]): Promise<void> {
  requests = kind;
  answered = 0;
  for (const client of clients) ask(client);
  while (answered < EXCHANGES) {
    for (const { socket, bytes } of coming.splice(0, BATCH)) socket.receive(bytes);
    await turn();
  }
}

function answeredTo(socket: MemorySocket): void {
  // Each client asks so often; those that have done leave the batch to the others.
  if (++answered <= EXCHANGES - CLIENTS) ask(socket);
}

const path = Deno.makeTempFileSync({ prefix: "sluice_bench_", suffix: ".toml" });
addEventListener("unload", () => Deno.removeSync(path));
Deno.writeTextFileSync(
  path,
  `[[listeners]]
address = "127.0.0.1:1"
engine = "wire"
[upstreams.b]
backends = [{ url = "http://127.0.0.1:2" }]
pool = { max_connections = ${CLIENTS}, max_idle = ${CLIENTS} }
[[routes]]
upstream = "b"
[log]
level = "error"
access = "off"
`,
);
await startInProcess(path);
for (let count = 0; count < CLIENTS; count++) {
  const client = new MemorySocket(answeredTo);
  clients.push(client);
  accepting.shift()!(client);
  await turn();
}

const KINDS = {
  "small GET": [encoder.encode(`${LINE}\r\n`)],
  "a browser's head": [encoder.encode(`${BROWSER}\r\n`)],
  "a browser's head, fields that differ each time": Array.from(
    { length: 1000 },
    (_, count) => encoder.encode(`${BROWSER}X-Count: ${1000 + count}\r\n\r\n`),
  ),
};
for (const kind of Object.values(KINDS)) for (let count = 0; count < WARM_UP; count++) await exchange(kind);

for (const [name, kind] of Object.entries(KINDS)) {
  for (const isShort of [true, false]) {
    Deno.bench(`${EXCHANGES} × ${name}${isShort ? "" : " (fast_path off)"}`, { group: name }, async () => {
      useFastPath(isShort);
      await exchange(kind);
      useFastPath(true);
    });
  }
}
