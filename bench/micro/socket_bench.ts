/**
 * What the way to the runtime's read and write costs: 64 reads of what has come already, and 64 writes.
 *
 *     deno bench -A bench/micro/socket_bench.ts
 *
 * Deno 2.9.6, AMD EPYC, two shared cores: a write and a read 9.4 µs by `Deno.Conn`, 7.6 by the core (medians of 64).
 */

import { useFastPath } from "../../lib/base/fast_path.ts";
import { Socket } from "../../lib/transport/socket.ts";

const OPERATIONS = 64;
const PIECE = new Uint8Array(16);

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const [near, far] = await Promise.all([
  Deno.connect({ hostname: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port }),
  listener.accept(),
]);
listener.close();
near.setNoDelay(true);

for (const [way, isShort] of [["Deno.Conn", false], ["the runtime's core", true]] as const) {
  useFastPath(isShort);
  const [sender, receiver] = [new Socket(near), new Socket(far)];
  useFastPath(true);
  Deno.bench(`write and read by ${way}`, { group: "socket", baseline: !isShort }, async () => {
    for (let count = 0; count < OPERATIONS; count++) await sender.write(PIECE);
    for (let bytes = 0; bytes < OPERATIONS * PIECE.length;) bytes += await receiver.read(PIECE);
  });
}
