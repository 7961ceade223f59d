/** What commands draw: tables that fit, pictures over themselves, colours where they belong. */

import { backendNamed } from "../../../lib/cli/backend_name.ts";
import { UsageError } from "../../../lib/cli/options.ts";
import { planLines } from "../../../lib/cli/terminal/plan_lines.ts";
import { type ScreenOutput, watchScreen } from "../../../lib/cli/terminal/screen.ts";
import { isAllWell, spanText, statusLines } from "../../../lib/cli/terminal/status_lines.ts";
import { COLOURED, PLAIN, styleFor } from "../../../lib/cli/terminal/style.ts";
import { type Cell, tableLines } from "../../../lib/cli/terminal/table.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "../../support/assert.ts";
import { backendView, statusView, upstreamView } from "../../support/fake_admin.ts";

const NOW_MS = Date.parse("2026-01-01T00:01:00Z");

const OPEN = backendView("b2", {
  state: "open",
  standing: "ejected",
  isEligible: false,
  reason: "connect_refused × 5 (traffic)",
  until: "2026-01-01T00:01:04Z",
});
const STATUS = statusView([upstreamView("api", [backendView("b1"), OPEN, backendView("b3", { isBackup: true })])]);

function tableOf(width: number): readonly string[] {
  const lines = statusLines(STATUS, { style: PLAIN, width, nowMs: NOW_MS });
  return lines.slice(lines.indexOf("") + 1);
}

Deno.test("statusLines() shows every column where there is room", () => {
  assertEquals(tableOf(Infinity).map((line) => line.replace(/ {2,}/g, "  ")), [
    "UPSTREAM  BACKEND  STATE  FOR  WEIGHT  IN FLIGHT  REQ/S  SHARE  LATENCY  POOL",
    "api  b1  healthy  1m 0s  1  0  10  50 %  1.5 ms  0 active, 2 idle",
    "api  b2  open: connect_refused × 5 (traffic), 4s more  1m 0s  1  0  10  50 %  1.5 ms  0 active, 2 idle",
    "api  b3 (backup)  healthy  1m 0s  1  0  10  50 %  1.5 ms  0 active, 2 idle",
  ]);
});

for (const width of [120, 100, 80, 60]) {
  Deno.test(`statusLines() fits a terminal of ${width} columns and keeps what matters`, () => {
    const lines = tableOf(width);
    for (const line of lines) assert([...line].length <= width, `${[...line].length}: ${line}`);
    assertStringIncludes(lines[0], "IN FLIGHT");
    assertStringIncludes(lines[2], "open: connect_ref");
  });
}

Deno.test("statusLines() tells a weight that an operator set, who is still used, and why it is not ready", () => {
  const view = statusView([
    upstreamView("api", [
      backendView("b1", { weight: 5 }),
      backendView("b2", { ...OPEN, standing: "spared", isEligible: true }),
      backendView("b3", { ...OPEN, reason: "bad_status × 2 (probe)", until: null }),
    ]),
  ], { readiness: { ready: false, reasons: ["upstream web: nobody is eligible"] }, isDraining: false, plansAlive: 2 });
  const text = statusLines(view, { style: PLAIN, width: Infinity, nowMs: NOW_MS }).join("\n");
  for (
    const part of [
      "not ready, up 1h 2m",
      "\n  upstream web: nobody is eligible\n",
      ", 2 plans alive\n",
      " 5 (file: 1) ",
      "4s more, used all the same (spared)",
      "open: bad_status × 2 (probe), until probes pass  ",
    ]
  ) assertStringIncludes(text, part);
});

Deno.test("isAllWell() forgives what an operator took out, and nothing else", () => {
  const wellWith = (...backends: Parameters<typeof upstreamView>[1]) =>
    isAllWell(statusView([upstreamView("api", backends)]));
  assertEquals(wellWith(backendView("b1")), true);
  assertEquals(wellWith(backendView("b1", { state: "draining", isEligible: false })), true);
  assertEquals(wellWith(backendView("b1", { weight: 0, isEligible: false })), true);
  assertEquals(wellWith(backendView("b1"), OPEN), false);
  assertEquals(isAllWell(statusView([], { readiness: { ready: false, reasons: [] } })), false);
});

for (
  const [seconds, text] of [[0, "0s"], [59.4, "59s"], [200, "3m 20s"], [7260, "2h 1m"], [190_000, "2d 4h"], [
    -3,
    "0s",
  ]] as const
) {
  Deno.test(`spanText() of ${seconds} s is "${text}"`, () => assertEquals(spanText(seconds), text));
}

