/** The command line: what each command prints, and its exit status. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";
import { ConfigFile } from "../../support/config_file.ts";
import { type CommandResult, runSluice } from "../../support/sluice_process.ts";
import { listenerToml, PATIENCE_MS, upstreamToml } from "../../support/proxy_stage.ts";

const GOOD = listenerToml("web") +
  upstreamToml("api", [
    `{ name = "b1", url = "http://127.0.0.1:1", weight = 2 }`,
    `{ url = "http://127.0.0.1:2", weight = 0 }`,
  ], {
    keys: `strategy = "weighted_round_robin"`,
  }) +
  `[[routes]]\nname = "beta"\npath = "/api/*"\nheaders = { x-beta = "1" }\nrespond = { status = 204 }\n` +
  `[[routes]]\nname = "old"\npath = "/old/*"\nredirect = { to = "/*", status = 308 }\n`;
const BAD = GOOD.replace("weighted_round_robin", "weighted-round-robin").replace(
  'upstream = "api"',
  'upstream = "apii"',
);

interface Case {
  readonly name: string;
  /** CONFIG stands for the file. */
  readonly args: readonly string[];
  readonly toml?: string;
  /** In SLUICE_CONFIG. */
  readonly byVariable?: boolean;
  readonly code: number;
  readonly stdout?: readonly RegExp[];
  readonly stderr?: readonly RegExp[];
}

