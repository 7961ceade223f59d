/**
 * Where each key of a TOML text stands. The parser that gives the values keeps no lines and lets a key that is set
 * twice pass; this scanner knows no values, but every key path with its line, what is set twice, and the line of a
 * syntax error. It reads the text once, left to right.
 */

import { type KeyClash, type KeyNode, KeyTree } from "./key_tree.ts";

export interface TomlScan {
  /** From key path, array indexes included, to the line where it is first mentioned. */
  readonly lines: ReadonlyMap<string, number>;
  readonly clashes: readonly KeyClash[];
  /** The first syntax error; scanning ends there. */
  readonly fault: { readonly line: number; readonly message: string } | null;
}

/** Arrays and inline tables within one another, and parts of a dotted key. Guards the stack. */
const DEPTH_MAX = 32;

const BARE_VALUE = new RegExp(
  "^(?:true|false|[+-]?(?:inf|nan)|[+-]?(?:0|[1-9](?:_?\\d)*)(?:\\.\\d(?:_?\\d)*)?(?:[eE][+-]?\\d(?:_?\\d)*)?" +
    "|0x[\\dA-Fa-f](?:_?[\\dA-Fa-f])*|0o[0-7](?:_?[0-7])*|0b[01](?:_?[01])*" +
    "|\\d{4}-\\d\\d-\\d\\d(?:[Tt ]\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?(?:[Zz]|[+-]\\d\\d:\\d\\d)?)?" +
    "|\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?)$",
);

export function scanToml(text: string): TomlScan {
  const scanner = new TomlScanner(text);
  const fault = scanner.run();
  return { lines: scanner.tree.lines, clashes: scanner.tree.clashes, fault };
}

class ScanFault extends Error {}

