/** What went wrong with a configuration, for people, a line each. */

import { ConfigError, formatIssue } from "../../config/issue.ts";
import { AccessLogError } from "../logs/access_log.ts";
import { ListenError } from "../serving/listener_set.ts";
import { PermissionError } from "./permissions.ts";

export class StoppingError extends Error {
  override readonly name = "StoppingError";

  constructor() {
    super("sluice is shutting down");
  }
}

export function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.issues.map((issue) => formatIssue(error.path, issue));
  const isForPeople = error instanceof PermissionError || error instanceof ListenError ||
    error instanceof AccessLogError || error instanceof StoppingError;
  if (isForPeople) return error.message.split("\n");
  return [`internal error: ${error instanceof Error ? error.stack ?? error.message : String(error)}`];
}
