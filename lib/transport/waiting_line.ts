/**
 * Who waits for a connection to one backend, in turn by client.
 *
 * One line, first come first served, is what a single client takes from everybody: it has only to ask often. Here each
 * client has a line of its own, and the one that holds the fewest connections comes next; of those that hold as many, the
 * one that was served the longest time ago. Within a client the first comes first, so with one client alone it is the plain line.
 */

export interface Waiting {
  /** Who it is for. */
  readonly client: string;
  /** The order of its coming; written by the line. */
  order: number;
}

export class WaitingLine<T extends Waiting> {
  /** In the order in which clients were served last. None is empty. */
  readonly #lines: Map<string, T[]> = new Map();
  #size = 0;
  #order = 0;

  get size(): number {
    return this.#size;
  }

  /** Who waits; in the order in which they were served last. */
  get clients(): Iterable<string> {
    return this.#lines.keys();
  }

  countOf(client: string): number {
    return this.#lines.get(client)?.length ?? 0;
  }

  push(waiting: T): void {
    waiting.order = this.#order++;
    const line = this.#lines.get(waiting.client);
    if (line === undefined) this.#lines.set(waiting.client, [waiting]);
    else line.push(waiting);
    this.#size++;
  }

  /** @returns Whether it was here. */
  remove(waiting: T): boolean {
    const line = this.#lines.get(waiting.client);
    const index = line === undefined ? -1 : line.indexOf(waiting);
    if (index < 0) return false;
    line!.splice(index, 1);
    if (line!.length === 0) this.#lines.delete(waiting.client);
    this.#size--;
    return true;
  }

  /** Whose turn it is; it stays. @param heldBy Connections of a client. */
  next(heldBy: (client: string) => number): T | null {
    let next: T | null = null;
    let least = Infinity;
    for (const [client, line] of this.#lines) {
      const held = heldBy(client);
      if (held >= least) continue;
      next = line[0];
      least = held;
      if (held === 0) break;
    }
    return next;
  }

  /** Takes one out because it is served: the others of its client come after everybody else's. */
  served(waiting: T): void {
    this.remove(waiting);
    const line = this.#lines.get(waiting.client);
    if (line === undefined) return;
    this.#lines.delete(waiting.client);
    this.#lines.set(waiting.client, line);
  }

  /** The one that has waited longest, whoever it is of; it stays. */
  get oldest(): T | null {
    let oldest: T | null = null;
    for (const [first] of this.#lines.values()) if (oldest === null || first.order < oldest.order) oldest = first;
    return oldest;
  }

  /** The last one of whom most are here of, if they are more than `client` would have with one more; it stays. */
  dispensableFor(client: string): T | null {
    let most = this.countOf(client) + 1;
    let last: T | null = null;
    for (const line of this.#lines.values()) {
      if (line.length <= most) continue;
      most = line.length;
      last = line[line.length - 1];
    }
    return last;
  }

  /** As they are now. */
  snapshot(): T[] {
    return [...this.#lines.values()].flat();
  }
}
