import { assertEquals } from "@std/assert";
import { interpolate } from "../../../../lib/config/toml/interpolate.ts";
import { joinIndex, joinKey, lineOf } from "../../../../lib/config/toml/key_path.ts";
import { parseToml } from "../../../../lib/config/toml/parse.ts";

const DOCUMENT = `# comment with "quotes" and = signs
top = 1
"quoted key" = 'literal # not a comment'
dotted.a.b = true

[table]     # a comment
text = "a \\" ] } # b"
long = """
three
lines"""
raw = '''
  [not.a.table]
'''
after = 2
list = [
  1, # one
  { x = 1, y = [2,
     3] },
  "]",
]
inline = { a.b = 1, "c d" = { e = 2 } }
[table.sub."x.y"]
k = 1979-05-27T07:32:00Z
[[things]]
n = 1
[[things]]
n = 2
[things.part]
p = 1
[[things.parts]]
q = 1\r
[implicit.one]
z = 0xff
`;

const LINES: ReadonlyArray<readonly [path: string, line: number]> = [
  ["top", 2],
  ['"quoted key"', 3],
  ["dotted", 4],
  ["dotted.a.b", 4],
  ["table", 6],
  ["table.text", 7],
  ["table.long", 8],
  ["table.raw", 11],
  ["table.after", 14],
  ["table.list", 15],
  ["table.list[0]", 16],
  ["table.list[1].x", 17],
  ["table.list[1].y[1]", 18],
  ["table.list[2]", 19],
  ["table.inline.a.b", 21],
  ['table.inline."c d".e', 21],
  ['table.sub."x.y".k', 23],
  ["things", 24],
  ["things[0].n", 25],
  ["things[1]", 26],
  ["things[1].n", 27],
  ["things[1].part.p", 29],
  ["things[1].parts[0].q", 31],
  ["implicit", 32],
  ["implicit.one.z", 33],
];
const parsed = parseToml(DOCUMENT, "config.toml");
for (const [path, line] of LINES) {
  Deno.test(`parseToml() finds ${path} at line ${line}`, () => {
    assertEquals(parsed.issues, []);
    assertEquals(parsed.lines.get(path), line);
  });
}

const REFUSED: ReadonlyArray<readonly [name: string, text: string, line: number, issue: string]> = [
  ["a key twice", "a = 1\nb = 2\na = 3", 3, "a: already set at line 1"],
  ["a quoted key twice", "ab = 1\n'ab' = 2", 2, "ab: already set at line 1"],
  ["an escaped key twice", 'ab = 1\n"a\\u0062" = 2', 2, "ab: already set at line 1"],
  ["a key twice in an inline table", "a = { b = 1,\tb = 2 }", 1, "a.b: already set at line 1"],
  ["a key twice in an element", "[[a]]\nb = 1\nb = 2", 3, "a[0].b: already set at line 2"],
  ["a table twice", "[a]\n[b]\n[a]", 3, "a: already defined at line 1"],
  ["a table over a key", "a = 1\n[a]", 2, "a: already set at line 1"],
  ["a table over a dotted key", "a.b = 1\n[a]", 2, "a: already set at line 1"],
  ["a key over a table", "[a]\n[a.b]\n[c]\n[a.b.c]\n[a.b.c.d]\n[a.b.c]", 6, "a.b.c: already defined at line 4"],
  [
    "a part above its table",
    "[a.b]\n[a]\nc = 1",
    2,
    "a: the header [a] must stand above those of its parts, the first of which is at line 1",
  ],
  ["a table into an inline table", "a = { b = 1 }\n[a.c]", 2, "a: already set at line 1"],
  ["elements of an inline list", "a = []\n[[a]]", 2, "a: already set at line 1"],
  ["a table over a list of tables", "[[a]]\n[a]", 2, "a: already set at line 1"],
  ["a missing value", "a =\nb = 1", 1, "expected a value, got the line's end"],
  ["a missing equals sign", "x = 1\nab", 2, 'expected "=" after the key "ab"'],
  ["a word without quotes", "a = round_robin", 1, '"round_robin" is no value; a text goes in quotes'],
  ["a number with a unit", "\na = 10s", 2, '"10s" is no value'],
  ["a leading zero", "a = 007", 1, '"007" is no value'],
  ["an unclosed string", 'a = "b', 1, 'the " is not closed on its line'],
  ["an unclosed literal", "a = 'b\n'", 1, "the ' is not closed on its line"],
  ["an unclosed long string", 'b = 1\na = """x\ny', 2, 'the """ is not closed'],
  ["an unclosed list", "a = [1,\n2,\n", 1, 'the "[" is not closed by "]"'],
  ["a list without commas", "a = [1\n2]", 2, 'expected "," or "]" in the list, got "2]"'],
  ["an inline table over lines", "a = { b = 1,\nc = 2 }", 1, "expected a key, got the line's end"],
  ["a header without an end", "[a\nb = 1", 1, `expected "]" after the table's name`],
  ["a header without a name", "[]", 1, 'expected a key, got "]"'],
  ["two things on a line", "a = 1 b = 2", 1, `expected the line's end, got "b = 2"`],
  ["a bad escape", 'a = 1\nb = "\\x"', 2, "not valid TOML: Invalid escape sequence: \\x"],
  ["the prototype", "[a]\n__proto__.b = 1", 2, '"__proto__" is not allowed as a key'],
  ["the quoted prototype", '["__proto__"]', 1, '"__proto__" is not allowed as a key'],
  ["endless nesting", `a = ${"[".repeat(100_000)}`, 1, "values may be nested at most 32 deep"],
  ["endless keys", `a${".a".repeat(100_000)} = 1`, 1, "a key may have at most 32 parts"],
];
for (const [name, text, line, issue] of REFUSED) {
  Deno.test(`parseToml() refuses ${name}`, () => {
    const { issues } = parseToml(text, "config.toml");
    assertEquals(issues.map(({ key, message }) => key === "" ? message : `${key}: ${message}`), [issue]);
    assertEquals(issues[0].line, line);
  });
}

