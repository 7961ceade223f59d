/**
 * What came from the environment, and what is shown instead: `${NAME}`.
 *
 * Where it stands decides, not what it looks like. A key whose text holds the content of a variable is shown with the
 * variable's name, and a message about such a key is made from its description alone: neither a parser's complaint nor a
 * hint may repeat a part of the value. `redactor()` is the second line: messages that others make (the system about a
 * path, a parser, TLS) go through it before they are shown.
 */

export interface Masks {
  /** By key path, folded by `foldPath()`: the text with `${NAME}` where a variable's content stands. */
  readonly shown: ReadonlyMap<string, string>;
  /** The texts of those keys, as they take effect, each with what is shown for it. */
  readonly texts: ReadonlyArray<readonly [text: string, shown: string]>;
  /** Contents of the variables, each with its reference. */
  readonly contents: ReadonlyArray<readonly [content: string, reference: string]>;
}

export const NO_MASKS: Masks = { shown: new Map(), texts: [], contents: [] };

/** Shorter contents are not looked for inside of other words: "80" and "dev" stand in many of them. */
const CONTENT_LENGTH_MIN = 6;

/** Names of fields may be written in another case than they are kept, and with or without quotes. */
export function foldPath(path: string): string {
  return path.toLowerCase().replaceAll('"', "");
}

/** @returns What is shown for the key instead of its value; undefined: the value itself may be. */
export function maskAt({ shown }: Masks, path: string): string | undefined {
  return shown.size === 0 ? undefined : shown.get(foldPath(path));
}

/** The value, or what is shown instead. */
export function shownAt(masks: Masks, path: string, value: string): string {
  return maskAt(masks, path) ?? value;
}

/** As `shownAt()` for a list, whose elements may come from variables each by itself; one may stand without brackets. */
export function shownList(masks: Masks, path: string, values: readonly string[]): readonly string[] {
  return values.map((value, index) => maskAt(masks, `${path}[${index}]`) ?? shownAt(masks, path, value));
}

/** The mask of a key that is secret as a whole: what is written beside a variable is not shown either. */
export function secretMask(shown: string | undefined): string {
  return shown !== undefined && /^\$\{\w+\}$/.test(shown) ? shown : "***";
}

/**
 * Makes a function that puts `${NAME}` in the place of what came from the environment, wherever it stands in quotes, and
 * of contents that are long enough wherever they stand. Linear in the text.
 */
export function redactor({ texts, contents }: Masks): (text: string) => string {
  const replacements = new Map<string, string>();
  for (const [text, shown] of texts) {
    for (const part of [text, ...piecesOf(text, contents)]) {
      for (const form of formsOf(part)) if (form !== "") replacements.set(`"${form}"`, `"${shown}"`);
    }
  }
  for (const [content, reference] of contents) {
    for (const part of [content, ...content.split(/[\r\n]+/).map((line) => line.trim())]) {
      if (part.length < CONTENT_LENGTH_MIN) continue;
      for (const form of formsOf(part)) replacements.set(form, reference);
    }
  }
  if (replacements.size === 0) return withoutUserInfo;
  const alternatives = [...replacements.keys()].sort((a, b) => b.length - a.length).map(RegExp.escape);
  const pattern = new RegExp(alternatives.join("|"), "g");
  return (text) => withoutUserInfo(text.replace(pattern, (found) => replacements.get(found) ?? ""));
}

/** Segments of a path are told one by one, too. */
function piecesOf(text: string, contents: Masks["contents"]): readonly string[] {
  return text.split("/").filter((piece) =>
    piece !== "" && contents.some(([content]) => content.includes(piece) || (content !== "" && piece.includes(content)))
  );
}

function formsOf(text: string): readonly string[] {
  const escaped = JSON.stringify(text).slice(1, -1);
  return [...new Set([text, escaped, text.toLowerCase(), escaped.toLowerCase()])];
}

/**
 * `https://***@host/` for `https://user:password@host/`, anywhere in a text. A user or password that is not valid may
 * hold anything, so all goes up to the last "@" before the quote that ends the text, a space outside of quotes, or the
 * end.
 */
export function withoutUserInfo(text: string): string {
  let from = text.indexOf("://");
  if (from === -1 || !text.includes("@", from)) return text;
  let result = "";
  let at = 0;
  let isQuoted = false;
  let counted = 0;
  while (from !== -1) {
    const start = from + "://".length;
    for (; counted < start; counted++) {
      if (text[counted] === "\\") counted++;
      else if (text[counted] === '"') isQuoted = !isQuoted;
    }
    const end = endOfWord(text, start, isQuoted ? '"' : '" ');
    const sign = text.lastIndexOf("@", end - 1);
    if (sign >= start) {
      result += `${text.slice(at, start)}***`;
      at = sign;
    }
    from = text.indexOf("://", end);
  }
  return result + text.slice(at);
}

function endOfWord(text: string, start: number, ends: string): number {
  let at = start;
  while (at < text.length && !ends.includes(text[at])) at += text[at] === "\\" ? 2 : 1;
  return Math.min(at, text.length);
}