const CASES: readonly Case[] = [
  { name: "check: good", args: ["check", "CONFIG"], code: 0, stdout: [/config\.toml: good\n$/] },
  { name: "check: SLUICE_CONFIG names the file", args: ["check"], byVariable: true, code: 0, stdout: [/: good\n$/] },
  {
    name: "check: every problem with its line",
    args: ["check", "CONFIG"],
    toml: BAD,
    code: 2,
    stderr: [
      /config\.toml:7: upstreams\.api\.strategy: .*did you mean "weighted_round_robin"\?/,
      /config\.toml:12: routes\[0\]\.upstream: no upstream named "apii"; did you mean "api"\?/,
    ],
  },
  { name: "check: no such file", args: ["check", "/nowhere.toml"], code: 2, stderr: [/cannot be read: no such file/] },
  {
    name: "check --effective: values with where they come from",
    args: ["check", "CONFIG", "--effective"],
    code: 0,
    stdout: [/upstreams\.api\.strategy = "weighted_round_robin".*(line )?7/, /retry\.attempts = 2.*default/],
  },
  { name: "check: one operand only", args: ["check", "a", "b"], code: 2, stderr: [/unexpected argument "b"/] },
  {
    name: "explain: the winner, the others, the backends",
    args: ["explain", "GET", "http://any.test/api/users", "--config", "CONFIG"],
    code: 0,
    stdout: [
      /api/,
      /beta.*x-beta/,
      /strategy weighted_round_robin/,
      /b1 eligible, weight 2 \(http:/,
      /skipped: weight 0/,
    ],
  },
  {
    name: "explain: a field decides",
    args: ["explain", "GET", "/api/users", "-H", "X-Beta: 1", "-c", "CONFIG"],
    code: 0,
    stdout: [/answers itself, status 204/],
  },
  {
    name: "explain: a redirect",
    args: ["explain", "GET", "/old/x", "--config=CONFIG"],
    code: 0,
    stdout: [/answers with a redirect, status 308/],
  },
  {
    name: "explain: no route",
    args: ["explain", "GET", "/none", "--config", "CONFIG"],
    code: 0,
    stdout: [/no route/i],
  },
  { name: "explain: needs a URL", args: ["explain", "GET"], code: 2, stderr: [/explain needs a method and a URL/] },
  {
    name: "explain: a bad field",
    args: ["explain", "GET", "/", "-H", "nope"],
    code: 2,
    stderr: [/-H needs "Name: value"/],
  },
  {
    name: "permissions",
    args: ["permissions", "CONFIG"],
    code: 0,
    stdout: [/--allow-net=.*127\.0\.0\.1:1.* --allow-read=/],
  },
  { name: "--version", args: ["--version"], code: 0, stdout: [/^sluice \d+\.\d+\.\d+\n$/] },
  { name: "--help", args: ["--help"], code: 0, stdout: [/run .*\n[^]*check .*\n[^]*explain .*\n[^]*schema/] },
  {
    name: "unknown command",
    args: ["chekc"],
    code: 2,
    stderr: [/^sluice: unknown command "chekc"; did you mean "check"\?/],
  },
  {
    name: "unknown option",
    args: ["check", "--efective"],
    code: 2,
    stderr: [/unknown option --efective; did you mean --effective\?/],
  },
  {
    name: "unknown option of run",
    args: ["--confg", "x"],
    code: 2,
    stderr: [/unknown option --confg; did you mean --config\?/],
  },
  {
    name: "an option without its value",
    args: ["run", "--config"],
    code: 2,
    stderr: [/option --config needs a value/],
  },
  { name: "schema: an operand", args: ["schema", "x"], code: 2, stderr: [/unexpected argument "x"/] },
  {
    name: "weight: below zero",
    args: ["weight", "api/b1", "-1"],
    code: 2,
    stderr: [/a weight is a whole number from 0 to \d+, got "-1"/],
  },
  { name: "an operand too many", args: ["run", "x"], code: 2, stderr: [/unexpected argument "x"/] },
];

for (const { name, args, toml = GOOD, byVariable, code, stdout = [], stderr = [] } of CASES) {
  Deno.test(`sluice ${name}`, async () => {
    const result = await runOn(toml, args, byVariable ?? false);
    const printed = `${result.stdout}\n--- stderr\n${result.stderr}`;
    assertEquals(result.code, code, printed);
    for (const pattern of stdout) assertMatch(result.stdout, pattern);
    for (const pattern of stderr) assertMatch(result.stderr, pattern);
    if (stdout.length === 0) assertEquals(result.stdout, "");
    if (stderr.length === 0) assertEquals(result.stderr, "");
  });
}

const COMMANDS = "run check plan explain permissions schema demo status drain enable disable weight reload completion";

for (const command of COMMANDS.split(" ")) {
  Deno.test(`sluice ${command} knows --help and --version`, async () => {
    const [help, version] = await Promise.all([runSluice([command, "--help"]), runSluice([command, "--version"])]);
    assertEquals([help.code, version.code], [0, 0]);
    assertStringIncludes(help.stdout, `${command}`);
    assertMatch(version.stdout, /^sluice \d/);
  });
}

Deno.test("sluice schema prints a JSON schema", async () => {
  const { code, stdout } = await runSluice(["schema"]);
  assertEquals(code, 0);
  const schema = JSON.parse(stdout);
  assertEquals(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  for (const section of ["server", "listeners", "upstreams", "routes", "log"]) {
    assert(section in schema.properties, section);
  }
});

async function runOn(toml: string, args: readonly string[], byVariable: boolean): Promise<CommandResult> {
  const config = new ConfigFile(toml);
  try {
    return await runSluice(args.map((arg) => arg.replace("CONFIG", config.path)), {
      deadlineMs: PATIENCE_MS,
      ...(byVariable ? { env: { SLUICE_CONFIG: config.path } } : {}),
    });
  } finally {
    config.remove();
  }
}

Deno.test("sluice demo says in one line that a port of its example backends is taken, and exits with 1", async () => {
  const taken = listenIfFree(9002);
  try {
    const { code, stderr } = await runSluice(["demo"], { deadlineMs: PATIENCE_MS });
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^sluice: Cannot start example backend b\d on 127\.0\.0\.1:900\d: the address is in use\n$/,
    );
  } finally {
    taken?.close();
  }
});

/** Taken by somebody else is as good. */
function listenIfFree(port: number): Deno.Listener | null {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
}
