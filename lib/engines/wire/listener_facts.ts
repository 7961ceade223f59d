import type { ListenerLimits } from "../../config/types.ts";
import type { HeadBounds } from "../../http1/head.ts";

/** What all connections of a wire listener share. Replaced, never changed, when the configuration does. */
export interface WireListenerFacts {
  readonly isSecure: boolean;
  readonly limits: ListenerLimits;
  readonly bounds: HeadBounds;
  readonly onBug: (error: unknown) => void;
}
