/** The dashboard in a real browser: what it shows, that it follows, commands, and lets nothing in from outside. */

import { type Browser, chromium, type Page } from "playwright-core";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { echo } from "../support/backend_scripts.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { AdminClient } from "./admin_client.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const EXECUTABLE = PLACES.find(isThere) ?? "";
if (EXECUTABLE === "") {
  console.warn(
    `\n!!! The dashboard is NOT TESTED: there is no Chromium at ${PLACES.join(", ")}.\n` +
      "!!! Debian and Ubuntu: apt-get install chromium\n",
  );
}

const TOKEN = "open-sesame";
const MARKUP = "<b onclick=alert(1)>b1</b>";

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Everything that no page may do. */
class Watched {
  readonly complaints: string[] = [];
  readonly page: Page;

  private constructor(page: Page, origin: string) {
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("console", (message) => {
      // Chromium's own note of an answer with that status; the page asks for the token then.
      if (message.type() === "error" && !message.text().includes("401")) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("dialog", (dialog) => {
      this.complaints.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(origin)) this.complaints.push(`a request to ${request.url()}`);
    });
  }

  static async open(browser: Browser, url: string, { width = 1280 } = {}): Promise<Watched> {
    const context = await browser.newContext({ viewport: { width, height: 800 } });
    const watched = new Watched(await context.newPage(), url);
    await watched.page.goto(url);
    return watched;
  }

  async signIn(token: string): Promise<void> {
    await this.page.getByLabel("Admin token").fill(token);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }
}

Deno.test({
  name: "dashboard",
  ignore: EXECUTABLE === "",
  // The browser is a process with pipes of its own that playwright closes in its own time.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using one = ScriptedBackend.start(echo(), { name: "b1" });
    const two = ScriptedBackend.start(echo(), { name: "b2" });
    const toml = `[admin]\naddress = "127.0.0.1:0"\ntoken = "${TOKEN}"\n` + listenerToml("web") + upstreamToml("app", [
      `{ name = "${MARKUP}", url = "${one.url}" }`,
      `{ name = "b2", url = "${two.url}" }`,
    ], {
      keys: `strategy = "weighted_round_robin"`,
      sections: `health = { interval = "1s", timeout = "1s", fall = 2 }`,
    });
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
    const admin = await AdminClient.of(sluice, TOKEN);
    const url = `http://${admin.address}/`;
    const browser = await chromium.launch({
      executablePath: EXECUTABLE,
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    try {
      const desktop = await Watched.open(browser, url);
      const { page } = desktop;
      const row = (name: string) => page.getByRole("row").filter({ hasText: name });

      await step(t, "asks for the token, and again when it is wrong", async () => {
        await desktop.signIn("wrong");
        await page.getByText("That token was not taken").waitFor();
        await desktop.signIn(TOKEN);
        await page.getByText("live", { exact: true }).waitFor();
        await page.reload();
        await page.getByText("live", { exact: true }).waitFor(); // it is kept for the tab
      });

      await step(t, "shows every backend, and a name with markup as it is", async () => {
        await row("b2").getByText("healthy").waitFor();
        assertEquals(await row(MARKUP).locator(".name").textContent(), MARKUP);
        assertEquals(await page.locator("#upstreams b").count(), 0);
        assertMatch(await page.locator(".about").textContent() ?? "", /weighted_round_robin, 2 of 2 eligible/);
      });

      await step(t, "follows the traffic", async () => {
        for (let index = 0; index < 10; index++) await get(sluice.address("web"), "/app/");
        await page.locator("[data-key='Requests in all']").getByText("10", { exact: true }).waitFor();
        assertMatch(await page.locator("#rate-plot").getAttribute("aria-label") ?? "", /now: all \d+\.\d, failed 0\.0/);
        assertEquals(await page.locator(".plot canvas").count(), 2);
      });

      await step(t, "lists the routes, with what they get", async () => {
        const route = page.getByRole("table", { name: "Routes" }).getByRole("row").filter({ hasText: "/app/*" });
        await route.getByText("upstream app", { exact: true }).waitFor();
        await route.getByText("10", { exact: true }).waitFor();
      });

      await step(t, "sets a weight by keyboard alone, shows that it is set here, and takes it back", async () => {
        const weight = page.getByRole("button", { name: "Weight of b2: 1. Change …" });
        await weight.focus();
        await page.keyboard.press("Enter");
        await page.getByLabel("Weight", { exact: true }).waitFor();
        await page.keyboard.type("70000");
        await page.getByText("A whole number from 0 to 65535.").waitFor();
        await page.keyboard.press("Enter"); // is not taken
        await page.keyboard.press("Escape");
        // Closed and opened anew in one task: the question before must not take the answer, nor give its own.
        await weight.evaluate((button) => {
          button.click();
          button.ownerDocument.getElementById("weight-no").click();
          button.click();
        });
        await page.keyboard.type("3");
        await page.getByText("About 75 % of the upstream's new exchanges.").waitFor();
        assertEquals((await admin.status()).upstreams[0].backends[1].override, null, "before it is confirmed");
        await page.keyboard.press("Enter");
        await row("b2").getByText("set here; file: 1").waitFor();
        await page.getByText("✓ app/b2 has weight 3 now").waitFor();
        assertEquals((await admin.status()).upstreams[0].backends[1].override?.weight, 3);
        assertMatch(String(await page.evaluate("document.activeElement.ariaLabel")), /^Weight of b2: 3/);
        await page.keyboard.press("Enter");
        await page.getByRole("button", { name: "As in the file (1)" }).click();
        await row("b2").getByText("set here").waitFor({ state: "detached" });
        assertEquals((await admin.status()).upstreams[0].backends[1].override, null);
      });

      await step(t, "shows a backend that dies, with the reason, and says it aloud", async () => {
        assertEquals(await page.locator("#trouble").isVisible(), false);
        await two[Symbol.asyncDispose]();
        await row("b2").getByText("open", { exact: true }).waitFor();
        assertMatch(await row("b2").locator(".reason").textContent() ?? "", /connect_refused × \d+ \(probe\)/);
        assertMatch(await row("b2").locator(".since").textContent() ?? "", /, until probes pass$/);
        assertMatch(await page.locator("#announcer").textContent() ?? "", /app\/b2: healthy to open/);
        await page.locator("#changes").getByText("app/b2: healthy to open").first().waitFor();
        await page.locator("#trouble").getByText(/^app\/b2: open, connect_refused/).waitFor();
        assertEquals(await page.title(), "✕ 1 sluice");
      });

      await step(t, "drains by button and confirmation, and not without", async () => {
        await page.getByRole("button", { name: `Drain ${MARKUP}` }).click();
        await page.getByText("It is the last eligible backend of app").waitFor();
        await page.getByRole("button", { name: "Cancel" }).click();
        const [backend] = (await admin.status()).upstreams[0].backends;
        assertEquals(backend.override, null);
        await page.getByRole("button", { name: `Drain ${MARKUP}` }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Drain", exact: true }).click();
        await row(MARKUP).getByText("draining", { exact: true }).waitFor();
        assertEquals((await admin.status()).upstreams[0].backends[0].override?.command, "drain");
        await page.locator("#readiness").getByText("not ready: upstream app has no eligible backend").waitFor();
      });

      await step(t, "enables by keyboard alone", async () => {
        await page.getByRole("button", { name: `Enable ${MARKUP}` }).focus();
        await page.keyboard.press("Enter");
        await page.getByRole("dialog").waitFor();
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        await row(MARKUP).getByText("healthy", { exact: true }).waitFor();
      });

      await step(t, "shows why a reload was refused", async () => {
        sluice.writeConfig(`${toml}\n[nonsense]\n`);
        await page.locator("#problems").getByText("nonsense: unknown key").waitFor();
        await page.getByText("refused, the configuration before it runs on").waitFor();
        await page.locator("#trouble").getByText(/^the configuration of [\d:]+ was refused/).waitFor();
      });

      await step(t, "fits a phone of 320 pixels, in the dark, too", async () => {
        const phone = await Watched.open(browser, url, { width: 320 });
        await phone.page.emulateMedia({ colorScheme: "dark" });
        await phone.signIn(TOKEN);
        await phone.page.getByText("live", { exact: true }).waitFor();
        await phone.page.getByText("✕", { exact: true }).first().waitFor();
        const widths = await phone.page.evaluate("[document.documentElement.scrollWidth, innerWidth]");
        assertEquals(widths, [320, 320]);
        const ground = await phone.page.evaluate("getComputedStyle(document.body).backgroundColor");
        assertEquals(ground, "rgb(17, 23, 26)");
        assertEquals(phone.complaints, []);
        await phone.page.context().close();
      });

      assertEquals(desktop.complaints, []);

      await step(t, "says that the connection is lost, and takes it up again", async () => {
        sluice.signal("SIGSTOP");
        await page.getByText("Connection lost, trying again.").waitFor();
        assert(await page.locator("body.stale").isVisible());
        sluice.signal("SIGCONT");
        await page.getByText("live", { exact: true }).waitFor();
        await page.getByText("Connection lost").waitFor({ state: "hidden" });
      });
    } finally {
      await browser.close();
    }
    assertEquals(await sluice.stop(), 0);
  },
});
