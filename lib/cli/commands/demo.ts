/** `sluice demo`: three example backends and the proxy in front of them, on config.toml. */

import { type Command, CONFIG_OPTIONS, configPathOf } from "../command.ts";
import { DEATH_MS, ExampleBackend } from "../example_backend.ts";
import { parseArguments, refuseMoreThan } from "../options.ts";
import { runProxy } from "./run.ts";

/** Where config.toml expects the example backends. */
const DEMO_PORTS: readonly number[] = [9001, 9002, 9003];

export const demo: Command = {
  name: "demo",
  usage: "demo [--config FILE]",
  summary: "three example backends and the proxy in front, on config.toml",
  help: `sluice demo [--config FILE]

Starts three example backends on 127.0.0.1 (ports ${DEMO_PORTS.join(", ")}) and the proxy in front of them, on FILE
(default: config.toml). Try curl, edit the file, save it, and try again. Ctrl-C ends all.`,
  options: CONFIG_OPTIONS,
  operands: [],
  async execute(args) {
    const parsed = parseArguments(args, CONFIG_OPTIONS);
    refuseMoreThan(0, parsed);
    const path = configPathOf(parsed);
    const backends: ExampleBackend[] = [];
    try {
      for (const [index, port] of DEMO_PORTS.entries()) backends.push(new ExampleBackend(`b${index + 1}`, port));
      return await runProxy(path, (sluice) => {
        const [first] = sluice.dataPlane.listeners;
        console.error(welcome(first.address, sluice.adminAddress, path));
      });
    } finally {
      await Promise.all(backends.map((backend) => backend.close()));
    }
  },
};

function welcome(address: string, admin: string, path: string): string {
  const url = `http://${address.replace(/^0\.0\.0\.0/, "127.0.0.1")}`;
  const lines: ReadonlyArray<readonly [what: string, why: string]> = [
    ...admin === "" ? [] : [[`http://${admin}/`, "the dashboard: open it in a browser"] as const],
    [`curl ${url}/`, "takes turns over b1, b2, b3"],
    [`curl -N ${url}/slow`, "a stream that survives reloads"],
    [`curl -X POST http://127.0.0.1:${DEMO_PORTS[1]}/die`, `b2 is gone for ${DEATH_MS / 1000} seconds`],
    [`edit ${path}, save`, "and watch the traffic move; a mistake is refused with its line"],
    ["Ctrl-C", "ends all"],
  ];
  const width = Math.max(...lines.map(([what]) => what.length));
  const list = lines.map(([what, why]) => `    ${what.padEnd(width)}   ${why}`).join("\n");
  return `\n  sluice is running on ${url}, in front of three example backends.\n\n${list}\n`;
}