Deno.test("tableLines() leaves out by rank, cuts, and counts no colours", () => {
  const columns = [{ title: "A", cutTo: 4 }, { title: "N", isNumber: true, expendable: 1 }, {
    title: "X",
    expendable: 3,
  }];
  const rows: Cell[][] = [[{ text: "abcdefgh", style: "red" }, { text: "1" }, { text: "xxx" }], [
    { text: "é" },
    { text: "22" },
    { text: "" },
  ]];
  assertEquals(tableLines(columns, rows), ["A          N  X", "abcdefgh   1  xxx", "é         22"]);
  assertEquals(tableLines(columns, rows, { width: 12 }), ["A          N", "abcdefgh   1", "é         22"]);
  assertEquals(tableLines(columns, rows, { width: 9 }), ["A       N", "abcd…   1", "é      22"]);
  assertEquals(tableLines(columns, rows, { width: 5 }), ["A", "abc…", "é"]);
  const [, coloured] = tableLines(columns, rows, { width: 9, style: COLOURED });
  assertEquals(coloured, `${COLOURED.red("abcd…")}   1`);
});

Deno.test("styleFor() colours only a terminal that wants it", () => {
  const output = (isTerminal: boolean) => ({ isTerminal: () => isTerminal });
  assertEquals(styleFor(output(true), false, "xterm"), COLOURED);
  assertEquals(styleFor(output(false), false, "xterm"), PLAIN);
  assertEquals(styleFor(output(true), true, "xterm"), PLAIN);
  assertEquals(styleFor(output(true), false, "dumb"), PLAIN);
});

Deno.test("planLines() marks what comes, goes and changes by colour", () => {
  const change = { area: "backend", name: "api/b1", detail: "gone", inFlight: 0 } as const;
  const view = {
    ok: true,
    problems: [],
    changes: [{ ...change, kind: "removed" }, { ...change, kind: "added" }, { ...change, kind: "changed" }],
    warnings: [],
    restartNeeded: [],
  } as const;
  const lines = planLines(view, { next: "new", against: "old", style: COLOURED });
  assertEquals(lines.slice(3, 6), [
    `  ${COLOURED.red("- api/b1")}: gone`,
    `  ${COLOURED.green("+ api/b1")}: gone`,
    `  ${COLOURED.yellow("~ api/b1")}: gone`,
  ]);
  assertEquals(lines.at(-1), "1 added, 1 changed, 1 removed");
});

class FakeTerminal implements ScreenOutput {
  text = "";
  readonly #isTerminal: boolean;

  constructor(isTerminal: boolean) {
    this.#isTerminal = isTerminal;
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  write(text: string): void {
    this.text += text;
  }

  size() {
    return { columns: 80, rows: 3 };
  }
}

function frames(count: number, abort: AbortController): () => Promise<readonly string[]> {
  let drawn = 0;
  return () => {
    if (++drawn === count) queueMicrotask(() => queueMicrotask(() => abort.abort()));
    return Promise.resolve([`frame ${drawn}`, "b", "c", "d"]);
  };
}

Deno.test("watchScreen() draws over itself within the rows of a terminal, and leaves it as it was", async () => {
  const [output, abort] = [new FakeTerminal(true), new AbortController()];
  await watchScreen(frames(2, abort), { output, signal: abort.signal, intervalMs: 1 });
  assert(output.text.startsWith("\x1b[?1049h\x1b[?25l"), "enters the alternate screen");
  assertStringIncludes(output.text, "\x1b[Hframe 1\x1b[K\r\nb\x1b[K\r\n… 2 more\x1b[K\x1b[J");
  assert(output.text.endsWith("\x1b[?25h\x1b[?1049l"), "leaves it");
});

Deno.test("watchScreen() leaves the terminal as it was when drawing fails", async () => {
  const [output, { signal }] = [new FakeTerminal(true), new AbortController()];
  const draw = () => Promise.reject(new TypeError("no"));
  await assertRejects(() => watchScreen(draw, { output, signal, intervalMs: 1 }), TypeError, "no");
  assert(output.text.endsWith("\x1b[?25h\x1b[?1049l"));
});

Deno.test("watchScreen() prints one block after another where it is no terminal", async () => {
  const [output, abort] = [new FakeTerminal(false), new AbortController()];
  await watchScreen(frames(3, abort), { output, signal: abort.signal, intervalMs: 1 });
  assert(output.text.startsWith("frame 1\nb\nc\nd\n\nframe 2\nb\nc\nd\n\n"), output.text);
});

Deno.test("backendNamed() suggests by the part that was written", () => {
  const upstreams = [{ name: "api", backends: [{ name: "blue" }] }, { name: "web", backends: [{ name: "green" }] }];
  assertEquals(backendNamed(upstreams, "green"), { upstream: "web", backend: "green" });
  assertEquals(backendNamed(upstreams, "web/green"), { upstream: "web", backend: "green" });
  assertThrows(() => backendNamed(upstreams, "bleu"), UsageError, `did you mean "api/blue"?`);
  assertThrows(
    () => backendNamed(upstreams, "xyz"),
    UsageError,
    `no backend named "xyz" (backends: api/blue, web/green)`,
  );
  assertThrows(() => backendNamed([], "xyz"), UsageError, "there are none");
});
