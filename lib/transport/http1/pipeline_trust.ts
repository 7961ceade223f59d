/**
 * Whether a backend can be trusted with several requests on one connection.
 *
 * One that closes behind each answer, loses what was sent behind the first request or answers out of turn costs a
 * repetition each time. Such breaks are counted over a window: when there are several *and* they cost a fair share of the
 * answers that came behind others, the backend falls back to one request a connection for a while. Both, because a backend that closes a
 * connection after its thousandth request breaks often under load and costs next to nothing; and because a dying process
 * closes all its connections at once, which is one break and not many.
 *
 * More answers than requests is worse: had there been another request, it would have got a stranger's answer. That is
 * enough at once.
 *
 * Pure. Milliseconds on the caller's monotonic clock.
 */

const WINDOW_MS = 10_000;
const BREAKS_MAX = 5;
/** Requests lost per answer that came behind others. */
const LOST_SHARE_MAX = 0.1;
/** Breaks closer to one another have one cause. */
const SAME_CAUSE_MS = 20;
export const FALLBACK_MS = 60_000;

export class PipelineTrust {
  #windowAtMs = -Infinity;
  #breaks = 0;
  #lost = 0;
  #answered = 0;
  #brokeAtMs = -Infinity;
  #fallbackUntilMs = -Infinity;

  isTrusted(nowMs: number): boolean {
    return nowMs >= this.#fallbackUntilMs;
  }

  /** A request that had others before it on its connection got its answer. */
  onAnswered(): void {
    this.#answered++;
  }

  /**
   * @param lost Requests that have to be repeated because of it.
   * @returns Whether it was one too many: the fallback begins.
   */
  onBroken(lost: number, nowMs: number): boolean {
    if (nowMs - this.#windowAtMs >= WINDOW_MS) this.#restart(nowMs);
    this.#lost += lost;
    if (nowMs - this.#brokeAtMs >= SAME_CAUSE_MS) this.#breaks++;
    this.#brokeAtMs = nowMs;
    return this.#breaks >= BREAKS_MAX && this.#lost >= this.#answered * LOST_SHARE_MAX && this.#fallBack(nowMs);
  }

  /** More came than was asked for. @returns Whether the fallback begins. */
  onSurplus(nowMs: number): boolean {
    return this.#fallBack(nowMs);
  }

  #fallBack(nowMs: number): boolean {
    if (!this.isTrusted(nowMs)) return false;
    this.#fallbackUntilMs = nowMs + FALLBACK_MS;
    this.#restart(nowMs);
    return true;
  }

  #restart(nowMs: number): void {
    this.#windowAtMs = nowMs;
    this.#breaks = 0;
    this.#lost = 0;
    this.#answered = 0;
  }
}
