/** A thread of its own for those who attack, and one for the backend, so that neither holds up who measures. */

import { attack, ATTACKS, victim } from "../support/holding_attacks.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";

export type Order =
  | { readonly kind: "backend" }
  | { readonly kind: "attack"; readonly index: number; readonly address: string; readonly prefix: string }
  | { readonly kind: "end" };

const CLIENTS = 300;
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(message: string): void;
};

let ending = new AbortController();
let attacking: Promise<void> = Promise.resolve();
let backend: ScriptedBackend | null = null;

async function obey(order: Order): Promise<string> {
  switch (order.kind) {
    case "backend":
      backend = ScriptedBackend.start(victim);
      return backend.url;
    case "attack": {
      const { address, prefix } = order;
      ending = new AbortController();
      attacking = attack(ATTACKS[order.index], { address, prefix, clients: CLIENTS, signal: ending.signal });
      return "begun";
    }
    case "end":
      ending.abort();
      await attacking;
      backend?.closeConnections();
      return "ended";
  }
}

scope.onmessage = ({ data }) => {
  obey(data).then((answer) => scope.postMessage(answer));
};
