/**
 * Waiting on events with an end to it. Nothing in the tests sleeps: it waits until something has happened, and says
 * what has happened so far when that takes too long.
 */

/** Bounds every wait of the harness unless the caller names another. Generous: machines of CI are slow. */
export const DEADLINE_MS = 5_000;

export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * @param describe Called only when the deadline passes; says what was wanted and what there is.
 * @throws {DeadlineError}
 */
export async function withDeadline<T>(work: PromiseLike<T>, deadlineMs: number, describe: () => string): Promise<T> {
  const expiry = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    expiry.reject(new DeadlineError(`Waited ${deadlineMs} ms in vain: ${describe()}`));
  }, deadlineMs);
  try {
    return await Promise.race([work, expiry.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets waiters look again whenever its owner's state changes. */
export class Watch {
  readonly #checks = new Set<() => void>();

  notify(): void {
    for (const check of this.#checks) check();
  }

  /** Resolves as soon as `isMet()`; looks at once and after each `notify()`. Rejects with what `isMet` throws. */
  async until(isMet: () => boolean, describe: () => string, deadlineMs = DEADLINE_MS): Promise<void> {
    if (isMet()) return;
    const met = Promise.withResolvers<void>();
    const check = () => {
      try {
        if (isMet()) met.resolve();
      } catch (error) {
        met.reject(error);
      }
    };
    this.#checks.add(check);
    try {
      await withDeadline(met.promise, deadlineMs, describe);
    } finally {
      this.#checks.delete(check);
    }
  }
}

/** A door that a test opens once; scripts wait behind it. */
export class Gate {
  readonly opened: Promise<void>;
  readonly #open: () => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.opened = promise;
    this.#open = resolve;
  }

  open(): void {
    this.#open();
  }
}