class TomlScanner {
  readonly tree = new KeyTree();
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  run(): { line: number; message: string } | null {
    try {
      this.#document();
      return null;
    } catch (error) {
      if (!(error instanceof ScanFault)) throw error;
      return { line: this.#line, message: error.message };
    }
  }

  #document(): void {
    let table = this.tree.root;
    for (;;) {
      this.#skipBlank();
      if (this.#at >= this.#text.length) return;
      if (this.#peek() === "[") table = this.#header();
      else this.#pair(table, 0);
      this.#endOfLine();
    }
  }

  #header(): KeyNode {
    const line = this.#line;
    const isElement = this.#text.startsWith("[[", this.#at);
    this.#at += isElement ? 2 : 1;
    const segments = this.#key();
    const close = isElement ? "]]" : "]";
    if (!this.#text.startsWith(close, this.#at)) throw new ScanFault(`expected "${close}" after the table's name`);
    this.#at += close.length;
    return isElement ? this.tree.openElement(segments, line) : this.tree.openTable(segments, line);
  }

  #pair(table: KeyNode, depth: number): void {
    const line = this.#line;
    const segments = this.#key();
    if (this.#peek() !== "=") throw new ScanFault(`expected "=" after the key ${JSON.stringify(segments.join("."))}`);
    this.#at++;
    this.#skipSpaces();
    this.#value(this.tree.setKey(table, segments, line), depth);
  }

  /** A dotted key with the spaces around it. */
  #key(): string[] {
    const segments: string[] = [];
    for (;;) {
      this.#skipSpaces();
      segments.push(this.#keySegment());
      this.#skipSpaces();
      if (segments.length > DEPTH_MAX) throw new ScanFault(`a key may have at most ${DEPTH_MAX} parts`);
      if (this.#peek() !== ".") return segments;
      this.#at++;
    }
  }

  #keySegment(): string {
    const quote = this.#peek();
    let segment: string;
    if (quote === '"' || quote === "'") segment = this.#singleLine(quote);
    else {
      const start = this.#at;
      while (/[A-Za-z0-9_-]/.test(this.#peek())) this.#at++;
      if (this.#at === start) throw new ScanFault(`expected a key, got ${this.#here()}`);
      segment = this.#text.slice(start, this.#at);
    }
    // The parser builds plain objects, whose prototype such a key would reach.
    if (segment === "__proto__") throw new ScanFault(`"__proto__" is not allowed as a key`);
    return segment;
  }

  #value(node: KeyNode, depth: number): void {
    if (depth > DEPTH_MAX) throw new ScanFault(`values may be nested at most ${DEPTH_MAX} deep`);
    const first = this.#peek();
    if (first === '"' || first === "'") {
      if (this.#text.startsWith(first.repeat(3), this.#at)) this.#multiLine(first);
      else this.#singleLine(first);
    } else if (first === "[") this.#array(node, depth);
    else if (first === "{") this.#inlineTable(node, depth);
    else this.#bare();
  }

  #array(node: KeyNode, depth: number): void {
    const opened = this.#line;
    this.#at++;
    for (;;) {
      this.#skipBlank();
      if (this.#at >= this.#text.length) throw this.#unclosed(opened, `the "[" is not closed by "]"`);
      if (this.#peek() === "]") break;
      this.#value(this.tree.setElement(node, this.#line), depth + 1);
      this.#skipBlank();
      if (this.#at >= this.#text.length) throw this.#unclosed(opened, `the "[" is not closed by "]"`);
      if (this.#peek() === "]") break;
      if (this.#peek() !== ",") throw new ScanFault(`expected "," or "]" in the list, got ${this.#here()}`);
      this.#at++;
    }
    this.#at++;
  }

  #inlineTable(node: KeyNode, depth: number): void {
    this.#at++;
    this.#skipSpaces();
    if (this.#peek() !== "}") {
      for (;;) {
        this.#pair(node, depth + 1);
        this.#skipSpaces();
        if (this.#peek() === "}") break;
        if (this.#peek() !== ",") throw new ScanFault(`expected "," or "}" in the table, got ${this.#here()}`);
        this.#at++;
      }
    }
    this.#at++;
  }

  #bare(): void {
    const match = /^[^\s,\]}#=]*(?: \d\d:\d\d[^\s,\]}#]*)?/.exec(this.#text.slice(this.#at, this.#at + 128));
    const word = match === null ? "" : match[0];
    if (word === "") throw new ScanFault(`expected a value, got ${this.#here()}`);
    if (!BARE_VALUE.test(word)) {
      const hint = /^[A-Za-z]/.test(word) ? "; a text goes in quotes" : "";
      throw new ScanFault(`${JSON.stringify(word)} is no value${hint}`);
    }
    this.#at += word.length;
  }

  #singleLine(quote: string): string {
    const start = ++this.#at;
    for (;; this.#at++) {
      const char = this.#peek();
      if (char === "" || char === "\n") throw new ScanFault(`the ${quote} is not closed on its line`);
      if (char === quote) break;
      if (char === "\\" && quote === '"') this.#at++;
      if (this.#peek() === "\n") throw new ScanFault(`the ${quote} is not closed on its line`);
    }
    const body = this.#text.slice(start, this.#at++);
    return quote === '"' ? unescape(body) : body;
  }

  #multiLine(quote: string): void {
    const opened = this.#line;
    const close = quote.repeat(3);
    this.#at += 3;
    while (!this.#text.startsWith(close, this.#at)) {
      if (this.#at >= this.#text.length) throw this.#unclosed(opened, `the ${close} is not closed`);
      if (this.#peek() === "\\" && quote === '"') this.#at++;
      if (this.#peek() === "\n") this.#line++;
      this.#at++;
    }
    this.#at += 3;
    for (let extra = 0; extra < 2 && this.#peek() === quote; extra++) this.#at++; // """a"""" ends with one quote
  }

  #endOfLine(): void {
    this.#skipSpaces();
    if (this.#peek() === "#") this.#skipComment();
    if (this.#peek() === "\r") this.#at++;
    if (this.#peek() !== "\n" && this.#peek() !== "") {
      throw new ScanFault(`expected the line's end, got ${this.#here()}`);
    }
  }

  /** Spaces, newlines and comments. */
  #skipBlank(): void {
    for (;; this.#at++) {
      const char = this.#peek();
      if (char === "\n") this.#line++;
      else if (char === "#") {
        this.#skipComment();
        this.#at--;
      } else if (char !== " " && char !== "\t" && char !== "\r") return;
    }
  }

  #skipComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end === -1 ? this.#text.length : end;
  }

  #skipSpaces(): void {
    while (this.#peek() === " " || this.#peek() === "\t") this.#at++;
  }

  #unclosed(opened: number, message: string): ScanFault {
    this.#line = opened;
    return new ScanFault(message);
  }

  /** What stands here, for a message. */
  #here(): string {
    const rest = /^[^\r\n]{0,20}/.exec(this.#text.slice(this.#at, this.#at + 20));
    return rest === null || rest[0] === "" ? "the line's end" : JSON.stringify(rest[0]);
  }

  #peek(): string {
    return this.#at < this.#text.length ? this.#text[this.#at] : "";
  }
}

/** Resolves the escapes of a basic string. What is wrong with one is for the parser to say. */
function unescape(body: string): string {
  if (!body.includes("\\")) return body;
  const long = body.replace(
    /\\U([\dA-Fa-f]{8})/g,
    (whole, hex) => Number.parseInt(hex, 16) > 0x10ffff ? whole : String.fromCodePoint(Number.parseInt(hex, 16)),
  );
  try {
    return JSON.parse(`"${long.replaceAll("\t", "\\t")}"`);
  } catch {
    return body;
  }
}
