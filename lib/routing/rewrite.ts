/**
 * Rewrite templates: a new request target from what the route's path captured.
 *
 *     path "/v1/*"         rewrite "/*"            /v1/a/b?x=1  ->  /a/b?x=1
 *     path "/users/:id"    rewrite "/u?id=:id"     /users/7?x=1 ->  /u?id=7&x=1
 *
 * `/*` stands for the tail with its slash, so "/v2/*" gives "/v2" for "/v1" and "/v2/" for "/v1/". The original query is
 * kept behind the template's own. Captures are put in as they came, without decoding, with two exceptions:
 *
 *  - The result never begins with "//" or "/\": the run becomes one slash. "/v1//evil.test" under "/*" would otherwise
 *    be a reference to another host when it lands in a Location field, and an authority to some backends.
 *  - Inside the template's query, `&`, `=`, `+`, `;`, `#` are percent-encoded, so that a path segment cannot bring in a
 *    parameter of its own.
 *
 * Control characters and spaces cannot come in a valid target; they are percent-encoded all the same.
 * `OPTIONS *` has no path to rewrite: `apply()` would make a request for "/" of it, so callers leave that target alone.
 */

import { parsePathPattern } from "./path_pattern.ts";
import type { Captures } from "./types.ts";

/** Where a capture comes from: 0 and up a parameter's position; else the tail. */
const TAIL = -1;

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
/** A name wherever ":" and a letter meet; write "%3A" for a colon that is none. */
const CAPTURE = /:([A-Za-z_][A-Za-z0-9_]*)|\*/g;

/** Literal text and captures in turn: literals[0] sources[0] literals[1] … literals[n]. */
interface Template {
  readonly literals: readonly string[];
  readonly sources: readonly number[];
}

export class Rewrite {
  readonly #path: Template;
  /** Null when the template has none. */
  readonly #query: Template | null;

  /** Made by `compileRewrite()`. */
  constructor(path: Template, query: Template | null) {
    this.#path = path;
    this.#query = query;
  }

  /**
   * @param captures Of a match of the path that the template was compiled for.
   * @param query The original one, without "?"; "" when there is none.
   * @returns A target in origin form: begins with exactly one "/".
   */
  apply(captures: Captures, query: string): string {
    let target = oneLeadingSlash(fill(this.#path, captures, escapeUnsafe));
    if (this.#query !== null) {
      target += "?" + fill(this.#query, captures, escapeParameter);
      return query === "" ? target : target + "&" + query;
    }
    return query === "" ? target : target + "?" + query;
  }
}

/**
 * @param path The route's path, which says what there is to put in.
 * @throws {SyntaxError} For a template that is no origin-form target, or uses what the path does not capture.
 */
export function compileRewrite(template: string, path: string): Rewrite {
  if (!template.startsWith("/")) throw refusal(template, `must begin with "/"`);
  checkText(template);
  if (template.includes("#")) throw refusal(template, `must not contain "#"`);
  if (/^\/[/\\]/.test(template)) throw refusal(template, `must begin with one "/"`);
  const mark = template.indexOf("?");
  const pathPart = mark === -1 ? template : template.slice(0, mark);
  if (pathPart.replaceAll(/\/\*(?=\/|$)/g, "").includes("*")) {
    throw refusal(template, `"*" must be a whole segment, as in "/a/*"`);
  }
  const known = parsePathPattern(path);
  const compile = (text: string) => compileTemplate(text, { template, known });
  // The slash of "/*" belongs to the tail.
  return new Rewrite(compile(pathPart.replaceAll("/*", "*")), mark === -1 ? null : compile(template.slice(mark + 1)));
}

/** @throws {SyntaxError} When it has bytes that no target and no Location may have. */
export function checkText(template: string): void {
  if (/[^!-~]/.test(template)) throw refusal(template, "must be printable ASCII without spaces; write others as %XX");
  if (template.includes("\\")) throw refusal(template, `must not contain "\\"`);
}

export function refusal(template: string, reason: string): SyntaxError {
  return new SyntaxError(`Cannot use template ${JSON.stringify(template)}: ${reason}`);
}

interface TemplateContext {
  readonly template: string;
  readonly known: { readonly text: string; readonly params: readonly string[]; readonly isPrefix: boolean };
}

function compileTemplate(text: string, { template, known }: TemplateContext): Template {
  const literals: string[] = [];
  const sources: number[] = [];
  let from = 0;
  for (const found of text.matchAll(CAPTURE)) {
    literals.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    const source = found[1] === undefined ? TAIL : known.params.indexOf(found[1]);
    if (found[1] === undefined && !known.isPrefix) {
      throw refusal(template, `"*" has nothing to stand for: path "${known.text}" does not end in "/*"`);
    }
    if (found[1] !== undefined && source === -1) {
      const names = known.params.map((name) => ":" + name).join(", ");
      throw refusal(template, `path "${known.text}" has no ":${found[1]}"${names === "" ? "" : ` (it has ${names})`}`);
    }
    sources.push(source);
  }
  literals.push(text.slice(from));
  return { literals, sources };
}

function fill(template: Template, captures: Captures, escape: (text: string) => string): string {
  const { literals, sources } = template;
  let text = literals[0];
  for (let i = 0; i < sources.length; i++) {
    const capture = sources[i] === TAIL ? captures.tail : captures.params[sources[i]];
    text += escape(capture) + literals[i + 1];
  }
  return text;
}

/** @param path "" or one that begins with "/". */
function oneLeadingSlash(path: string): string {
  let at = 0;
  while (at < path.length && (path.charCodeAt(at) === SLASH || path.charCodeAt(at) === BACKSLASH)) at += 1;
  return at === 1 ? path : "/" + path.slice(at);
}

function escapeUnsafe(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return text.replaceAll(/[^!-~\x80-\uffff]/g, percent);
  }
  return text;
}

/** For the tail as well, whose leading slash is of no use in a query. */
function escapeParameter(text: string): string {
  const value = text.startsWith("/") ? text.slice(1) : text;
  return escapeUnsafe(value).replaceAll(/[&=+;#]/g, percent);
}

function percent(character: string): string {
  return "%" + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
}
