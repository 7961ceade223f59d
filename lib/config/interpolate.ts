/** `${NAME}` and `${NAME:-default}` inside strings; `$${` is a literal `${`. */

/** The value of an environment variable, or undefined. */
export type Environment = (name: string) => string | undefined;

export interface Interpolation {
  readonly text: string;
  /** Variables that were read. */
  readonly names: readonly string[];
  /** One message for each reference that cannot be replaced. */
  readonly faults: readonly string[];
}

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** Replaces once: what a variable holds is not looked at again. As in a shell, an empty value takes the default. */
export function interpolate(text: string, env: Environment): Interpolation {
  if (!text.includes("${")) return { text, names: [], faults: [] };
  const names: string[] = [];
  const faults: string[] = [];
  const result = text.replace(REFERENCE, (whole: string, body: string | undefined, close: string | undefined) => {
    if (body === undefined) return "${";
    const match = NAME.exec(body);
    if (close === "" || match === null) {
      faults.push(
        `${JSON.stringify(whole)} is no variable; write "\${NAME}" or "\${NAME:-default}", or "$\${" for "\${"`,
      );
      return "";
    }
    const [, name, fallback] = match;
    names.push(name);
    const value = env(name);
    if (value !== undefined && (value !== "" || fallback === undefined)) return value;
    if (fallback !== undefined) return fallback;
    faults.push(`environment variable "${name}" is not set; set it, or give a default: "\${${name}:-…}"`);
    return "";
  });
  return { text: result, names, faults };
}
