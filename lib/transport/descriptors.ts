/**
 * Whether this process can open another connection to a backend and still have descriptors for everything else: clients
 * that come, the admin listener, files, logs. A request is refused before the first call fails with EMFILE, because that
 * call may be somebody else's: an accept, a name look-up, a certificate that is read.
 *
 * Deno tells the limit (`/proc/self/limits`) only to a process that may do everything, and raises the soft limit to the
 * hard one by itself. So nothing is read: descriptors are opened for a moment, as many as are to be free, and closed again.
 * That counts what no counter of ours sees (idle clients of `Deno.serve`, files, other threads), needs no permission that
 * is not there, and is the same on every system. It costs some ten microseconds a descriptor, so it is done only when
 * connections have grown beyond what the last look has proved, and again after `PROOF_MS`, while any are opened at all.
 *
 * Each thread looks for itself, at descriptors that all threads share: the limit is the process's.
 */

import type { DescriptorBudget } from "./pool_settings.ts";

/** What stays free, where there are enough: new clients, probes, admin, files. */
const RESERVE_MAX = 128;
/** … and where there are few: an eighth of what there seems to be, but no less. */
const RESERVE_MIN = 24;
const RESERVE_SHARE = 1 / 8;
/** So many connections are opened without a look: any process may have that many. */
const UNPROVED_MAX = 48;
/** Connections that one look is good for: a quarter of those that are open, within these. */
const STEP_MIN = 32;
const STEP_MAX = 128;
/** A connection to a backend comes with one of a client, as a rule. */
const DESCRIPTORS_EACH = 2;
/** Others open descriptors, too: a look is good for so long. */
const PROOF_MS = 5000;
/** After a look that found too few, the next one. */
const PAUSE_MS = 100;
/** Few descriptors come and go for a while; it is one event in the log. */
const CALM_MS = 2000;

export interface DescriptorsParts {
  /** Opens a descriptor. @throws with the code EMFILE or ENFILE when there is none. */
  readonly open: () => { close(): void };
  /** There are too few: refused from now on. Connections that nobody uses may be closed for others. */
  readonly onShort: (facts: { readonly free: number; readonly connections: number }) => void;
  /** There have been enough for a while. */
  readonly onRestored: (facts: { readonly afterMs: number; readonly refused: number }) => void;
}

export class Descriptors implements DescriptorBudget {
  readonly #parts: DescriptorsParts;
  /** Connections to backends of this thread, those that are being opened included. */
  #connections = 0;
  /** Up to here there is room, as far as is known. */
  #provedMax = UNPROVED_MAX;
  #provedAtMs = -Infinity;
  /** When the spell without enough began; -1: there are enough. */
  #shortSinceMs = -1;
  #refusedAtMs = -Infinity;
  #lookedAtMs = -Infinity;
  #refused = 0;

  constructor(parts: DescriptorsParts) {
    this.#parts = parts;
  }

  get connections(): number {
    return this.#connections;
  }

  opening(): void {
    this.#connections++;
  }

  closed(): void {
    this.#connections--;
  }

  mayOpen(nowMs: number): boolean {
    if (this.#connections < UNPROVED_MAX && this.#shortSinceMs < 0) return true;
    const isProved = this.#connections < this.#provedMax && nowMs - this.#provedAtMs < PROOF_MS;
    if (isProved || this.#prove(nowMs)) {
      if (this.#shortSinceMs >= 0 && nowMs - this.#refusedAtMs >= CALM_MS) this.#restored(nowMs);
      return true;
    }
    this.#refused++;
    this.#refusedAtMs = nowMs;
    return false;
  }

  #prove(nowMs: number): boolean {
    if (nowMs - this.#lookedAtMs < PAUSE_MS && this.#shortSinceMs >= 0) return false;
    this.#lookedAtMs = nowMs;
    const step = Math.min(STEP_MAX, Math.max(STEP_MIN, this.#connections >> 2));
    const free = this.#freeUpTo(RESERVE_MAX + step * DESCRIPTORS_EACH);
    const known = free + this.#connections * DESCRIPTORS_EACH;
    const reserve = Math.min(RESERVE_MAX, Math.max(RESERVE_MIN, Math.floor(known * RESERVE_SHARE)));
    const room = Math.floor((free - reserve) / DESCRIPTORS_EACH);
    this.#provedMax = this.#connections + room;
    this.#provedAtMs = nowMs;
    if (room > 0) return true;
    if (this.#shortSinceMs < 0) {
      this.#shortSinceMs = nowMs;
      this.#parts.onShort({ free, connections: this.#connections });
    }
    return false;
  }

  #restored(nowMs: number): void {
    const facts = { afterMs: nowMs - this.#shortSinceMs, refused: this.#refused };
    this.#shortSinceMs = -1;
    this.#refused = 0;
    this.#parts.onRestored(facts);
  }

  /** @returns How many could be opened; any other failure than their want says nothing. */
  #freeUpTo(wanted: number): number {
    const opened: { close(): void }[] = [];
    try {
      while (opened.length < wanted) opened.push(this.#parts.open());
    } catch (error) {
      if (!isWant(error)) return wanted;
    } finally {
      for (const each of opened) each.close();
    }
    return opened.length;
  }
}

function isWant(error: unknown): boolean {
  const code = (error as { code?: string } | null)?.code;
  return code === "EMFILE" || code === "ENFILE";
}
