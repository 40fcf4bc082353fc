import { beforeAll, expect, test, vi } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { chooseInMenu, focusIsKept, press, tabTo, typeAt } from "../support/keyboard.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const PATIENT = { timeout: 20_000 };
const HOOK = `${READINGS}/sinks/hook`;

// A page takes several times as long on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let rig: ConsoleRig;
let receiver: Receiver;
let clientId = "";

beforeAll(async () => {
  [rig, receiver] = await Promise.all([openConsoleRig(), startReceiver()]);
  const { ada } = rig;
  const { application } = await ada.call<{ application: { clientId: string } }>(
    "ApplicationService/CreateApplication",
    {
      parent: FARM,
      application: { displayName: "Gateway", type: "SERVER", clientCredentialsEnabled: true },
    },
  );
  clientId = application.clientId;
  await ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: { displayName: "Hook", webhook: { url: receiver.url }, start: { position: "EARLIEST" } },
  });
  await rig.push({ sensor: "a", value: 1 });
}, 300_000);
endConsole(() => [rig, receiver]);

const shown = (text: string | RegExp) => rig.page.getByText(text).first().waitFor();

test("without a mouse: a member is invited, the invitation taken back, a role given and taken back", async () => {
  const { page, open } = rig;
  await open(`/${FARM}/members`);
  await typeAt(page, "E-mail address to invite", "bob@example.com");
  await tabTo(page, "Role to give");
  await page.keyboard.type("Ed");
  await press(page, "Invite");
  await shown("It is shown this once");
  await press(page, "I have copied it");
  await shown("bob@example.com as Editor");
  await press(page, "Take back the invitation of bob@example.com");
  await press(page, "Take it back");
  await shown("None is open.");
  await focusIsKept(page, "the invitation is gone");
  await typeAt(page, "Client id or e-mail address", clientId);
  await page.keyboard.press("Enter");
  await shown("Gateway is Editor now.");
  await press(page, "Take back the role of Gateway");
  await press(page, "Take it back");
  await page.getByRole("row", { name: /Gateway/ }).waitFor({ state: "detached" });
  await focusIsKept(page, "the role is gone");
});

test("without a mouse: a column of a mapping is a template, which is previewed and saved", async () => {
  const { page, open, ada } = rig;
  await open(`/${HOOK}/rules`);
  await press(page, "Add column");
  await typeAt(page, "Name of column 1", "who");
  await tabTo(page, "Column 1 holds");
  await page.keyboard.type("A Jsonnet");
  await page.getByRole("textbox", { name: "Template of column 1" }).waitFor();
  await tabTo(page, "Template of column 1");
  await page.keyboard.type('std.asciiUpper(Body("sensor"))');
  await page.keyboard.press("Escape");
  await shown('{"who":"A"}');
  // Tab leaves the editor as it leaves every other field.
  await press(page, "Save filter and mapping");
  await shown("Saved. It applies to what is pushed from now on.");
  await focusIsKept(page, "the mapping was saved");
  const { sink } = await ada.call<{ sink: { mapping: { columns: { name: string }[] } } }>(
    "SinkService/GetSink",
    { name: HOOK },
  );
  expect(sink.mapping.columns).toMatchObject([{ name: "who" }]);
});

test("without a mouse: a replay that cannot go on is cancelled", async () => {
  const { page, open } = rig;
  receiver.mode = { kind: "status", status: 503 };
  await open(`/${HOOK}/replays`);
  await tabTo(page, "Which records");
  await page.keyboard.type("Of a range");
  await typeAt(page, "First sequence", "1");
  await press(page, "Count the records");
  await shown(/would be delivered again/);
  await press(page, "Start the replay");
  await page.getByRole("progressbar", { name: "Records of the replay" }).waitFor();
  await press(page, "Cancel");
  await page.getByText("Cancelled", { exact: true }).waitFor();
  await focusIsKept(page, "what was cancelled cannot be again");
  receiver.mode = { kind: "ok" };
});

