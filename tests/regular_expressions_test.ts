/**
 * No regular expression of the code takes more than so many steps for each character, whatever the text: clients and
 * backends choose the texts. Counted, not timed; see support/regex_steps.ts.
 */

import { assert, assertEquals } from "./support/assert.ts";
import { SteppedRegex } from "./support/regex_steps.ts";

const LENGTH = 300;
/** An expression that tries again at each character of a run makes 150 or more. */
const STEPS_EACH_MAX = 40;

/** Where expressions are made of parts, for what an operator writes. */
const COMPOSING = /^lib\/(?:config|cli)\//;

interface Found {
  readonly place: string;
  readonly regex: RegExp;
}

Deno.test("regular expressions never try again and again at a run of one character", () => {
  const found = sources().flatMap(expressionsOf);
  assert(found.length > 80, `only ${found.length} were found`);
  const slow: string[] = [];
  for (const { place, regex } of found) {
    const stepped = new SteppedRegex(regex);
    for (const attack of stepped.attacks(LENGTH)) {
      const steps = stepped.steps(attack, STEPS_EACH_MAX * LENGTH);
      if (steps < STEPS_EACH_MAX * LENGTH) continue;
      slow.push(`${place}: ${regex} at ${JSON.stringify(attack.slice(0, 40))}…`);
      break;
    }
  }
  assertEquals(slow, []);
});

Deno.test("regular expressions are composed only for what an operator writes", () => {
  const composing = sources().filter((file) => /new RegExp\(/.test(Deno.readTextFileSync(file)));
  assertEquals(composing.filter((file) => !COMPOSING.test(file)), []);
});

const KNOWN_SLOW: readonly RegExp[] = [/^[ \t]+|[ \t]+$/g, /(?:a|aa)+$/, /^(\w+\s?)*$/, /x*y/, /^\s*=?\s*;/];
for (const regex of KNOWN_SLOW) {
  Deno.test(`SteppedRegex finds what is slow in ${regex}`, () => {
    const stepped = new SteppedRegex(regex);
    const isSlow = [...stepped.attacks(LENGTH)].some((attack) =>
      stepped.steps(attack, STEPS_EACH_MAX * LENGTH) === STEPS_EACH_MAX * LENGTH
    );
    assert(isSlow);
  });
}

Deno.test("SteppedRegex reads expressions as the engine does", () => {
  const cases: ReadonlyArray<readonly [RegExp, string]> = [
    [/^(?:ab|c{2,3}d?)*x$/, "abccabcccdx"],
    [/a|b|cd/, "..cd"],
    [/^[^"\\]+\\.$/, "ab\\c"],
  ];
  for (const [regex, text] of cases) {
    assert(regex.test(text));
    assert(new SteppedRegex(regex).steps(text, 10_000) < 200, String(regex));
  }
});

function sources(): string[] {
  const files: string[] = [];
  const visit = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) visit(path);
      else if (name.endsWith(".ts")) files.push(path);
    }
  };
  visit("lib");
  visit("strategies");
  return files.sort();
}

/** Literals only. */
function expressionsOf(file: string): Found[] {
  const text = Deno.readTextFileSync(file);
  const found: Found[] = [];
  let before = "";
  const depths: number[] = []; // of braces, one for each template that is open
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (/\s/.test(char)) continue;
    if (text.startsWith("//", at)) {
      at = text.indexOf("\n", at);
      continue;
    }
    if (text.startsWith("/*", at)) {
      at = text.indexOf("*/", at) + 1;
      continue;
    }
    if (char === '"' || char === "'") at = endOf(text, at, char);
    else if (char === "`" || (char === "}" && depths.at(-1) === 0)) {
      if (char === "}") depths.pop();
      at = templateEnd(text, at + 1);
      if (text[at] === "{") depths.push(0);
    } else if (char === "/" && /^$|[=(,:[!&|?{};>+]$|return$/.test(before)) {
      const end = expressionEnd(text, at);
      const flags = /^[a-z]*/.exec(text.slice(end + 1))![0];
      const place = `${file}:${text.slice(0, at).split("\n").length}`;
      found.push({ place, regex: new RegExp(text.slice(at + 1, end), flags) });
      at = end + flags.length;
    } else if (depths.length > 0) {
      if (char === "{") depths[depths.length - 1]++;
      if (char === "}") depths[depths.length - 1]--;
    }
    before = text.slice(Math.max(0, at - 5), at + 1);
  }
  return found;
}

function endOf(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length && text[at] !== quote) at += text[at] === "\\" ? 2 : 1;
  if (at >= text.length) throw new Error("A string does not end");
  return at;
}

/** @returns Where the template ends, or the brace of an expression in it. */
function templateEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "`") return at;
    else if (text.startsWith("${", at)) return at + 1;
  }
  throw new Error("A template does not end");
}

function expressionEnd(text: string, start: number): number {
  let isInClass = false;
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "[") isInClass = true;
    else if (text[at] === "]") isInClass = false;
    else if (text[at] === "/" && !isInClass) return at;
  }
  throw new Error(`An expression does not end: ${text.slice(start, start + 40)}`);
}
