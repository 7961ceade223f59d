/** Listeners over reloads: which sockets stay, open and close; Unix sockets and IPv6. */

import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { testCertificates } from "../support/certificates.ts";
import { ConfigFile } from "../support/config_file.ts";
import { get, RawClient } from "../support/raw_client.ts";
import { runSluice, SluiceProcess } from "../support/sluice_process.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { PATIENCE_MS, step } from "../support/proxy_stage.ts";
import { answering, bodyAt, freePort, refusal, reload } from "../support/reload_stage.ts";

const OPTIONS = { deadlineMs: PATIENCE_MS };
/** Longer than the shortest timer. */
const HELD_UP_MS = 5;

for (const engine of ENGINES) {
  const listener = (name: string, address: string) =>
    `[[listeners]]\nname = "${name}"\naddress = "${address}"\nengine = "${engine}"\n\n`;

  Deno.test(`${engine}: listeners follow the configuration`, async (t) => {
    const stay = listener("stay", `127.0.0.1:${freePort()}`);
    await using sluice = await SluiceProcess.start(stay + answering("v1"), OPTIONS);
    using kept = await RawClient.connect(sluice.address("stay"), OPTIONS);
    const ask = async () => {
      await kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      return (await kept.readResponse()).text;
    };
    const extraPort = freePort();
    const extra = listener("extra", `127.0.0.1:${extraPort}`);

    await step(t, "one that is added opens, and the other keeps its connections", async () => {
      assertEquals(await ask(), "v1");
      await reload(sluice, () => sluice.writeConfig(stay + extra + answering("v2")));
      assertEquals(await bodyAt(sluice.address("extra")), "v2");
      assertEquals(await ask(), "v2");
    });

    await step(t, "one that is renamed stays open under its new name", async () => {
      await reload(sluice, () => sluice.writeConfig(stay + extra.replace("extra", "renamed") + answering("v3")));
      assertEquals(await bodyAt(`127.0.0.1:${extraPort}`), "v3");
    });

    await step(t, "one that is removed refuses connections, and closes its idle ones", async () => {
      using idle = await RawClient.connect(`127.0.0.1:${extraPort}`, OPTIONS);
      await idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      assertEquals((await idle.readResponse()).text, "v3");
      await reload(sluice, () => sluice.writeConfig(stay + answering("v4")));
      await idle.waitForClose();
      await assertRejects(() => RawClient.connect(`127.0.0.1:${extraPort}`), Deno.errors.ConnectionRefused);
      assertEquals(await ask(), "v4");
    });

    await step(t, "one whose address is in use is refused, and nothing has changed", async () => {
      using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const free = freePort();
      const more = listener("free", `127.0.0.1:${free}`) + listener("taken", `127.0.0.1:${taken.addr.port}`);
      const problems = await refusal(sluice, () => sluice.writeConfig(stay + more + answering("v5")));
      assertEquals(problems, [`Cannot listen on 127.0.0.1:${taken.addr.port}: the address is in use`]);
      assertEquals(await ask(), "v4");
      await assertRejects(() => RawClient.connect(`127.0.0.1:${free}`), Deno.errors.ConnectionRefused);
    });

    // What was opened before the access log failed stayed open, and a mended file then found its own port in use.
    await step(t, "one that was opened for a reload which then fails is closed again", async () => {
      const port = freePort();
      const more = listener("more", `127.0.0.1:${port}`);
      const log = `[log]\naccess = "/nowhere/access.log"\n`;
      const problems = await refusal(sluice, () => sluice.writeConfig(stay + more + answering("v5") + log));
      assertEquals(problems, ["Cannot write the access log /nowhere/access.log: no such folder"]);
      await reload(sluice, () => sluice.writeConfig(stay + more + answering("v5")));
      assertEquals(await bodyAt(`127.0.0.1:${port}`), "v5");
    });

    await step(
      t,
      "one that was opened beside another that can't be refuses connections once that is told",
      async () => {
        using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const { port: takenPort } = taken.addr as Deno.NetAddr;
        for (let round = 0; round < 6; round++) {
          const port = freePort();
          const both = listener("more", `127.0.0.1:${port}`) + listener("taken", `127.0.0.1:${takenPort}`);
          const problems = await refusal(
            sluice,
            () => sluice.writeConfig(`# ${round}\n${stay}${both}${answering("v5")}`),
          );
          assertMatch(problems.join("\n"), /^Cannot listen on .*: the address is in use/);
          await assertRejects(() => RawClient.connect(`127.0.0.1:${port}`), Deno.errors.ConnectionRefused);
        }
        await reload(sluice, () => sluice.writeConfig(stay + answering("v5")));
      },
    );

    await step(t, "one cannot turn to TLS while it is open", async () => {
      const { localhost } = await testCertificates();
      sluice.config.add("site.pem", localhost.cert);
      sluice.config.add("site.key", localhost.key);
      const secure = stay + `tls = { cert = "site.pem", key = "site.key" }\n`;
      const problems = await refusal(sluice, () => sluice.writeConfig(secure + answering("v6")));
      assertMatch(problems.join("\n"), /^Cannot .*TLS.* at 127\.0\.0\.1:\d+ while it is open/);
      assertEquals(await ask(), "v5");
    });
    assertEquals(await sluice.stop(), 0);
  });

  // Deno lets go of a socket only after it was closed, when it looks at the call that waits on it: `reloaded` came before,
  // now and then, and most of all when the process was held up in between.
  Deno.test(`${engine}: a listener that is removed refuses connections as soon as the reload is told`, async () => {
    const stay = listener("stay", "127.0.0.1:0");
    await using sluice = await SluiceProcess.start(stay + answering("v0"), OPTIONS);
    for (let round = 1; round <= 12; round++) {
      const port = freePort();
      const more = listener("more", `127.0.0.1:${port}`);
      await reload(sluice, () => sluice.writeConfig(stay + more + answering(`with ${round}`)));
      const from = sluice.events.length;
      const told = reload(sluice, () => sluice.writeConfig(stay + answering(`without ${round}`)));
      await sluice.waitForEvent(({ event }) => event === "listener_closing", from);
      sluice.signal("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, HELD_UP_MS));
      sluice.signal("SIGCONT");
      await told;
      await assertRejects(() => RawClient.connect(`127.0.0.1:${port}`), Deno.errors.ConnectionRefused);
    }
    assertEquals(await sluice.stop(), 0);
  });

  // Two listeners with the address "127.0.0.1:0" counted as one: all but the last were forgotten.
  Deno.test(`${engine}: listeners on ports that the system chooses are told apart by name`, async () => {
    const one = listener("one", "127.0.0.1:0");
    const two = listener("two", "127.0.0.1:0");
    await using sluice = await SluiceProcess.start(one + two + answering("v1"), OPTIONS);
    const [first, second] = [sluice.address("one"), sluice.address("two")];
    await reload(sluice, () => sluice.writeConfig(two + answering("v2")));
    assertEquals(await bodyAt(second), "v2");
    await assertRejects(() => RawClient.connect(first), Deno.errors.ConnectionRefused);
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${engine}: a listener on IPv6`, async () => {
    await using sluice = await SluiceProcess.start(listener("six", "[::1]:0") + answering("six"), OPTIONS);
    assertMatch(sluice.address("six"), /^\[::1\]:\d+$/);
    assertEquals(await bodyAt(sluice.address("six")), "six");
    const { client } = await sluice.waitForAccess(() => true);
    assertEquals(client, "::1");
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`${engine}: listeners on Unix sockets`, async (t) => {
    const config = new ConfigFile("");
    try {
      const path = `${config.folder}/edge.sock`;
      const toml = listener("edge", `unix:${path}`) + answering("by socket");

      await step(t, "serves, and removes its file when it ends", async () => {
        await using sluice = await SluiceProcess.start(toml, OPTIONS);
        assertEquals(sluice.address("edge"), `unix:${path}`);
        assertEquals(await bodyAt(`unix:${path}`), "by socket");
        assertEquals((await sluice.waitForAccess(() => true)).client, "");
        assertEquals(await sluice.stop(), 0);
        assert(!exists(path));
      });

      await step(t, "takes the place of a file that a dead process left", async () => {
        {
          await using killed = await SluiceProcess.start(toml, OPTIONS);
          assertEquals(await bodyAt(killed.address("edge")), "by socket");
        } // disposing kills
        assert(exists(path));
        await using sluice = await SluiceProcess.start(toml, OPTIONS);
        assertEquals(await bodyAt(`unix:${path}`), "by socket");
        assertEquals(await sluice.stop(), 0);
      });

      await step(t, "does not take the place of a process that lives", async () => {
        await using sluice = await SluiceProcess.start(toml, OPTIONS);
        config.write(toml);
        const { code, stderr } = await runSluice(["run", "--config", config.path], OPTIONS);
        assertEquals(code, 1);
        assertEquals(stderr, `sluice: Cannot listen on unix:${path}: another process listens there\n`);
        assertEquals(await bodyAt(`unix:${path}`), "by socket");
        assertEquals(await sluice.stop(), 0);
      });

      // Connecting to a plain file is refused as well: it was taken for a dead socket and deleted.
      await step(t, "does not remove a file that is no socket", async () => {
        const precious = config.add("precious.txt", "keep me");
        config.write(toml.replace(path, precious));
        const { code, stderr } = await runSluice(["run", "--config", config.path], OPTIONS);
        assertEquals(code, 1);
        assertEquals(stderr, `sluice: Cannot listen on unix:${precious}: a file that is no socket is there\n`);
        assertEquals(Deno.readTextFileSync(precious), "keep me");
      });

      await step(t, "comes and goes with reloads", async () => {
        const web = listener("web", "127.0.0.1:0");
        await using sluice = await SluiceProcess.start(web + answering("v1"), OPTIONS);
        await reload(sluice, () => sluice.writeConfig(web + toml));
        assertEquals(await bodyAt(`unix:${path}`), "by socket");
        await reload(sluice, () => sluice.writeConfig(web + answering("v2")));
        assert(!exists(path));
        await reload(sluice, () => sluice.writeConfig(web + toml));
        assertEquals((await get(`unix:${path}`, "/")).text, "by socket");
        assertEquals(await sluice.stop(), 0);
      });
    } finally {
      config.remove();
    }
  });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
