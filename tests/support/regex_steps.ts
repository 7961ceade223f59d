/**
 * How much work a regular expression is, counted instead of timed: a backtracking matcher for what of JavaScript's
 * expressions the code uses, which counts its steps as an engine that backtracks would make them, and the texts that would
 * make it make many: for each loop of the expression a way into it, and then many of the characters that stay in it.
 */

type Test = (code: number) => boolean;

type Instruction =
  | { readonly kind: "char"; readonly test: Test }
  | { readonly kind: "split"; first: number; second: number }
  | { readonly kind: "jump"; to: number }
  | { readonly kind: "assert"; readonly holds: (text: string, at: number) => boolean }
  | { readonly kind: "match" };

/** Letters, a digit, and all that may part things: enough to tell the classes in use from one another. */
const ALPHABET: readonly number[] = Array.from({ length: 256 }, (_, code) => code);

export class SteppedRegex {
  readonly program: Instruction[] = [];
  readonly #source: string;
  readonly #flags: string;
  /** Where loops without an end begin. */
  readonly #loops: number[] = [];
  #at = 0;

  constructor({ source, flags }: RegExp) {
    this.#source = source;
    this.#flags = flags;
    this.#alternatives();
    if (this.#at !== source.length) throw new SyntaxError(`Cannot read /${source}/ at ${this.#at}`);
    this.#emit({ kind: "match" });
    for (const [pc, one] of this.program.entries()) {
      if (one.kind === "jump" && one.to <= pc) this.#loops.push(one.to);
    }
  }

  /** Of `exec()` over and over as far as the flags go, with a search from each position on; `stepsMax` and no more. */
  steps(text: string, stepsMax: number): number {
    let steps = 0;
    const starts = this.#flags.includes("y") ? 1 : text.length + 1;
    for (let start = 0; start < starts; start++) {
      const waiting: number[] = [0, start];
      while (waiting.length > 0) {
        let at = waiting.pop()!;
        let pc = waiting.pop()!;
        for (;;) {
          if (++steps >= stepsMax) return steps;
          const instruction = this.program[pc];
          if (instruction.kind === "match") {
            if (!this.#flags.includes("g")) return steps;
            start = Math.max(start, at - 1);
            waiting.length = 0;
            break;
          }
          if (instruction.kind === "char") {
            if (at >= text.length || !instruction.test(text.charCodeAt(at))) break;
            at++;
            pc++;
          } else if (instruction.kind === "assert") {
            if (!instruction.holds(text, at)) break;
            pc++;
          } else if (instruction.kind === "jump") pc = instruction.to;
          else {
            waiting.push(instruction.second, at);
            pc = instruction.first;
          }
        }
      }
    }
    return steps;
  }

  /** Texts of about `length` characters, each of which stays in one of the loops for long. */
  *attacks(length: number): Generator<string> {
    const ways = this.#ways();
    const classes = [...this.#classes().keys()];
    const prefixes = new Set(["", "\0", ...this.#loops.map((loop) => ways[loop] ?? "")]);
    for (const prefix of prefixes) {
      for (const code of classes) {
        const pumped = prefix + String.fromCharCode(code).repeat(length);
        for (const suffix of ["", "\0", "!", "x"]) yield pumped + suffix;
      }
    }
  }

  /** One character for each set of instructions that take it. */
  #classes(): Map<number, string> {
    const known = new Map<string, number>();
    for (const code of ALPHABET) {
      const key = this.program.map((one) => one.kind === "char" && one.test(code) ? "1" : "0").join("");
      if (!known.has(key)) known.set(key, code);
    }
    return new Map([...known].map(([key, code]) => [code, key]));
  }

  /** The shortest text that leads to each place in the program. */
  #ways(): ReadonlyArray<string | undefined> {
    const ways: Array<string | undefined> = [""];
    const open = [0];
    for (let pc = open.shift(); pc !== undefined; pc = open.shift()) {
      const instruction = this.program[pc];
      const way = ways[pc]!;
      const next = instruction.kind === "split"
        ? [instruction.first, instruction.second]
        : instruction.kind === "jump"
        ? [instruction.to]
        : instruction.kind === "match"
        ? []
        : [pc + 1];
      let taken = way;
      if (instruction.kind === "char") {
        const code = ALPHABET.findLast((code) => code < 0x7f && instruction.test(code)) ??
          ALPHABET.find((code) => instruction.test(code));
        if (code === undefined) continue;
        taken += String.fromCharCode(code);
      }
      for (const to of next) {
        if (ways[to] !== undefined) continue;
        ways[to] = taken;
        open.push(to);
      }
    }
    return ways;
  }

  #emit(instruction: Instruction): number {
    return this.program.push(instruction) - 1;
  }

  #peek(text: string): boolean {
    return this.#source.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at += text.length;
    return true;
  }

  #alternatives(): void {
    const begin = this.program.length;
    this.#sequence();
    if (!this.#take("|")) return;
    // Behind what was written comes the rest; before it, the choice.
    this.#insert(begin, { kind: "split", first: begin + 1, second: -1 });
    const jump = this.#emit({ kind: "jump", to: -1 });
    (this.program[begin] as { second: number }).second = this.program.length;
    this.#alternatives();
    (this.program[jump] as { to: number }).to = this.program.length;
  }

  #sequence(): void {
    while (this.#at < this.#source.length && !this.#peek("|") && !this.#peek(")")) {
      const begin = this.program.length;
      this.#atom();
      this.#quantifier(begin);
    }
  }

