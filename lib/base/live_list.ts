/**
 * Who is alive right now, when members come and go thousands of times a second: an unordered array whose members know
 * their index in it.
 *
 * A `Set` was rejected, and not for its price a call. Each time its table is full a `Set` makes a new one, and the old
 * one, garbage with all its keys still in it, goes on pointing to the new one. Once one of that chain has lived long
 * enough to count as old, every later table is kept with all that it holds until the next full collection: of the
 * exchanges that had ended two kilobytes each were dragged along by every young collection (3 ms each instead of 0.2).
 */

export interface Listed {
  /** Index in its list; owned by `LiveList`, -1 outside. One list a member. */
  listIndex: number;
}

export class LiveList<T extends Listed> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** @param member Not in a list yet. */
  add(member: T): void {
    member.listIndex = this.#members.length;
    this.#members.push(member);
  }

  /** @returns Whether it was in the list. */
  remove(member: T): boolean {
    const index = member.listIndex;
    if (index < 0) return false;
    const last = this.#members.pop()!;
    if (last !== member) {
      this.#members[index] = last;
      last.listIndex = index;
    }
    member.listIndex = -1;
    return true;
  }

  /** As they are now; the list may change meanwhile. */
  snapshot(): T[] {
    return this.#members.slice();
  }
}
