/**
 * Which connection is taken back from a client that holds many, for one that waits and holds little.
 *
 * Turns by client decide who comes next when a connection becomes free. They do not help where none does: a client that
 * was alone when it took all of them, and now sends nothing of its requests or takes nothing of its answers, has them until
 * its own timeouts. So while another waits, what it has stalled is ended, one exchange for one that waits, down to what is
 * little. An exchange that gets on is left alone, whoever's it is, and so is one that waits for its backend.
 */

import { ProxyError } from "../base/errors.ts";

/**
 * A client that is waited for has stalled after so long: longer than a lost packet takes to be sent again, several times.
 *
 * A slow download may look stalled, because the kernel tells late of what was taken (send_buffer.ts): with its usual
 * buffers one of less than some 700 KB/s. It is ended only when its client holds many, and others would be refused.
 */
const STALLED_MS = 2000;

/** None has: for so long it is not looked again. */
const PAUSE_MS = 100;

/** Who uses a connection. */
export interface Holder {
  /** How long its client has sent or taken nothing, or too little, while that is what is waited for; else 0. */
  stalledMs(nowMs: number): number;
  /** Ends it. */
  cancel(error: ProxyError): void;
}

interface HeldConnection {
  readonly client: string;
  /** Null: somebody of whom nothing is known. */
  readonly holder: Holder | null;
}

export class Reclaim {
  readonly #active: () => readonly HeldConnection[];
  readonly #heldBy: (client: string) => number;
  #againAtMs = 0;

  /** @param heldBy Connections of a client. */
  constructor(active: () => readonly HeldConnection[], heldBy: (client: string) => number) {
    this.#active = active;
    this.#heldBy = heldBy;
  }

  /**
   * Ends one exchange, if any has stalled: of the client that holds most the one that has done so for longest.
   *
   * @param manyMin Whoever holds fewer keeps them.
   */
  one(manyMin: number, nowMs: number): void {
    if (nowMs < this.#againAtMs) return;
    let found: Holder | null = null;
    let most = manyMin;
    let longest = STALLED_MS;
    for (const { client, holder } of this.#active()) {
      if (holder === null) continue;
      const held = this.#heldBy(client);
      if (held < most) continue;
      const stalledMs = holder.stalledMs(nowMs);
      if (stalledMs < (held > most ? STALLED_MS : longest)) continue;
      found = holder;
      most = held;
      longest = stalledMs;
    }
    if (found === null) this.#againAtMs = nowMs + PAUSE_MS;
    else found.cancel(new ProxyError("connection_reclaimed"));
  }
}
