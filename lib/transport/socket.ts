/**
 * Reading and writing a connection: the two calls that every byte comes by.
 *
 * `Deno.Conn` wraps both in async functions, and notes each read in a set in case somebody calls `unref()`: two of the six
 * kilobytes that a small request allocates. So they are called where `Deno.Conn` calls them, in the runtime's core: the
 * same operations, the same errors, without the wrapping. The core is no public API: where it is not as expected, and with
 * `features.fast_path` off, `Deno.Conn` is used as it is.
 *
 * bench/micro/socket_bench.ts: a write and a read 9.4 µs by `Deno.Conn`, 7.6 by the core.
 */

import { takesFastPath } from "../base/fast_path.ts";

interface Core {
  readonly internalRidSymbol: symbol;
  /** @returns Bytes read, 0 at the end. */
  read(rid: number, into: Uint8Array): Promise<number>;
  write(rid: number, bytes: Uint8Array): Promise<number>;
}

const CORE: Core | null = findCore();
const NO_RID = -1;

export class Socket {
  readonly #conn: Deno.Conn;
  readonly #rid: number;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.#rid = CORE !== null && takesFastPath() ? ridOf(conn, CORE) : NO_RID;
  }

  /** @param into 1 byte or more. @returns Bytes read, 0 at the end. Rejects as `Deno.Conn` does. */
  read(into: Uint8Array): Promise<number> {
    return this.#rid === NO_RID ? readPlainly(this.#conn, into) : CORE!.read(this.#rid, into);
  }

  /** @returns Bytes written, which may be less than there are. Rejects as `Deno.Conn` does. */
  write(bytes: Uint8Array): Promise<number> {
    return this.#rid === NO_RID ? this.#conn.write(bytes) : CORE!.write(this.#rid, bytes);
  }
}

async function readPlainly(conn: Deno.Conn, into: Uint8Array): Promise<number> {
  return await conn.read(into) ?? 0;
}

/** `NO_RID` for what is no connection of Deno's own. */
function ridOf(conn: Deno.Conn, { internalRidSymbol }: Core): number {
  const rid = (conn as unknown as Record<symbol, unknown>)[internalRidSymbol];
  return typeof rid === "number" ? rid : NO_RID;
}

/** Null when this runtime has none such. */
function findCore(): Core | null {
  const deno = Deno as unknown as { internal?: symbol } & Record<symbol, { core?: Partial<Core> } | undefined>;
  const core = deno.internal === undefined ? undefined : deno[deno.internal]?.core;
  const isKnown = typeof core?.internalRidSymbol === "symbol" && typeof core.read === "function" &&
    typeof core.write === "function";
  return isKnown ? core as Core : null;
}
