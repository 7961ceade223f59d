/** Backups: a second selector, asked only when the first one has nobody left. */

import type { PickInput, Selector } from "./selector.ts";

export class Tiered implements Selector {
  readonly #primary: Selector;
  readonly #backup: Selector;

  constructor(primary: Selector, backup: Selector) {
    this.#primary = primary;
    this.#backup = backup;
  }

  pick(input: PickInput): number {
    const index = this.#primary.pick(input);
    return index !== -1 ? index : this.#backup.pick(input);
  }
}
