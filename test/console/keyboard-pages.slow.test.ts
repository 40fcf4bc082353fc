import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { tabTo, typeAt } from "../support/keyboard.ts";
import { findHiddenFocus } from "../support/page-layout.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const root = join(import.meta.dirname, "../..");
const PICTURES = join(root, "docs/pictures");
const PICTURE_MAX = 60 * 1024;

let rig: ConsoleRig;
let receiver: Receiver;

beforeAll(async () => {
  [rig, receiver] = await Promise.all([openConsoleRig(), startReceiver()]);
}, 120_000);
endConsole(() => [rig, receiver]);

test("without a mouse: a stream is made, a record pushed, a sink made, its delivery looked at", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  await open("/");
  await tabTo(page, "Farm");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Farm" }).waitFor();
  await tabTo(page, "New stream");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "New stream" }).waitFor();
  await typeAt(page, "Name", "Keys");
  await typeAt(page, "Name of field 1", "id");
  await tabTo(page, "Part of the key");
  await page.keyboard.press("Space");
  await page.getByText("Ready to be created.").waitFor();
  await tabTo(page, "Create stream");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Keys" }).waitFor();
  await tabTo(page, "Live");
  await page.keyboard.press("Enter");
  await page.getByText("Test with JSON", { exact: true }).waitFor();
  await tabTo(page, "Test with JSON");
  await page.keyboard.press("Enter");
  await tabTo(page, "Push the record");
  await page.keyboard.press("Enter");
  await page.getByText("Accepted: 1 record").waitFor();
  await open(`/${FARM}/streams/keys/sinks/new/webhook`);
  await typeAt(page, "Name", "By keys");
  await typeAt(page, "URL", receiver.url);
  await page.keyboard.press("Enter");
  await page.getByText("It is shown this once").waitFor();
  await tabTo(page, "I have copied it");
  await page.keyboard.press("Enter");
  await page.getByText("Running", { exact: true }).waitFor();
  await tabTo(page, "Delete");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Delete");
});

test("what has the focus is seen: nothing that Tab reaches is without an outline or behind something else, forwards and back, also on a small screen", {
  timeout: 120_000,
}, async () => {
  const { page, open, ada } = rig;
  // Enough for a list that scrolls below its titles.
  for (let at = 0; at < 30; at++) {
    await ada.call("SourceService/CreateSource", {
      parent: READINGS,
      source: { displayName: `Source ${at}`, apiKey: {} },
    });
  }
  const found: string[] = [];
  for (const { width, height } of [
    { width: 1280, height: 800 },
    { width: 320, height: 500 },
  ]) {
    await page.setViewportSize({ width, height });
    for (const path of [`/${READINGS}/live`, `/${FARM}/audit`, `/${READINGS}/sinks/new/webhook`]) {
      await open(path);
      await page.getByText("Loading…").first().waitFor({ state: "hidden" });
      for (const key of ["Tab", "Shift+Tab"]) {
        const faults = await findHiddenFocus(page, key);
        found.push(...faults.map((each) => `${path} at ${width} by ${key}: ${each}`));
      }
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  expect(found).toEqual([]);
});

test("pages fit from 320 pixels to 4K, and nothing moves for those who do not want it", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  await page.emulateMedia({ reducedMotion: "reduce" });
  const wide: string[] = [];
  for (const width of [320, 3840]) {
    await page.setViewportSize({ width, height: 1000 });
    for (const path of [`/${READINGS}/live`, `/${READINGS}/records`, "/docs", "/operator"]) {
      await open(path);
      await page.getByText("Loading…").first().waitFor({ state: "hidden" });
      const found = Number(await page.evaluate("document.documentElement.scrollWidth"));
      if (found > width) wide.push(`${path}: ${found} in ${width}`);
    }
  }
  expect(wide).toEqual([]);
  const moving = await page.evaluate(
    "document.getAnimations().filter((each) => each.playState === 'running').length",
  );
  expect(moving).toBe(0);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ reducedMotion: "no-preference" });
});

test("a server that restarts is waited for: the page says so, keeps what was typed, and goes on", async () => {
  const { page, open, server } = rig;
  await open(`/${READINGS}/live`);
  await page.getByText(/^Live:/).waitFor();
  await page.getByLabel("Find in the records below").fill("restart");
  await page.route("**/*", (route) => route.abort("connectionrefused"));
  await page.getByLabel("Pause").check();
  await page.getByLabel("Pause").uncheck();
  await page.getByText("The server does not answer.").waitFor();
  await page.unroute("**/*");
  await page.getByText("The server does not answer.").waitFor({ state: "hidden" });
  expect(await page.getByLabel("Find in the records below").inputValue()).toBe("restart");
  await page.getByLabel("Find in the records below").fill("");
  await rig.push({ sensor: "after", value: 1 });
  await page.locator(".records").getByText('"sensor":"after"').waitFor();
  expect(server.child.exitCode).toBeNull();
});

/** Takes a picture of the page as WebP, which Chromium's canvas writes. */
async function takePicture(name: string): Promise<void> {
  const { page, browser } = rig;
  const png = (await page.screenshot()).toString("base64");
  // A page of its own: the console's policy takes no images that are in the text.
  const painter = await browser.newPage();
  const webp = await painter.evaluate<string>(`(async () => {
    const image = new Image();
    image.src = "data:image/png;base64,${png}";
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.6);
  })()`);
  await painter.close();
  const file = join(PICTURES, `${name}.webp`);
  mkdirSync(PICTURES, { recursive: true });
  // What is committed stays until somebody wants new ones.
  if (process.env.PICTURES === "new" || !existsSync(file)) {
    writeFileSync(file, Buffer.from(webp.slice(webp.indexOf(",") + 1), "base64"));
  }
  expect(statSync(file).size).toBeLessThan(PICTURE_MAX);
  expect(readFileSync(join(root, "README.md"), "utf8")).toContain(`docs/pictures/${name}.webp`);
}

test("the three pictures of the README", { timeout: 120_000 }, async () => {
  const { page, open, push } = rig;
  await rig.ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: { displayName: "Hook", webhook: { url: receiver.url } },
  });
  for (let i = 0; i < 40; i++) await push({ sensor: `pump-${i % 7}`, value: 20 + (i % 13) / 2 });
  await page.setViewportSize({ width: 1280, height: 880 });
  await page.emulateMedia({ colorScheme: "light" });
  await open(`/${READINGS}/live`);
  await page.locator(".records > li").nth(5).waitFor();
  await takePicture("live");
  await open(`/${READINGS}/sinks/hook/rules`);
  await page.getByRole("button", { name: "Add column" }).click();
  await page.getByLabel("Name of column 1").fill("pump");
  await page.getByLabel("Column 1 holds").selectOption("template");
  await page.getByRole("textbox", { name: "Template of column 1" }).click();
  await page.keyboard.type('std.asciiUpper(Body("sensor"))');
  await page.keyboard.press("Escape");
  await page.getByText('{"pump":"PUMP-').first().waitFor();
  await takePicture("mapping");
  await open(`/${READINGS}/sinks/hook/deliveries`);
  await page.getByText("Delivered", { exact: true }).nth(5).waitFor();
  await takePicture("deliveries");
});

test("the policy of the pages stopped nothing that they do", () => {
  const own = rig.complaints.filter((each) => !each.includes("ERR_CONNECTION_REFUSED"));
  expect(own).toEqual([]);
});
