/** How much of a response a connection takes. */

import type { BodyBounds } from "../../http1/body_decoder.ts";
import type { HeadBounds } from "../../http1/head.ts";

export interface ResponseBounds {
  readonly head: HeadBounds;
  readonly body: BodyBounds;
}
