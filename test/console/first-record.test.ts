import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildConsole, startChromium } from "../support/chromium.ts";
import { startServer, type TestServer } from "../support/server.ts";

const PASSWORD = "correct horse battery";

let server: TestServer;
let browser: Browser;
let page: Page;
/** Requests to other origins, and what the page complained about. */
const foreign: string[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  buildConsole();
  [server, browser] = await Promise.all([startServer(), startChromium()]);
  page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url)) foreign.push(request.url());
  });
  page.on("console", (message) => {
    // The first question, who is signed in, is answered with 401; Chromium notes that by itself.
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test("S02, S03, S04: the first visit offers sign-up, which ends in the projects; another project is made", async () => {
  await page.goto(server.url);
  await page.getByRole("heading", { name: "Sign up" }).waitFor();
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByLabel("Password").fill("short");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("alert").waitFor();
  expect(await page.getByLabel("Password").getAttribute("aria-invalid")).toBe("true");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  await page.getByRole("button", { name: "Create project" }).press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Next" }).click();
  await dialog.getByText("Give the project a name.").waitFor();
  await dialog.getByLabel("Name").fill("Wind farm");
  await dialog.getByLabel("Description").fill("Turbines");
  await dialog.getByRole("button", { name: "Next" }).click();
  await page.getByRole("heading", { name: "Wind farm" }).waitFor();
  await page.getByText("No stream yet").waitFor();
});

test("F05 to F10: a stream is made of a pasted sample; what is wrong stands beside its field and by the button", async () => {
  await page.getByRole("link", { name: "New stream", exact: true }).click();
  const create = page.getByRole("button", { name: "Create stream" });
  await page.getByText("Before the stream can be created:").waitFor();
  expect(await create.isDisabled()).toBe(true);
  await page.getByLabel("Name", { exact: true }).fill("Readings");
  await page.getByRole("button", { name: "Generate from JSON sample…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Records").fill('{"sensor": ');
  await dialog.getByRole("button", { name: "Generate fields" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog
    .getByLabel("Records")
    .fill('{"sensor": "a", "value": 4.5, "at": "2026-01-02T03:04:05Z"}');
  await dialog.getByRole("button", { name: "Generate fields" }).click();
  await page.getByLabel("Name of field 3").waitFor();
  await page.getByLabel("Name of field 2").fill("sensor");
  await page.locator(".fault").first().waitFor();
  expect(await page.getByLabel("Name of field 2").getAttribute("aria-invalid")).toBe("true");
  await page.getByLabel("Name of field 2").fill("value");
  await page.getByLabel("Part of the key").first().check();
  await page.getByLabel("Throughput").selectOption({ label: "High: 4 partitions" });
  await page.reload();
  expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("Readings");
  await page.getByText("Ready to be created.").waitFor();
  await create.click();
  await page.getByRole("heading", { name: "Readings" }).waitFor();
});

test("F22, F23: a record that is pushed with Test with JSON appears without a reload", async () => {
  await page.getByRole("link", { name: "Live" }).click();
  await page.getByText("Test with JSON", { exact: true }).click();
  const record = page.getByLabel("Record", { exact: true });
  expect(JSON.parse(await record.inputValue())).toMatchObject({ sensor: "sensor-1" });
  await record.fill('{"sensor": "a", "value": "high", "at": "2026-01-02T03:04:05Z"}');
  await page.getByRole("button", { name: "Push the record" }).click();
  await page.getByRole("alert").waitFor();
  await record.fill('{"sensor":"a","value":4.50,"at":"2026-01-02T03:04:05Z"}');
  await page.getByRole("button", { name: "Push the record" }).click();
  await page.getByText("Accepted: 1 record").waitFor();
  // The digits stand as they were pushed.
  await page.locator(".records").getByText('"value":4.50').first().waitFor();
});

test("the console asks nobody but its own server, and its policy stops nothing that it does", () => {
  expect(foreign).toEqual([]);
  expect(complaints).toEqual([]);
});
