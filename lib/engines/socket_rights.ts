/**
 * Who may connect to a Unix socket: its mode and group.
 *
 * A socket is made with what the umask leaves, and listens at once. Where Deno lets us set the umask (`--allow-sys`, which
 * takes no name for it; nothing else here needs it, so that we don't ask for it), it is made with 0600 and gets its group
 * and then its mode: at no moment may anybody connect who may not at the end. Elsewhere group and mode follow directly, and
 * for some microseconds the umask counts; the usual 022 lets nobody but the owner connect.
 */

import type { ListenAddress } from "../config/types.ts";

export interface SocketPlace {
  readonly address: ListenAddress;
  /** Octal; null: as the umask has it, or 0660 with a group. */
  readonly mode: string | null;
  readonly group: string | null;
  /** The number of the group; -1 for none. */
  readonly gid: number;
}

const OWNER_ONLY = 0o177;
/** With a group: who gives one means it to connect. */
const GROUP_MODE = 0o660;

/**
 * Listens with `bind`, and sees to the rights when it is a Unix socket that says any.
 *
 * @param close What was bound, when its rights can't be set.
 * @throws What `bind` throws, and when the rights can't be set; nothing listens then.
 */
export function bindSocket<T>(place: SocketPlace, bind: () => T, close: (bound: T) => void): T {
  if (!hasRights(place)) return bind();
  const bound = withUmask(bind);
  try {
    setRights(place);
    return bound;
  } catch (error) {
    close(bound); // Deno removes the file with it
    throw error;
  }
}

/**
 * Of a socket that stays open. What a configuration no longer says stays as it is until the socket is made anew.
 *
 * @returns Takes it back.
 * @throws {Error} For people; nothing has changed then.
 */
export function changeRights(from: SocketPlace, to: SocketPlace): () => void {
  const { address } = to;
  if (address.kind !== "unix" || !hasRights(to) || (from.mode === to.mode && from.gid === to.gid)) return () => {};
  const { path } = address;
  const { mode, gid } = Deno.statSync(path);
  setRights(to);
  return () => {
    Deno.chownSync(path, null, gid);
    Deno.chmodSync(path, (mode ?? 0) & 0o7777);
  };
}

function hasRights({ address, mode, gid }: SocketPlace): boolean {
  return address.kind === "unix" && (mode !== null || gid >= 0);
}

/** Gives a socket that listens its rights. @throws {Error} For people. */
function setRights({ address, mode, group, gid }: SocketPlace): void {
  if (address.kind !== "unix") return;
  try {
    if (gid >= 0) Deno.chownSync(address.path, null, gid);
  } catch (error) {
    const reason = error instanceof Deno.errors.PermissionDenied ? "only its members may, and root" : String(error);
    throw new Error(`cannot give the socket to group ${group}: ${reason}`, { cause: error });
  }
  Deno.chmodSync(address.path, mode === null ? GROUP_MODE : parseInt(mode, 8));
}

/** Synchronous throughout: nothing else of this thread makes a file meanwhile. */
function withUmask<T>(bind: () => T): T {
  if (!maySetUmask()) return bind();
  const before = Deno.umask(OWNER_ONLY);
  try {
    return bind();
  } finally {
    Deno.umask(before);
  }
}

/** Asked first: without leave `Deno.umask` would prompt on a terminal. */
function maySetUmask(): boolean {
  return Deno.build.os !== "windows" && Deno.permissions.querySync({ name: "sys" }).state === "granted";
}