  #atom(): void {
    if (this.#take("^")) return void this.#emit({ kind: "assert", holds: (_, at) => at === 0 });
    if (this.#take("$")) return void this.#emit({ kind: "assert", holds: (text, at) => at === text.length });
    if (this.#take("(?=") || this.#take("(?!")) {
      // Those in use look at one character: it holds for some and not for others, which is all that matters here.
      let depth = 1;
      const begin = this.#at;
      while (depth > 0) {
        if (this.#peek("(")) depth++;
        else if (this.#peek(")")) depth--;
        else if (this.#peek("\\")) this.#at++;
        this.#at++;
      }
      const inner = new RegExp(this.#source.slice(begin - 3, this.#at), "y");
      const holds = (text: string, at: number) => {
        inner.lastIndex = at;
        return inner.test(text);
      };
      return void this.#emit({ kind: "assert", holds });
    }
    if (this.#take("(")) {
      if (!this.#take("?:") && this.#peek("?")) throw new SyntaxError(`No such group at ${this.#at}`);
      this.#alternatives();
      if (!this.#take(")")) throw new SyntaxError(`No end of the group at ${this.#at}`);
      return;
    }
    const begin = this.#at;
    if (this.#take("[")) {
      while (!this.#take("]")) this.#at += this.#peek("\\") ? 2 : 1;
    } else if (this.#take("\\")) {
      this.#at += this.#peek("x") ? 3 : this.#peek("u") ? 5 : 1;
      if (/^\\[bB1-9]/.test(this.#source.slice(begin))) throw new SyntaxError(`No such escape at ${begin}`);
    } else this.#at++;
    const one = new RegExp(`^${this.#source.slice(begin, this.#at)}$`, this.#flags.replace(/[gy]/g, ""));
    const takes = ALPHABET.map((code) => one.test(String.fromCharCode(code)));
    this.#emit({ kind: "char", test: (code) => takes[code] });
  }

  #quantifier(begin: number): void {
    let min = 1;
    let max = 1;
    const counts = /^\{(\d+)(,?)(\d*)\}/.exec(this.#source.slice(this.#at));
    if (this.#take("*")) [min, max] = [0, Infinity];
    else if (this.#take("+")) [min, max] = [1, Infinity];
    else if (this.#take("?")) [min, max] = [0, 1];
    else if (counts !== null) {
      this.#at += counts[0].length;
      min = Number(counts[1]);
      max = counts[2] === "" ? min : counts[3] === "" ? Infinity : Number(counts[3]);
    } else return;
    const isLazy = this.#take("?");
    const body = this.program.splice(begin);
    for (let count = 0; count < min; count++) this.#append(body, begin);
    const split = () => this.#emit({ kind: "split", first: -1, second: -1 });
    const point = (at: number, into: number, past: number) => {
      const choice = this.program[at] as { first: number; second: number };
      [choice.first, choice.second] = isLazy ? [past, into] : [into, past];
    };
    if (max === Infinity) {
      const loop = split();
      this.#append(body, begin);
      this.#emit({ kind: "jump", to: loop });
      return point(loop, loop + 1, this.program.length);
    }
    const choices: number[] = [];
    for (let count = min; count < max; count++) {
      choices.push(split());
      this.#append(body, begin);
    }
    for (const choice of choices) point(choice, choice + 1, this.program.length);
  }

  /** A copy of `body`, which was written for `begin`. */
  #append(body: readonly Instruction[], begin: number): void {
    const shift = this.program.length - begin;
    for (const one of body) this.#emit(moved(one, shift, 0));
  }

  #insert(at: number, instruction: Instruction): void {
    const behind = this.program.splice(at).map((one) => moved(one, 1, at));
    this.program.push(instruction, ...behind);
  }
}

function moved(instruction: Instruction, shift: number, from: number): Instruction {
  const move = (to: number) => to >= from ? to + shift : to;
  if (instruction.kind === "split") {
    return { kind: "split", first: move(instruction.first), second: move(instruction.second) };
  }
  return instruction.kind === "jump" ? { kind: "jump", to: move(instruction.to) } : instruction;
}
