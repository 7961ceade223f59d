/**
 * The switch of `features.fast_path`, for this thread.
 *
 * What goes by it does the same in fewer steps, and could be wrong in a way that the plain way can't: it remembers what
 * came before (hosts, targets, fields, what a backend is told of a client), has buffers pass from one exchange to another,
 * sends a request's body with its head, or goes past `Deno.Conn`. It is one variable and not a part of the plan because a
 * request's head is read before it has a plan; moving it in the middle of an exchange changes nothing for that exchange
 * but its cost.
 */

let isTaken = true;

export function takesFastPath(): boolean {
  return isTaken;
}

export function useFastPath(isWanted: boolean): void {
  isTaken = isWanted;
}