test("without a mouse: it is said who is told of alerts, and a test is sent", async () => {
  const { page, open } = rig;
  await open(`/${FARM}/alerts`);
  await typeAt(page, "Webhook URL", receiver.url);
  await press(page, "Save");
  await shown("It is shown this once");
  await press(page, "I have copied it");
  await focusIsKept(page, "the secret was put away");
  await press(page, "Send a test");
  await shown("Webhook: 200");
});

test("without a mouse: an operator edits a quota, and suspends a project, which goes on", async () => {
  const { page, open } = rig;
  await open("/operator");
  await press(page, "Quotas");
  await typeAt(page, "Streams", "7");
  await page.keyboard.press("Enter");
  await shown(/streams 1 of 7/);
  await press(page, "Suspend Farm");
  await typeAt(page, "Why, for operators", "unpaid");
  await press(page, "Suspend it");
  await shown(/: unpaid/);
  await focusIsKept(page, "Suspend became Let it go on");
  await press(page, "Let it go on");
  await page.getByRole("button", { name: "Suspend Farm" }).waitFor();
  await focusIsKept(page, "Let it go on became Suspend");
});

test("without a mouse: what was deleted is brought back, and given up for good", async () => {
  const { page, open, ada } = rig;
  const parent = READINGS;
  await ada.call("SourceService/CreateSource", {
    parent,
    source: { displayName: "Gate", apiKey: {} },
  });
  const name = `${READINGS}/sources/gate`;
  await ada.call("SourceService/DeleteSource", { name });
  await open(`/${FARM}/deleted`);
  await press(page, "Bring gate back");
  await shown("It is back:");
  await focusIsKept(page, "what is back is not listed any more");
  await press(page, name);
  await page.getByRole("heading", { name: "Gate" }).waitFor();
  await ada.call("SourceService/DeleteSource", { name });
  await open(`/${FARM}/deleted`);
  await press(page, "Give up gate");
  await press(page, "Give it up for good");
  await shown("Nothing was deleted in the last days");
  await focusIsKept(page, "the last deleted thing is gone");
});

test("without a mouse: tabs by arrows; colours, UTC, the account and the way out in the menu", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/connect`);
  await tabTo(page, "Who pushes?");
  await page.keyboard.type("You");
  await press(page, "Make a token for one hour");
  await tabTo(page, "cURL");
  await page.keyboard.press("ArrowRight");
  await page.getByRole("tab", { name: "Python", selected: true }).waitFor();
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  await page.getByRole("tab", { name: "cURL", selected: true }).waitFor();
  await open(`/${FARM}/audit`);
  const time = page.getByRole("region", { name: "Audit events" }).locator("time").first();
  const local = await time.innerText();
  const menu = "ada";
  await chooseInMenu(page, menu, "UTC");
  await expect
    .poll(() => time.innerText(), PATIENT)
    .toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  expect(await time.getAttribute("title")).toBe(`${local} (local)`);
  // The menu stays open for the next choice; Escape gives the focus back to its button.
  await page.keyboard.press("Home");
  await page.keyboard.type("dark");
  await page.keyboard.press("Enter");
  await expect
    .poll(() => page.evaluate("getComputedStyle(document.documentElement).colorScheme"), PATIENT)
    .toBe("dark");
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await expect
    .poll(() => page.evaluate("document.activeElement.className"), PATIENT)
    .toBe("menu-button");
  await page.reload();
  await expect.poll(() => time.innerText(), PATIENT).toMatch(/UTC$/);
  await chooseInMenu(page, menu, "Your account");
  await page.getByRole("heading", { level: 1, name: "Your account" }).waitFor();
  await focusIsKept(page, "the menu led to a page");
  await chooseInMenu(page, menu, "Sign out");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await focusIsKept(page, "the sign-out");
});

test("the policy of the pages stopped nothing that they do", () => {
  expect(rig.complaints).toEqual([]);
});
