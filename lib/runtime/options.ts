/** What a running proxy is started with. */

import type { Clock } from "../base/clock.ts";
import type { EventRings } from "./operator/event_rings.ts";
import type { EventLog } from "./logs/event_log.ts";

export interface SluiceOptions {
  readonly version: string;
  /** As the user wrote it. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: EventLog;
  /** What the admin side tells of the last things that happened. */
  readonly events: EventRings;
  /** Seeds the generator for selection and jitter. */
  readonly seed: number;
  /** For sticky cookies of upstreams without a secret of their own. */
  readonly stickySecret: string;
}
