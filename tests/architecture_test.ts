/**
 * The folder map of docs/architecture.md, enforced: imports point downwards only, pure folders touch nothing outside, one
 * importer per dependency, files stay short and form no circles.
 */

import { assertEquals } from "./support/assert.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** From the bottom up. Folders of one row do not import each other. */
const LAYERS: ReadonlyArray<readonly string[]> = [
  ["lib/base"],
  [
    "lib/http1",
    "lib/fields",
    "lib/routing",
    "lib/health",
    "lib/base/shared",
    "lib/resilience",
    "lib/observe",
    "lib/websocket",
    "strategies",
  ],
  ["lib/config", "lib/transport"],
  ["lib/plan"],
  ["lib/proxy"],
  ["lib/engines"],
  ["lib/admin"],
  ["lib/runtime"],
  ["lib/cli"],
  ["main.ts"],
];

/** Which folder of its own row a folder may import all the same. */
const NEIGHBOURS: Readonly<Record<string, readonly string[]>> = {
  "lib/fields": ["lib/http1"],
  "lib/health": ["lib/base/shared"],
};

/** Where nothing but arguments goes in: no clock, no randomness, no file, no socket, no timer. */
const PURE: readonly string[] = LAYERS.slice(0, 2).flat();
/** The clock itself has to read the clock. */
const IMPURE_FILES: ReadonlySet<string> = new Set(["lib/base/clock.ts"]);
const IMPURITIES =
  /\b(Deno\.|Date\.now|new Date\(\)|performance\.|Math\.random|getRandomValues|randomUUID|setTimeout|setInterval|fetch\()/;

/** Who may import a package. */
const IMPORTERS: Readonly<Record<string, readonly string[]>> = {
  "@std/toml": ["lib/config/toml/parse.ts"],
  "@std/http/cookie": ["lib/fields/cookies.ts"],
  "@std/http/status": ["lib/proxy/message/local_response.ts"],
  "hono": ["lib/admin/app.ts"],
  "uplot/dist/uPlot.iife.min.js": ["lib/admin/assets.ts"],
  "uplot/dist/uPlot.min.css": ["lib/admin/assets.ts"],
  "@opentelemetry/api": ["lib/runtime/telemetry/otel.ts"],
  "@opentelemetry/exporter-trace-otlp-http": ["lib/runtime/telemetry/otel.ts"],
  "@opentelemetry/resources": ["lib/runtime/telemetry/otel.ts"],
  "@opentelemetry/sdk-trace-base": ["lib/runtime/telemetry/otel.ts"],
  "node:http": ["lib/runtime/telemetry/otel.ts"],
  "node:https": ["lib/runtime/telemetry/otel.ts"],
};

/** Loaded when a configuration asks for it, so that no other start pays for it: nobody imports it statically. */
const LAZY: readonly string[] = ["lib/runtime/telemetry/otel.ts"];

/** What only one place may call. */
const SINGLE_PLACES: ReadonlyArray<{ call: RegExp; name: string; files: readonly string[] }> = [
  {
    name: "Deno.serve",
    call: /\bDeno\.serve\(/,
    files: ["lib/admin/listener.ts", "lib/cli/example_backend.ts", "lib/engines/serve/listener.ts"],
  },
  { name: "dialling", call: /\bDeno\.(connect|connectTls|startTls)\(/, files: ["lib/transport/dial.ts"] },
];

/** What a folder must not know of one that is below it. */
const UNKNOWN_TO: ReadonlyArray<{ folder: string; files: readonly string[]; why: string }> = [
  {
    folder: "lib/proxy",
    files: ["lib/http1/encode.ts"],
    why: "requests are HTTP/1 below the stream, responses in engines",
  },
];

const LINES_MAX = 400;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
}

const FILES: readonly SourceFile[] = [...sources("lib"), ...sources("strategies"), source("main.ts")];

function* sources(folder: string): IterableIterator<SourceFile> {
  for (const entry of Deno.readDirSync(ROOT + folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts")) yield source(path);
  }
}

function source(path: string): SourceFile {
  const text = Deno.readTextFileSync(ROOT + path);
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "").replace(/\s\/\/ .*$/gm, "");
  return { path, text, code };
}

const STATIC_IMPORT = /^(?:import|export)\b[^"'();]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*"([^"]+)"/g;

function importsOf({ code }: SourceFile): string[] {
  return [...code.matchAll(STATIC_IMPORT), ...code.matchAll(DYNAMIC_IMPORT)].map((match) => match[1] ?? match[2]);
}

/** What loading the file loads with it. */
function loadedWith({ code }: SourceFile): string[] {
  return [...code.matchAll(STATIC_IMPORT)]
    .filter(([statement]) => !/^(?:import|export)\s+type\b/.test(statement))
    .map((match) => match[1] ?? match[2]);
}

/** The longest folder of the map that a file is in. */
function folderOf(path: string): string {
  const folders = LAYERS.flat().filter((folder) => path === folder || path.startsWith(`${folder}/`));
  return folders.sort((a, b) => b.length - a.length)[0] ?? "";
}

function layerOf(folder: string): number {
  return LAYERS.findIndex((row) => row.includes(folder));
}

Deno.test("architecture: every source file is in a folder of the map", () => {
  assertEquals(FILES.filter(({ path }) => layerOf(folderOf(path)) < 0).map(({ path }) => path), []);
});

Deno.test("architecture: imports point downwards", () => {
  const wrong: string[] = [];
  for (const file of FILES) {
    const from = folderOf(file.path);
    for (const specifier of importsOf(file).filter((text) => text.startsWith("."))) {
      const target = new URL(specifier, `file:///${file.path}`).pathname.slice(1);
      const to = folderOf(target);
      if (from === to || NEIGHBOURS[from]?.includes(to)) continue;
      if (layerOf(to) >= layerOf(from)) wrong.push(`${file.path} imports ${target}`);
    }
  }
  assertEquals(wrong, []);
});

for (const { folder, files, why } of UNKNOWN_TO) {
  Deno.test(`architecture: ${folder} does not import ${files.join(", ")}: ${why}`, () => {
    const importers = FILES.filter((file) => file.path.startsWith(`${folder}/`)).filter((file) =>
      importsOf(file).some((name) => files.includes(new URL(name, `file:///${file.path}`).pathname.slice(1)))
    );
    assertEquals(importers.map(({ path }) => path), []);
  });
}

Deno.test("architecture: pure folders read no clock, randomness, file or socket", () => {
  const wrong = FILES
    .filter(({ path }) => PURE.includes(folderOf(path)) && !IMPURE_FILES.has(path))
    .filter(({ code }) => IMPURITIES.test(code))
    .map(({ path, code }) => `${path}: ${IMPURITIES.exec(code)![0]}`);
  assertEquals(wrong, []);
});

Deno.test("architecture: packages have one importer", () => {
  const wrong: string[] = [];
  for (const file of FILES) {
    for (const specifier of importsOf(file).filter((text) => !text.startsWith("."))) {
      if (!IMPORTERS[specifier]?.includes(file.path)) wrong.push(`${file.path} imports ${specifier}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("architecture: what is loaded lazily is loaded by nothing else", () => {
  const wrong: string[] = [];
  for (const file of FILES) {
    for (const specifier of loadedWith(file).filter((text) => text.startsWith("."))) {
      const target = new URL(specifier, `file:///${file.path}`).pathname.slice(1);
      if (LAZY.includes(target)) wrong.push(`${file.path} imports ${target}`);
    }
  }
  assertEquals(wrong, []);
  for (const path of LAZY) {
    const loads = (file: SourceFile) =>
      [...file.code.matchAll(DYNAMIC_IMPORT)].some(([, name]) =>
        new URL(name, `file:///${file.path}`).pathname.slice(1) === path
      );
    assertEquals(FILES.some(loads), true, `somebody loads ${path}`);
  }
});

for (const { name, call, files } of SINGLE_PLACES) {
  Deno.test(`architecture: ${name} happens in ${files.join(" and ")} only`, () => {
    assertEquals(FILES.filter(({ code }) => call.test(code)).map(({ path }) => path).sort(), [...files].sort());
  });
}

Deno.test(`architecture: no source file is longer than ${LINES_MAX} lines`, () => {
  const long = FILES.filter(({ text }) => text.split("\n").length > LINES_MAX + 1).map(({ path }) => path);
  assertEquals(long, []);
});

Deno.test("architecture: files import each other in no circle, types included", () => {
  assertEquals(circlesAmong(FILES), []);
});

/** Files that reach each other by imports (Tarjan's strongly connected components), as sorted texts. */
function circlesAmong(files: readonly SourceFile[]): string[] {
  const targets = new Map(files.map((file) => [
    file.path,
    importsOf(file).filter((name) => name.startsWith(".")).map((name) =>
      new URL(name, `file:///${file.path}`).pathname.slice(1)
    ),
  ]));
  const numbers = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[] = [];
  const visit = (path: string): number => {
    const number = numbers.size;
    numbers.set(path, number);
    lowest.set(path, number);
    open.push(path);
    for (const target of targets.get(path) ?? []) {
      const reached = !numbers.has(target) ? visit(target) : open.includes(target) ? numbers.get(target)! : number;
      lowest.set(path, Math.min(lowest.get(path)!, reached));
    }
    if (lowest.get(path) === number) {
      const circle = open.splice(open.indexOf(path));
      if (circle.length > 1) circles.push(circle.sort().join(" "));
    }
    return lowest.get(path)!;
  };
  for (const path of targets.keys()) if (!numbers.has(path)) visit(path);
  return circles.sort();
}
