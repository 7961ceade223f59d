/** `${NAME}` and `${NAME:-default}` inside strings; `$${` is a literal `${`. */

/** The value of an environment variable, or undefined. */
export type Environment = (name: string) => string | undefined;

/** Names that a text may refer to; null: any. */
export type AllowedNames = ReadonlySet<string> | null;

export interface Interpolation {
  readonly text: string;
  /** The text with `${NAME}` where it holds what a variable does: what may be printed. A default is the file's own. */
  readonly shown: string;
  /** Variables whose content is in the text. */
  readonly contents: ReadonlyArray<readonly [name: string, content: string]>;
  /** Variables that were read. */
  readonly names: readonly string[];
  /** One message for each reference that cannot be replaced. */
  readonly faults: readonly string[];
}

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** Replaces once: what a variable holds is not looked at again. As in a shell, an empty value takes the default. */
export function interpolate(text: string, env: Environment, allowed: AllowedNames = null): Interpolation {
  if (!text.includes("${")) return { text, shown: text, contents: [], names: [], faults: [] };
  const names: string[] = [];
  const faults: string[] = [];
  const contents: Array<readonly [name: string, content: string]> = [];
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(REFERENCE)) {
    pieces.push(literal(text.slice(at, match.index)));
    at = match.index + match[0].length;
    const [whole, body, close] = match;
    if (body === undefined) {
      pieces.push(literal("${"));
      continue;
    }
    const reference = NAME.exec(body);
    if (close === "" || reference === null) {
      faults.push(
        `${JSON.stringify(whole)} is no variable; write "\${NAME}" or "\${NAME:-default}", or "$\${" for "\${"`,
      );
      continue;
    }
    const [, name, fallback] = reference;
    names.push(name);
    if (allowed?.has(name) === false) {
      faults.push(
        `environment variable "${name}" is none that the running configuration uses, so it may not be read here`,
      );
      continue;
    }
    const value = env(name);
    if (value !== undefined && (value !== "" || fallback === undefined)) {
      contents.push([name, value]);
      pieces.push({ text: value, shown: `\${${name}}` });
    } else if (fallback !== undefined) pieces.push(literal(fallback));
    else faults.push(`environment variable "${name}" is not set; set it, or give a default: "\${${name}:-…}"`);
  }
  pieces.push(literal(text.slice(at)));
  const joined = (part: keyof Piece) => pieces.map((piece) => piece[part]).join("");
  return { text: joined("text"), shown: joined("shown"), contents, names, faults };
}

interface Piece {
  readonly text: string;
  readonly shown: string;
}

/** A piece of the file, which may be shown as it is. */
function literal(text: string): Piece {
  return { text, shown: text };
}
