/** How long a client may take for what it is sent: silence and slowness, each with its bound. */

import type { ErrorCode } from "../base/errors.ts";
import { BodyPace, WINDOW_FACTOR } from "../proxy/message/body_pace.ts";
import type { Deadlines } from "../transport/deadlines.ts";
import { takenWithinMs } from "../transport/send_buffer.ts";

interface TakenBounds {
  readonly bodyTimeoutMs: number;
  readonly bodyRateMin: number;
}

export class TakenPace {
  /** What is the matter when it has passed. */
  code: ErrorCode = "client_gone";
  readonly #deadlines: Deadlines;
  readonly #silenceMs: number;
  readonly #pace: BodyPace | null;

  constructor({ bodyTimeoutMs, bodyRateMin }: TakenBounds, deadlines: Deadlines) {
    this.#deadlines = deadlines;
    this.#silenceMs = bodyTimeoutMs;
    this.#pace = bodyRateMin > 0 && bodyTimeoutMs > 0 ? new BodyPace(bodyRateMin, 0) : null;
  }

  /** Something is handed over. @param sentBytes Before. @returns ms in which some of it has to be taken; 0: for ever. */
  begin(sentBytes: number): number {
    const silenceMs = takenWithinMs(this.#silenceMs, sentBytes);
    if (this.#pace === null) return silenceMs;
    this.#pace.widen(WINDOW_FACTOR * silenceMs);
    const leftMs = this.#pace.begin(this.#deadlines.recentMs);
    this.code = leftMs < silenceMs ? "client_too_slow" : "client_gone";
    return Math.min(leftMs, silenceMs);
  }

  end(takenBytes: number): void {
    this.#pace?.end(takenBytes, this.#deadlines.recentMs);
    this.code = "client_gone";
  }
}