for (
  const [name, text] of [
    ["empty", ""],
    ["a comment", "# x"],
    ["a byte order mark", "\uFEFFa = 1"],
    [
      "CRLF",
      "a = 1\r\n[b]\r\nc = '''x\r\n'''\r\n",
    ],
    ["numbers", "a = [+1, -0, 1_000, 1e3, 3.5, -inf, nan, 0xF, 0o7, 0b1, 1979-05-27, 07:32:00]"],
  ]
) {
  Deno.test(`parseToml() takes ${name}`, () => {
    assertEquals(parseToml(text, "config.toml").issues, []);
  });
}

const ENV: Readonly<Record<string, string>> = { A: "1", EMPTY: "", NESTED: "${A}", _x9: "y" };
const lookUp = (name: string) => ENV[name];

const TEXTS: ReadonlyArray<readonly [text: string, expected: string]> = [
  ["plain $ { }", "plain $ { }"],
  ["${A}", "1"],
  ["<${A}${_x9}>", "<1y>"],
  ["${A:-2}", "1"],
  ["${B:-2}", "2"],
  ["${B:-}", ""],
  ["${B:-a:-b}", "a:-b"],
  ["${EMPTY}", ""],
  ["${EMPTY:-2}", "2"],
  ["${NESTED}", "${A}"],
  ["$${A}", "${A}"],
  ["$$${A}", "$${A}"],
  ["$A", "$A"],
];
for (const [text, expected] of TEXTS) {
  Deno.test(`interpolate() makes "${expected}" of "${text}"`, () => {
    assertEquals(interpolate(text, lookUp).text, expected);
    assertEquals(interpolate(text, lookUp).faults, []);
  });
}

for (
  const [text, fault] of [
    ["${B}", 'environment variable "B" is not set; set it, or give a default: "${B:-…}"'],
    ["${}", '"${}" is no variable; write "${NAME}" or "${NAME:-default}", or "$${" for "${"'],
    ["${A", '"${A" is no variable; write "${NAME}" or "${NAME:-default}", or "$${" for "${"'],
    ["${A-b}", '"${A-b}" is no variable; write "${NAME}" or "${NAME:-default}", or "$${" for "${"'],
    ["${1A}", '"${1A}" is no variable; write "${NAME}" or "${NAME:-default}", or "$${" for "${"'],
  ]
) {
  Deno.test(`interpolate() refuses "${text}"`, () => {
    assertEquals(interpolate(text, lookUp).faults, [fault]);
  });
}

Deno.test("parseToml() completes strings at any depth and names what it read", () => {
  const { value, envNames, masks, issues } = parseToml('a = [{ b = "${A}" }]\nc = "${Q:-d}"', "x", lookUp);
  assertEquals(JSON.stringify(value), '{"a":[{"b":"1"}],"c":"d"}');
  assertEquals(envNames, ["A", "Q"]);
  assertEquals([...masks.shown], [["a[0].b", "${A}"]]); // a default is the file's own
  assertEquals(masks.texts, [["1", "${A}"]]);
  assertEquals(masks.contents, [["1", "${A}"]]);
  assertEquals(issues, []);
});

Deno.test("lineOf() falls back to the nearest part that is there", () => {
  const lines = new Map([["a", 3], ['a."b.c[0]"', 4], ["a.d[1]", 5]]);
  assertEquals(lineOf(lines, "a.x.y"), 3);
  assertEquals(lineOf(lines, joinKey(joinKey("a", "b.c[0]"), "z")), 4);
  assertEquals(lineOf(lines, 'a."say \\"hi.\\""'), 3);
  assertEquals(lineOf(lines, joinKey(joinIndex("a.d", 1), "z")), 5);
  assertEquals(lineOf(lines, "q.r"), 1);
});
