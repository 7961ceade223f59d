/**
 * What was used and may be used again: a bounded stack, so that what came back last, and is still in the processor's cache,
 * goes out first. With `features.fast_path` off nothing of it goes out, and nothing comes in.
 */

import { takesFastPath } from "./fast_path.ts";

export class FreeList<T> {
  readonly #make: () => T;
  readonly #max: number;
  readonly #items: T[] = [];

  /** @param max Kept at most. */
  constructor(max: number, make: () => T) {
    this.#max = max;
    this.#make = make;
  }

  /** @returns The caller's own. Who loses it does no harm. */
  take(): T {
    return (takesFastPath() ? this.#items.pop() : undefined) ?? this.#make();
  }

  /** @param item Nobody else's any more. */
  giveBack(item: T): void {
    if (takesFastPath() && this.#items.length < this.#max) this.#items.push(item);
  }
}
