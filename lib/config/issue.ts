/** What is wrong with a configuration: a list, so that one run shows every problem. */

export interface ConfigIssue {
  /** 1-based line of the file; 0 when the problem is not in its text. */
  readonly line: number;
  /**
   * Path of the key, such as `upstreams.api.backends[1].weight`; with line 0 the name of an environment variable.
   * "" when the problem belongs to no key.
   */
  readonly key: string;
  /** What is wrong and what would be right; lower case, no period. */
  readonly message: string;
}

/** A configuration that cannot be used. The message holds every issue, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** The path of the file, as the user gave it. */
  readonly path: string;
  /** At least one, in the order of their lines. */
  readonly issues: readonly ConfigIssue[];

  constructor(path: string, issues: readonly ConfigIssue[]) {
    const sorted = sortIssues(issues);
    super(sorted.map((issue) => formatIssue(path, issue)).join("\n"));
    this.path = path;
    this.issues = sorted;
  }
}

/** `config.toml:14: upstreams.api.strategy: unknown strategy …`, or `SLUICE_POOL_QUEUE: must be …`. */
export function formatIssue(path: string, issue: ConfigIssue): string {
  const prefix = issue.line > 0 ? `${path}:${issue.line}: ` : issue.key === "" ? `${path}: ` : "";
  return `${prefix}${issue.key === "" ? "" : `${issue.key}: `}${issue.message}`;
}

/** By line, those of the environment first; problems of one line keep their order. */
export function sortIssues(issues: readonly ConfigIssue[]): readonly ConfigIssue[] {
  return [...issues].sort((a, b) => a.line - b.line);
}
