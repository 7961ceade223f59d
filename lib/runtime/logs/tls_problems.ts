/**
 * Why TLS to backends is refused, as it is found out while connecting; kept until it works, or for another reason does not.
 */

/** The same is told again after so long, ms. */
const AGAIN_MS = 60_000;
/** Backends that are gone may have been told of; the oldest go first. */
const BACKENDS_MAX = 4096;

/** @param problem "": none any more. */
export type TlsNews = (backend: string, problem: string) => void;

export class TlsProblems {
  readonly #nowMs: () => number;
  readonly #onNews: TlsNews;
  readonly #known: Map<string, { readonly problem: string; readonly toldAtMs: number }> = new Map();

  /** @param onNews Told of each change, and from time to time of what stays. */
  constructor(nowMs: () => number, onNews: TlsNews) {
    this.#nowMs = nowMs;
    this.#onNews = onNews;
  }

  /** @param backend "api/b1". */
  tell(backend: string, problem: string): void {
    const known = this.#known.get(backend);
    if (problem === "") {
      if (known === undefined) return; // nearly always
      this.#known.delete(backend);
      this.#onNews(backend, "");
      return;
    }
    const nowMs = this.#nowMs();
    if (known !== undefined && known.problem === problem && nowMs - known.toldAtMs < AGAIN_MS) return;
    this.#known.delete(backend);
    this.#known.set(backend, { problem, toldAtMs: nowMs });
    if (this.#known.size > BACKENDS_MAX) this.#known.delete(this.#known.keys().next().value!);
    this.#onNews(backend, problem);
  }

  /** "" when none is known. */
  of(backend: string): string {
    return this.#known.get(backend)?.problem ?? "";
  }
}
