/** Compiles a configuration beside nothing: for commands that look at a plan and run none. */

import { SYSTEM_CLOCK } from "../../base/clock.ts";
import { createRandom } from "../../base/random.ts";
import type { Config } from "../../config/types.ts";
import { compile } from "../../plan/compile.ts";
import { JudgedHealth } from "../../plan/health_source.ts";
import { Resources } from "../../plan/resources.ts";
import type { Plan } from "../../plan/types.ts";
import { makeRouteHandler } from "../../proxy/route_handler.ts";
import { Deadlines } from "../../transport/deadlines.ts";

/** @throws {ConfigError} for what only shows when it is put together. */
export function dryCompile(config: Config): Promise<Plan> {
  const clock = SYSTEM_CLOCK;
  const resources = new Resources({ clock, deadlines: new Deadlines(() => clock.nowMs()), onHealthChange: () => {} });
  return compile(config, {
    resources,
    generation: 1,
    health: new JudgedHealth(new Set()),
    stickySecret: "none: no cookie is made",
    random: createRandom(1),
    makeHandler: makeRouteHandler,
  });
}
