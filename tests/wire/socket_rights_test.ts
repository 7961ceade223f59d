/** Who may connect to a Unix socket: `mode` and `group`, from the first moment and over reloads. */

import { assertEquals, assertThrows } from "../support/assert.ts";
import { ConfigFile } from "../support/config_file.ts";
import { get } from "../support/raw_client.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { bindSocket } from "../../lib/engines/socket_rights.ts";
import { load, MINIMAL, problems } from "../unit/config/config_support.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { PATIENCE_MS } from "../support/proxy_stage.ts";
import { answering, refusal, reload } from "../support/reload_stage.ts";

/** One that this process may give a file to: root any, others their own. */
const GROUP = Deno.readTextFileSync("/etc/group").split("\n").map((line) => line.split(":"))
  .map(([name, , number]) => ({ name, gid: Number(number) }))
  .find(({ name, gid }) => name !== "" && (Deno.uid() === 0 ? gid > 0 : gid === Deno.gid()))!;

function rightsOf(path: string): string {
  const { mode, gid } = Deno.statSync(path);
  return `${(mode! & 0o7777).toString(8)} ${gid}`;
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: a Unix socket has the mode and group that its listener says, over reloads, too`, async () => {
    const folder = new ConfigFile("");
    try {
      const path = `${folder.folder}/edge.sock`;
      const toml = (rights: string) =>
        `[[listeners]]\nname = "web"\naddress = "127.0.0.1:0"\n[[listeners]]\nname = "edge"\naddress = "unix:${path}"\n` +
        `engine = "${engine}"\n${rights}\n${answering("by socket")}`;
      await using sluice = await SluiceProcess.start(toml('mode = "0600"'), { deadlineMs: PATIENCE_MS });
      assertEquals(rightsOf(path), `600 ${Deno.gid()}`);
      await reload(sluice, () => sluice.writeConfig(toml('mode = "0622"')));
      assertEquals(rightsOf(path), `622 ${Deno.gid()}`);
      await reload(sluice, () => sluice.writeConfig(toml(`mode = "660"\ngroup = "${GROUP.name}"`)));
      assertEquals(rightsOf(path), `660 ${GROUP.gid}`);
      const refused = await refusal(sluice, () => sluice.writeConfig(toml('mode = "0666"\ngroup = "no-such-group"')));
      assertEquals(refused, [
        `${sluice.config.path}:9: listeners[1].group: no group named "no-such-group" in /etc/group; a number needs none`,
      ]);
      assertEquals(rightsOf(path), `660 ${GROUP.gid}`);
      await reload(sluice, () => sluice.writeConfig(toml(`mode = "660"\ngroup = "${GROUP.gid}"`) + "\n# again"));
      assertEquals(rightsOf(path), `660 ${GROUP.gid}`);
      assertEquals((await get(`unix:${path}`, "/")).text, "by socket");
      assertEquals(await sluice.stop(), 0);
    } finally {
      folder.remove();
    }
  });
}

Deno.test("the admin listener's socket has its rights, and a group alone means 0660", async () => {
  const folder = new ConfigFile("");
  try {
    const path = `${folder.folder}/admin.sock`;
    const toml = `[[listeners]]\nname = "web"\naddress = "127.0.0.1:0"\n${answering("x")}\n[admin]\n` +
      `address = "unix:${path}"\ngroup = "${GROUP.gid}"\n`;
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
    await sluice.waitForAddress("admin");
    assertEquals(rightsOf(path), `660 ${GROUP.gid}`);
    assertEquals(await sluice.stop(), 0);
  } finally {
    folder.remove();
  }
});

Deno.test("bindSocket() lets nobody but the owner connect before the rights are set, and closes when they can't be", () => {
  const folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
  const path = `${folder}/a.sock`;
  const before = Deno.umask(0);
  const place = { address: { kind: "unix", path }, mode: "0666", group: "x", gid: -1 } as const;
  const atFirst: string[] = [];
  const bind = () => {
    const listener = Deno.listen({ transport: "unix", path });
    atFirst.push(rightsOf(path));
    return listener;
  };
  const close = (listener: Deno.Listener) => listener.close();
  try {
    const bound = bindSocket(place, bind, close);
    assertEquals([atFirst, rightsOf(path)], [[`600 ${Deno.gid()}`], `666 ${Deno.gid()}`]);
    assertEquals(Deno.umask(0), 0, "the umask is as it was");
    bound.close(); // removes the file as well
    bindSocket({ ...place, mode: null }, bind, close).close();
    assertEquals(atFirst[1], `777 ${Deno.gid()}`, "without rights all is as it was");
    // The socket goes before its rights are set, as if they could not be.
    const lost = () => {
      const listener = bind();
      Deno.removeSync(path);
      return listener;
    };
    assertThrows(() => void bindSocket(place, lost, close), Deno.errors.NotFound);
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  } finally {
    Deno.umask(before);
    Deno.removeSync(folder, { recursive: true });
  }
});

const edge = (keys: string) => MINIMAL.replace('"0.0.0.0:8080"', `"unix:/run/edge.sock"\n${keys}`);
const GROUPS = { "/etc/group": "root:x:0:\nstaff:x:50:me\nbad\n" };

Deno.test("loadConfig() looks a group up by its name, and needs no file for a number", async () => {
  const byName = await load(edge('mode = "0660"\ngroup = "staff"'), { files: GROUPS });
  const { mode, group, gid } = byName.config.listeners[0];
  assertEquals([mode, group, gid, byName.files.at(-1)], ["0660", "staff", 50, "/etc/group"]);
  const byNumber = await load(edge('group = "33"'));
  assertEquals([byNumber.config.listeners[0].gid, byNumber.files.length], [33, 1]);
  const masked = await load(edge('group = "${G}"'), { files: GROUPS, env: { G: "staff" } });
  assertEquals([masked.config.listeners[0].gid, masked.config.listeners[0].group], [50, "${G}"]);
});

const REFUSED: ReadonlyArray<readonly [name: string, text: string, ...said: string[]]> = [
  [
    "rights of a TCP listener",
    MINIMAL.replace("[upstreams", 'mode = "0600"\ngroup = "5"\n[upstreams'),
    "3: listeners[0].mode: has no effect on a TCP address; only a Unix socket has rights",
    "4: listeners[0].group: has no effect on a TCP address; only a Unix socket has rights",
  ],
  [
    "rights of an admin listener on TCP",
    MINIMAL + '[admin]\nmode = "0600"\n',
    "8: admin.mode: has no effect on a TCP address; only a Unix socket has rights",
  ],
  ["a mode in words", edge('mode = "rw"'), '3: listeners[0].mode: must be rights in octal, such as "0660", got "rw"'],
  [
    "a mode with an 8",
    edge('mode = "0680"'),
    '3: listeners[0].mode: must be rights in octal, such as "0660", got "0680"',
  ],
  ["special bits", edge('mode = "4755"'), '3: listeners[0].mode: must be rights in octal, such as "0660", got "4755"'],
  [
    "a mode as a number",
    edge("mode = 660"),
    '3: listeners[0].mode: must be rights in octal, such as "0660" in quotes, got 660',
  ],
  [
    "an unknown group",
    edge('group = "stuff"'),
    '3: listeners[0].group: no group named "stuff" in /etc/group; a number needs none',
  ],
];
for (const [name, text, ...said] of REFUSED) {
  Deno.test(`loadConfig() refuses ${name}`, async () => {
    assertEquals(await problems(text, { files: GROUPS }), said.map((line) => `config.toml:${line}`));
  });
}
