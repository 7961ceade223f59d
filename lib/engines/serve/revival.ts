/**
 * Listens again when `Deno.serve` has given up.
 *
 * Deno ends its accept loop, for good, at the first `accept()` that fails: out of descriptors (EMFILE), but also a client
 * that was gone before it was accepted (ECONNABORTED). The listening socket is closed then; connections that are open go
 * on. So a new one is opened in its place, at first at once, then ever more slowly: to listen takes a descriptor too, and
 * while there is none clients are refused, which they hear at once.
 *
 * A *spell* lasts from the first failure until a listener has stayed open for a while and has brought a request: to listen
 * succeeds while there is no descriptor for a client, and nobody hears of clients that wait. If it drags on, what holds the
 * descriptors will not go away by itself: `Deno.serve` has no timeout for idle connections. Then the idle ones have to
 * give (`shed`), as in other proxies, so that new clients are served.
 */

const FIRST_WAIT_MS = 25;
const WAIT_MS_MAX = 1000;
/** A listener that lives for so long has found descriptors to spare. */
const CALM_MS = 2000;
/** Long enough for a burst to pass and for requests in flight to end. */
const SHED_AFTER_MS = 10_000;

export interface RevivalParts {
  nowMs(): number;
  /** @throws when it can't listen yet. */
  reopen(): void;
  /** Closes idle connections of listeners that failed. */
  shed(): void;
  /** At the beginning of a spell, and when the reason changes. */
  onFailed(error: unknown): void;
  /** At the end of a spell. */
  onRestored(facts: { readonly afterMs: number; readonly failures: number }): void;
}

export class Revival {
  readonly #parts: RevivalParts;
  #sinceMs = -1;
  #failures = 0;
  #waitMs = FIRST_WAIT_MS;
  #message = "";
  /** The present listener has stayed open. */
  #isCalm = false;
  /** The present listener has brought a request. */
  #hasServed = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(parts: RevivalParts) {
    this.#parts = parts;
  }

  /** The listener has failed: opens another one soon. */
  begin(error: unknown): void {
    const nowMs = this.#parts.nowMs();
    this.#isCalm = this.#hasServed = false;
    if (this.#sinceMs < 0) this.#sinceMs = nowMs;
    this.#failures++;
    const message = error instanceof Error ? error.message : String(error);
    if (message !== this.#message) this.#parts.onFailed(error);
    this.#message = message;
    if (nowMs - this.#sinceMs >= SHED_AFTER_MS) this.#parts.shed();
    this.#after(this.#waitMs, () => this.#reopen());
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MS_MAX);
  }

  /** A request came by the listener that was opened last. */
  served(): void {
    if (this.#sinceMs < 0 || this.#hasServed) return;
    this.#hasServed = true;
    if (this.#isCalm) this.#end();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #reopen(): void {
    try {
      this.#parts.reopen();
    } catch (error) {
      return this.begin(error);
    }
    this.#after(CALM_MS, () => {
      this.#isCalm = true;
      if (this.#hasServed) this.#end();
    });
  }

  #end(): void {
    this.#parts.onRestored({ afterMs: this.#parts.nowMs() - this.#sinceMs, failures: this.#failures });
    this.#sinceMs = -1;
    this.#failures = 0;
    this.#waitMs = FIRST_WAIT_MS;
    this.#message = "";
  }

  #after(ms: number, work: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(work, ms);
  }
}
