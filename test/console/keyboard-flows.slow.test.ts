import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { buildConsole, startChromium } from "../support/chromium.ts";
import { chooseInMenu, focusIsKept, press, tabTo, typeAt } from "../support/keyboard.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer } from "../support/server.ts";

const PASSWORD = "correct horse battery";
const STREAM = "/projects/garden/streams/beds";

let server: TestServer;
let browser: Browser;
let page: Page;
let receiver: Receiver;
let clientId = "";

beforeAll(async () => {
  buildConsole();
  [server, browser, receiver] = await Promise.all([
    startServer(),
    startChromium(),
    startReceiver(),
  ]);
  page = await browser.newPage();
  page.setDefaultTimeout(20_000);
}, 300_000);
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  process.stderr.write(`the page: ${await page.locator("body").innerText()}\n`);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  await receiver?.close();
});

const heading = (name: string) => page.getByRole("heading", { name, exact: true }).waitFor();
const shown = (text: string | RegExp) => page.getByText(text).first().waitFor();
/** What those hear who do not see the page. */
const said = (text: string) => page.locator("[data-announcer]").getByText(text).last().waitFor();

async function open(path: string): Promise<void> {
  await page.goto(`${server.url}${path}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
}

test("without a mouse: sign-up, a project, a stream of a pasted sample", {
  timeout: 120_000,
}, async () => {
  await page.goto(server.url);
  await heading("Sign up");
  await typeAt(page, "E-mail address", "ada@example.com");
  await typeAt(page, "Password", "short");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  // The field that is wrong has the focus, so it is typed anew at once.
  await expect
    .poll(() => page.evaluate("document.activeElement.type"), { timeout: 20_000 })
    .toBe("password");
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await heading("Projects");
  await focusIsKept(page, "the sign-up");
  await press(page, "Create project");
  await page.getByRole("dialog").waitFor();
  await typeAt(page, "Name", "Garden");
  await page.keyboard.press("Enter");
  await heading("Garden");
  await focusIsKept(page, "a dialog that made a project");
  await press(page, "Create the first stream");
  await heading("New stream");
  await typeAt(page, "Name", "Beds");
  await press(page, "Generate from JSON sample…");
  await typeAt(page, "Records", '{"bed": "roses", "wet": 0.4}');
  await press(page, "Generate fields");
  await page.getByLabel("Name of field 2").waitFor();
  await focusIsKept(page, "the dialog of the sample");
  await tabTo(page, "Part of the key");
  await page.keyboard.press("Space");
  await shown("Ready to be created.");
  await press(page, "Create stream");
  await heading("Beds");
});

test("without a mouse: the steps of Connect, a record, a source", {
  timeout: 120_000,
}, async () => {
  await typeAt(page, "Name of the application", "Hose");
  await page.keyboard.press("Enter");
  await page.getByLabel("Client secret").waitFor();
  await said("Done: Register application");
  await focusIsKept(page, "the registration");
  clientId = await page.locator(".copy-line code").first().innerText();
  await press(page, "Share as Editor");
  await page.getByRole("tablist", { name: "Language" }).waitFor();
  await focusIsKept(page, "the share");
  await press(page, "Live");
  await tabTo(page, "Test with JSON");
  await page.keyboard.press("Enter");
  await press(page, "Push the record");
  await shown("Accepted: 1 record");
  await press(page, "Sources");
  await press(page, "Add source");
  await heading("New source");
  await typeAt(page, "Name", "Tap");
  await page.keyboard.press("Enter");
  await shown("It is shown this once");
  await press(page, "I have copied it");
  await heading("Tap");
  await focusIsKept(page, "the secret was put away");
  await press(page, "Delete Tap");
  await press(page, "Delete the source");
  await shown("No source yet");
  await focusIsKept(page, "the deletion of a source");
});

test("without a mouse: a sink is tried, made, paused, resumed and restarted", {
  timeout: 120_000,
}, async () => {
  receiver.mode = { kind: "refuse", isBad: (record) => record.bed === "weeds" };
  await open(`${STREAM}/sinks`);
  await press(page, "Add Webhook");
  await typeAt(page, "Name", "Hook");
  await typeAt(page, "URL", receiver.url);
  await press(page, "Test the destination");
  await shown("Everything works.");
  await press(page, "Create sink");
  await shown("It is shown this once");
  await press(page, "I have copied it");
  await page.getByText("Running", { exact: true }).waitFor();
  await focusIsKept(page, "a sink was made");
  await press(page, "Pause");
  await page.getByText("Paused", { exact: true }).waitFor();
  await said("Done: Pause");
  await focusIsKept(page, "Pause became Resume");
  await press(page, "Resume");
  await page.getByText("Running", { exact: true }).waitFor();
  await press(page, "Restart");
  await said("Done: Restart");
  await page.getByText("Running", { exact: true }).waitFor();
});

test("without a mouse: a held record and a stored one are replayed, the sink is deleted", {
  timeout: 120_000,
}, async () => {
  await open(`${STREAM}/live`);
  await tabTo(page, "Test with JSON");
  await page.keyboard.press("Enter");
  await typeAt(page, "Record", '{"bed": "weeds", "wet": 0.1}');
  await press(page, "Push the record");
  await shown("Accepted: 1 record");
  await open(`${STREAM}/sinks/hook/held`);
  await page.getByRole("button", { name: "Replay all" }).waitFor();
  receiver.mode = { kind: "ok" };
  await press(page, "Replay all");
  await shown("None. A record that cannot be delivered waits here.");
  await focusIsKept(page, "the last held record is gone");
  await press(page, "Replay");
  await press(page, "Count the records");
  await shown(/records would be delivered again/);
  await press(page, "Start the replay");
  await page.getByText("Done", { exact: true }).waitFor();
  await focusIsKept(page, "the start of a replay");
  await press(page, "Delete");
  await press(page, "Delete the sink");
  await page.getByRole("link", { name: "Add Webhook" }).waitFor();
  await focusIsKept(page, "the deletion of a sink");
  expect(receiver.accepted()).toContainEqual({ bed: "weeds", wet: 0.1 });
});

test("without a mouse: a share, an application, a token, the audit log, sign-out", {
  timeout: 120_000,
}, async () => {
  await press(page, "Share");
  await page.getByText("Roles on this stream").waitFor();
  await press(page, /^Take back the role of/);
  await press(page, "Take it back");
  await shown("Nobody beyond those who have a role on the project.");
  await focusIsKept(page, "a role was taken back");
  await typeAt(page, "Client id or e-mail address", clientId);
  await page.keyboard.press("Enter");
  await shown("Hose is Editor now.");
  await open("/projects/garden/applications");
  await press(page, "Delete Hose");
  await press(page, "Delete the application");
  await shown("No application yet");
  await focusIsKept(page, "the deletion of an application");
  await press(page, "Tokens");
  await tabTo(page, "Make a token");
  await page.keyboard.press("Enter");
  await typeAt(page, "What it is for", "Reports");
  await page.keyboard.press("Enter");
  await shown("It is shown this once");
  await press(page, "I have copied it");
  await page.getByRole("heading", { name: "Reports" }).waitFor();
  await press(page, "Audit log");
  await page.getByRole("region", { name: "Audit events, newest first" }).waitFor();
  await press(page, "CreateToken");
  await page.getByRole("dialog").getByText("Outcome").first().waitFor();
  await page.keyboard.press("Escape");
  await focusIsKept(page, "the dialog of an event");
  await chooseInMenu(page, "ada", "Sign out");
  await heading("Sign in");
  await focusIsKept(page, "the sign-out");
});
