import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { buildConsole, startChromium } from "../support/chromium.ts";
import { signOut } from "../support/console-rig.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect, countRows } from "../support/table.ts";

const PASSWORD = "correct horse battery";

let server: TestServer;
let browser: Browser;
let page: Page;
/** Requests to other origins, and what the page complained about. */
const foreign: string[] = [];
const complaints: string[] = [];
/** Paths of all calls that pages made. */
const calls: string[] = [];

beforeAll(async () => {
  buildConsole();
  [server, browser] = await Promise.all([startServer(), startChromium()]);
  page = await browser.newPage();
  page.setDefaultTimeout(10_000);
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url)) foreign.push(request.url());
    if (request.resourceType() === "fetch") calls.push(new URL(request.url()).pathname);
  });
  page.on("console", (message) => {
    // The first question, who is signed in, is answered with 401; Chromium notes that by itself.
    if (
      message.type() === "error" &&
      !/status of 4\d\d|ERR_INTERNET_DISCONNECTED/.test(message.text())
    ) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
});
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  process.stderr.write(`the page showed: ${await page.locator("body").innerText()}\n`);
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
  // Nobody was at a field yet: only the button says what is missing, until it is pressed all the same.
  expect(await page.locator('[aria-invalid="true"]').count()).toBe(0);
  await create.press("Enter");
  await page.locator('[aria-invalid="true"]').first().waitFor();
  await expect
    .poll(() => page.evaluate("document.activeElement.labels?.[0]?.innerText"), { timeout: 10_000 })
    .toBe("Name");
  const name = page.getByLabel("Name", { exact: true });
  await name.fill("Readings");
  // The fault goes with the next answer, and what is below moves up by its line: no click before that.
  await expect.poll(() => name.getAttribute("aria-invalid"), { timeout: 10_000 }).toBeNull();
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
  await page.locator('[aria-invalid="true"]').first().waitFor();
  await expect
    .poll(() => page.getByLabel("Name of field 2").getAttribute("aria-invalid"), {
      timeout: 10_000,
    })
    .toBe("true");
  await page.getByLabel("Name of field 2").fill("value");
  await page.getByLabel("Part of the key").first().check();
  await page.getByLabel("Throughput").selectOption({ label: "High: 4 partitions" });
  // F09: what a change of rows needs is said as soon as it is wanted.
  await page.getByLabel(/^Change data capture/).check();
  await page
    .getByText(/primaryKey|orderField|order_field/)
    .first()
    .waitFor();
  expect(await create.isDisabled()).toBe(true);
  await page.getByLabel("Order field").selectOption("at");
  await page.getByText("Ready to be created.").waitFor();
  await page.getByLabel(/^Change data capture/).uncheck();
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

test("E02, E06, E08, E09: without sinks there are tiles; a form that lacks a field makes nothing; a Postgres sink is tried and made, and the record is in its table", async () => {
  await page.getByRole("link", { name: "Sinks" }).click();
  for (const kind of ["Postgres", "Webhook", "File"]) {
    await page.getByRole("link", { name: `Add ${kind}` }).waitFor();
  }
  await page.getByRole("link", { name: "Add Postgres" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Table");
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.locator('[aria-invalid="true"]').first().waitFor();
  await page.getByLabel("Table", { exact: true }).fill("readings");
  await page.getByLabel("Begin").selectOption("EARLIEST");
  await page.getByRole("button", { name: "Test the destination" }).click();
  await page.getByText("authenticate", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.getByText("Running", { exact: true }).waitFor();
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    await waitFor(async () => (await countRows(sql, "readings").catch(() => 0)) === 1);
  } finally {
    await sql.end({ timeout: 2 });
  }
});

test("E12, E20: a sink is paused, goes on, and is deleted once that is confirmed", async () => {
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("Running", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.keyboard.press("Escape");
  await page.getByText("Running", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete the sink" }).click();
  await page.getByRole("link", { name: "Add Postgres" }).waitFor();
});

test("E01: what a page shows comes from public rpcs alone", () => {
  expect(calls.length).toBeGreaterThan(20);
  expect(calls.filter((path) => !/^\/tributary\.[a-z0-9]+\.v1\.\w+\/\w+$/.test(path))).toEqual([]);
});

test("an invitation leaves the address bar at once, and whoever accepts it sees the project", async () => {
  await page.goto(`${server.url}/projects/wind-farm/members`);
  await page.getByLabel("E-mail address to invite").fill("bob@example.com");
  await page.getByRole("button", { name: "Invite" }).click();
  const link = await page.locator(".copy-line code").innerText();
  const other = await (await browser.newContext()).newPage();
  other.setDefaultTimeout(10_000);
  await other.goto(link.replace(/^https?:\/\/[^/]+/, server.url));
  await other.getByRole("heading", { name: "Invitation" }).waitFor();
  expect(other.url()).not.toContain("invitation");
  await other.getByLabel("Password").fill(PASSWORD);
  await other.getByRole("button", { name: "Accept the invitation" }).click();
  await other.getByRole("heading", { name: "Wind farm" }).waitFor();
  await signOut(other);
  await other.context().close();
});

test("while the server does not answer the page says so, and goes on when it does again", async () => {
  const isLoaded = page.waitForResponse(/\/assets\/usage-/);
  await page.goto(`${server.url}/projects/wind-farm`);
  await page.getByRole("link", { name: "Readings" }).waitFor();
  await (await isLoaded).finished();
  await page.context().setOffline(true);
  await page.getByRole("link", { name: "Usage" }).click();
  await page.getByText("The server does not answer.").waitFor();
  await page.context().setOffline(false);
  await page.getByRole("heading", { name: "Balance" }).waitFor();
  await page.getByText("The server does not answer.").waitFor({ state: "hidden" });
});

test("the console asks nobody but its own server, and its policy stops nothing that it does", () => {
  expect(foreign).toEqual([]);
  expect(complaints).toEqual([]);
});
