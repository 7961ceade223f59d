/** A Containerfile as its instructions: enough of the format for ours, and an error for what it does not know. */

export interface Instruction {
  /** Upper case. */
  readonly name: string;
  /** `--key=value` in front of the rest, without the dashes. */
  readonly flags: Readonly<Record<string, string>>;
  /** What is left, with continued lines joined by a space. */
  readonly rest: string;
}

const INSTRUCTIONS: ReadonlySet<string> = new Set(
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR"
    .split(
      " ",
    ),
);

/** @throws {SyntaxError} At an unknown instruction. */
export function parseContainerfile(text: string): Instruction[] {
  const lines = text.split("\n").filter((line) => !/^\s*(#|$)/.test(line)).join("\n").replace(/\\\n\s*/g, " ");
  return lines.split("\n").map((line) => {
    const [, name, tail] = /^(\S+)\s*(.*)$/.exec(line.trim())!;
    if (!INSTRUCTIONS.has(name)) throw new SyntaxError(`no instruction of a Containerfile: "${name}"`);
    const flags: Record<string, string> = {};
    let rest = tail;
    for (let match; (match = /^--([a-z-]+)=(\S+)\s+/.exec(rest)) !== null; rest = rest.slice(match[0].length)) {
      flags[match[1]] = match[2];
    }
    return { name, flags, rest };
  });
}

/**
 * The words of an instruction in exec form.
 *
 * @throws {SyntaxError} When it is in shell form, or no list of strings.
 */
export function execForm(rest: string): string[] {
  const words: unknown = JSON.parse(rest);
  if (!Array.isArray(words) || words.some((word) => typeof word !== "string")) {
    throw new SyntaxError(`not in exec form: ${rest}`);
  }
  return words;
}
