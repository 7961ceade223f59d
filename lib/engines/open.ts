/** Opens a listener with the engine that its configuration names: the only place that looks at the name. */

import type { EngineListener, ListenerOptions } from "./listener.ts";
import { ServeListener } from "./serve/listener.ts";
import { WireListener } from "./wire/listener.ts";

/** Listens at once. @throws {Deno.errors.AddrInUse} and what else listening throws. */
export function openListener(options: ListenerOptions): EngineListener {
  switch (options.config.engine) {
    case "serve":
      return new ServeListener(options);
    case "wire":
      return new WireListener(options);
  }
}
