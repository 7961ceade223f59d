/** A reload and a shutdown at the same time: the shutdown wins, and says so. */

import { assertEquals } from "../support/assert.ts";
import { ConfigFile } from "../support/config_file.ts";
import { startInProcess } from "../support/in_process.ts";

for (const workers of [1, 2]) {
  Deno.test(`a reload that a shutdown overtakes is refused (workers = ${workers})`, async () => {
    const config = new ConfigFile(configuration(workers, ["first"]));
    const sluice = await startInProcess(config.path);
    try {
      config.write(configuration(workers, ["first", "second"]));
      const reloading = sluice.reload("test");
      const stopping = sluice.shutdown();
      const refused = { ok: false, problems: ["sluice is shutting down"] } as const;
      assertEquals(await reloading, refused);
      assertEquals(sluice.dataPlane.listeners.map(({ name }) => name), ["first"]);
      await stopping;
      assertEquals(await sluice.reload("too late"), refused);
    } finally {
      config.remove();
    }
  });
}

function configuration(workers: number, listeners: readonly string[]): string {
  const tables = listeners.map((name) => `[[listeners]]\nname = "${name}"\naddress = "127.0.0.1:0"\nengine = "wire"\n`);
  return `[server]\nworkers = ${workers}\ndrain = "1s"\n[log]\nlevel = "error"\naccess = "off"\n${tables.join("")}` +
    `[[routes]]\npath = "/*"\nrespond = { status = 200, body = "ok" }\n`;
}
