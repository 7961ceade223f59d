/**
 * How long a circuit waits before it lets a request through: doubling at each opening, from `openMs` to `maxOpenMs`.
 *
 * It starts over when the backend has been in service for as long as its last wait and at least one window: shorter good
 * spells are flapping. Times are ms of the caller's monotonic clock.
 */

import type { HealthSettings } from "./settings.ts";

export class OpenWait {
  readonly #circuit: HealthSettings["circuit"];
  /** When the backend last came into service. */
  #closedAtMs: number;
  /** The last wait, whether running or served; 0 before the first opening. */
  ms = 0;
  /** Openings in a row without a calm spell between them. */
  openings = 0;

  constructor(circuit: HealthSettings["circuit"], nowMs: number) {
    this.#circuit = circuit;
    this.#closedAtMs = nowMs;
  }

  /**
   * @param isReopening The backend was not in service.
   * @returns Whether it has opened before, with no calm spell in between.
   */
  open(nowMs: number, isReopening: boolean): boolean {
    const { openMs, maxOpenMs, windowMs } = this.#circuit;
    const wasCalm = !isReopening && nowMs - this.#closedAtMs >= Math.max(this.ms, windowMs);
    const isRepeated = this.openings > 0 && !wasCalm;
    this.ms = Math.min(isRepeated ? this.ms * 2 : openMs, maxOpenMs);
    this.openings = isRepeated ? this.openings + 1 : 1;
    return isRepeated;
  }

  close(nowMs: number): void {
    this.#closedAtMs = nowMs;
  }

  /** The next opening is the first. */
  forget(): void {
    this.openings = 0;
  }
}
