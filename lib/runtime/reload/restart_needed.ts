/** What a reload cannot change, as messages. */

import { needsWorkerThreads } from "../../config/threads.ts";
import type { Config } from "../../config/types.ts";

export function restartNeeded(running: Config, next: Config): readonly string[] {
  const messages: string[] = [];
  if (running.server.workers !== next.server.workers) {
    const { workers } = running.server;
    messages.push(`server.workers: stays ${workers} until a restart, the file says ${next.server.workers}`);
  }
  if (!needsWorkerThreads(running) && needsWorkerThreads(next) && next.server.workers === 1) {
    messages.push(
      'listeners: the first with TLS and engine = "serve"; until a restart it shares its thread with the admin listener',
    );
  }
  if (JSON.stringify(running.admin) !== JSON.stringify(next.admin)) {
    messages.push("admin: stays as it is until a restart");
  }
  return messages;
}
