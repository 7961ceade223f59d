/** Ports that worker threads share: whether they are ours to open, and where listeners are when nobody could be asked. */

import type { LoadedConfig } from "../../config/load.ts";
import type { ListenerConfig } from "../../config/types.ts";
import { assertPortFree } from "../../engines/listener.ts";
import { listenerIdentity } from "../../plan/listener_identity.ts";
import { ListenError, reasonOf } from "../serving/listener_set.ts";
import type { BoundListener } from "../serving/data_plane.ts";

/** A port that left the configuration a moment ago is free as soon as all workers have heard of it. */
const TRIES = 20;
const PAUSE_MS = 50;

/**
 * Workers share ports with each other, and so would share one with another process: found out here, once.
 *
 * @param mayPass Whether workers of ours may still be about to let one go.
 * @throws {ListenError}
 */
export async function assertPortsFree(listeners: readonly ListenerConfig[], mayPass: boolean): Promise<void> {
  for (const listener of listeners) await assertFree(listener, mayPass ? TRIES : 1);
}

/**
 * The listeners of a configuration when the first worker, which has Unix sockets, could not be asked.
 *
 * @param known Where some of them are.
 * @throws {ListenError} for a port that nobody has found yet.
 */
export function boundWithout({ config }: LoadedConfig, known: readonly BoundListener[]): readonly BoundListener[] {
  return config.listeners.map((listener) => {
    const identity = listenerIdentity(listener);
    const bound = known.find((one) => one.identity === identity);
    if (bound !== undefined) return bound;
    const { address, addressText, name } = listener;
    if (address.kind === "tcp" && address.port === 0) {
      throw new ListenError(`Cannot find a port for ${addressText}: no worker is up`);
    }
    return { identity, name, address: addressText };
  });
}

async function assertFree(listener: ListenerConfig, tries: number): Promise<void> {
  for (let left = tries - 1;; left--) {
    try {
      return assertPortFree(listener);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || left === 0) {
        throw new ListenError(`Cannot listen on ${listener.addressText}: ${reasonOf(error)}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
