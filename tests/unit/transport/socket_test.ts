/** The two ways to read and write a connection: by `Deno.Conn`, and where that calls the runtime. They must not differ. */

import { useFastPath } from "../../../lib/base/fast_path.ts";
import { Socket } from "../../../lib/transport/socket.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import { testCertificates } from "../../support/certificates.ts";
import { ConfigFile } from "../../support/config_file.ts";

const TEXT = new TextEncoder();
const GROWN_BYTES = 8 * 1024 * 1024;

interface Pair extends Disposable {
  readonly conn: Deno.Conn;
  readonly peer: Deno.Conn;
}

function pairOf(conn: Deno.Conn, peer: Deno.Conn, listener: { close(): void }): Pair {
  listener.close();
  return {
    conn,
    peer,
    [Symbol.dispose]() {
      for (const end of [conn, peer]) {
        try {
          end.close();
        } catch {
          // the test has closed it
        }
      }
    },
  };
}

const PAIRS: Readonly<Record<string, () => Promise<Pair>>> = {
  async tcp() {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const [conn, peer] = await Promise.all([Deno.connect({ hostname: "127.0.0.1", port }), listener.accept()]);
    return pairOf(conn, peer, listener);
  },
  async unix() {
    const config = new ConfigFile("");
    try {
      const path = `${config.folder}/socket`;
      const listener = Deno.listen({ transport: "unix", path });
      const [conn, peer] = await Promise.all([Deno.connect({ transport: "unix", path }), listener.accept()]);
      return pairOf(conn, peer, listener);
    } finally {
      config.remove();
    }
  },
  async tls() {
    const { authority, localhost } = await testCertificates();
    const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...localhost });
    const { port } = listener.addr as Deno.NetAddr;
    const [conn, peer] = await Promise.all([
      Deno.connectTls({ hostname: "localhost", port, caCerts: [authority.cert] }),
      listener.accept(),
    ]);
    return pairOf(conn, peer, listener);
  },
};

for (const [kind, connect] of Object.entries(PAIRS)) {
  for (const isShort of [true, false]) {
    const socketOf = (conn: Deno.Conn) => {
      useFastPath(isShort);
      try {
        return new Socket(conn);
      } finally {
        useFastPath(true);
      }
    };
    const name = `socket: ${kind} by ${isShort ? "the runtime's core" : "Deno.Conn"}`;

    Deno.test(`${name}: bytes, and 0 at the end`, async () => {
      using pair = await connect();
      const into = new Uint8Array(16);
      const socket = socketOf(pair.conn);
      assertEquals(await socket.write(TEXT.encode("there")), 5);
      assertEquals(await pair.peer.read(into), 5);
      await pair.peer.write(TEXT.encode("and back"));
      assertEquals(await socket.read(into), 8);
      assertEquals(new TextDecoder().decode(into.subarray(0, 8)), "and back");
      await pair.peer.closeWrite();
      assertEquals(await socket.read(into), 0);
    });

    Deno.test(`${name}: a read that waits is rejected when the connection is closed`, async () => {
      using pair = await connect();
      const socket = socketOf(pair.conn);
      const waiting = assertRejects(() => socket.read(new Uint8Array(16)), Error);
      pair.conn.close();
      await waiting;
      await assertRejects(() => socket.read(new Uint8Array(16)), Deno.errors.BadResource);
      await assertRejects(() => socket.write(new Uint8Array(16)), Deno.errors.BadResource);
    });

    Deno.test(`${name}: writing to who is gone is rejected`, async () => {
      using pair = await connect();
      const socket = socketOf(pair.conn);
      pair.peer.close();
      await assertRejects(async () => {
        for (let bytes = 0; bytes < GROWN_BYTES;) bytes += await socket.write(new Uint8Array(64 * 1024));
      }, Error);
    });
  }
}

Deno.test("socket: this runtime has its core where it is looked for", async () => {
  using pair = await PAIRS.tcp();
  const unused = () => Promise.reject(new Error("Deno.Conn was used"));
  Object.defineProperties(pair.conn, { read: { value: unused }, write: { value: unused } });
  const socket = new Socket(pair.conn);
  assertEquals(await socket.write(new Uint8Array(4)), 4);
  await pair.peer.write(new Uint8Array(4));
  assertEquals(await socket.read(new Uint8Array(16)), 4);
});

Deno.test("socket: what is no connection of Deno's own is read and written by its own methods", async () => {
  const calls: string[] = [];
  const conn = {
    read: (into: Uint8Array) => Promise.resolve(calls.push(`read ${into.length}`) === 1 ? 3 : null),
    write: (bytes: Uint8Array) => Promise.resolve(calls.push(`write ${bytes.length}`) && bytes.length),
  };
  const socket = new Socket(conn as unknown as Deno.Conn);
  assertEquals(await socket.read(new Uint8Array(4)), 3);
  assertEquals(await socket.read(new Uint8Array(4)), 0);
  assertEquals(await socket.write(new Uint8Array(2)), 2);
  assertEquals(calls, ["read 4", "read 4", "write 2"]);
});
