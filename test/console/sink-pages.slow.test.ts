import { beforeAll, expect, test } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const HOOK = `${READINGS}/sinks/hook`;

let rig: ConsoleRig;
let receiver: Receiver;

beforeAll(async () => {
  [rig, receiver] = await Promise.all([openConsoleRig(), startReceiver()]);
  await rig.push({ sensor: "a", value: 1 }, { sensor: "b", value: 2 });
  await rig.ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: {
      displayName: "Hook",
      webhook: { url: receiver.url, headers: { "x-team": "a secret of the team" } },
      retry: { schedule: ["0.2s"] },
      start: { position: "EARLIEST" },
    },
  });
}, 120_000);
endConsole(() => [rig, receiver]);

test("B03: deliveries show each attempt with what was sent and answered, and can be narrowed to failures", async () => {
  const { page, open, push } = rig;
  receiver.mode = { kind: "status", status: 503 };
  await push({ sensor: "c", value: 3 });
  await open(`/${HOOK}/deliveries`);
  await page.getByLabel("Show").selectOption({ label: "Those that failed" });
  await page.getByText("Failed, is repeated").first().waitFor();
  await page.getByRole("row").nth(1).getByRole("button").press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/^POST/).waitFor();
  await dialog.getByText("Answer: 503").waitFor();
  await dialog
    .getByText(/"sensor": ?"/)
    .first()
    .waitFor();
  expect(await rig.everythingHeld()).not.toContain("a secret of the team");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  receiver.mode = { kind: "ok" };
  await page.getByLabel("Show").selectOption({ label: "Those that delivered" });
  await page.getByText("Delivered", { exact: true }).first().waitFor();
  await expect.poll(() => receiver.accepted()).toContainEqual({ sensor: "c", value: 3 });
});

test("B04: records of a time are counted, then replayed, with progress", async () => {
  const { page, open } = rig;
  const before = receiver.accepted().length;
  await open(`/${HOOK}/replays`);
  await page.getByLabel("Which records").selectOption("sequences");
  await page.getByLabel("First sequence").fill("x");
  await page.getByRole("button", { name: "Count the records" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("First sequence").fill("1");
  await page.getByRole("button", { name: "Count the records" }).click();
  await page.getByText("3 records would be delivered again.").waitFor();
  await page.getByRole("button", { name: "Start the replay" }).click();
  await page.getByText("3 delivered, 0 filtered, 0 refused").waitFor();
  await page.getByText("Done", { exact: true }).waitFor();
  expect(receiver.accepted().length).toBe(before + 3);
});

test("the settings of a sink are edited: a fault stands beside its field, secrets that are left empty stay", async () => {
  const { page, open, ada } = rig;
  await open(`/${HOOK}/settings`);
  await page.getByLabel("Name", { exact: true }).fill("Hook of the team");
  await page.getByText("Retry", { exact: true }).first().click();
  await page.getByLabel("Timeout").fill("500s");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").waitFor();
  expect(await page.getByLabel("Timeout").getAttribute("aria-invalid")).toBe("true");
  await page.getByLabel("Timeout").fill("15s");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.getByRole("heading", { name: "Hook of the team" }).waitFor();
  const { sink } = await ada.call<{ sink: { retry: { timeout: string } } }>("SinkService/GetSink", {
    name: HOOK,
  });
  expect(sink.retry.timeout).toBe("15s");
  await rig.push({ sensor: "d", value: 4 });
  await expect.poll(() => receiver.accepted()).toContainEqual({ sensor: "d", value: 4 });
  expect(receiver.requests.at(-1)?.headers["x-team"]).toBe("a secret of the team");
});

test("a new signing secret is shown once and is nowhere afterwards", async () => {
  const { page } = rig;
  await page.getByLabel("How long the old secret signs as well").selectOption("3600s");
  await page.getByRole("button", { name: "Make a new secret" }).click();
  await page.getByText("It is shown this once").waitFor();
  const secret = await page.locator(".copy-line code").innerText();
  expect(secret).toMatch(/^whsec_/);
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("button", { name: "Make a new secret" }).waitFor();
  expect(await rig.everythingHeld()).not.toContain(secret);
});

test("a change of state is shown at once, and undone when the call fails", async () => {
  const { page, open } = rig;
  await open(`/${HOOK}`);
  await page.getByText("Running", { exact: true }).waitFor();
  let answer: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await page.route(/SinkService\/PauseSink$/, async (route) => {
    await held;
    await route.fulfill({
      status: 403,
      contentType: "application/json",
      body: '{"code":"permission_denied","message":"not yours to pause"}',
    });
  });
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused", { exact: true }).waitFor();
  answer();
  await page.getByText("Not yours to pause.").waitFor();
  await page.getByText("Running", { exact: true }).waitFor();
  await page.unroute(/SinkService\/PauseSink$/);
});

test("N08: a record's trace tells what became of it at each sink, by an address that can be passed on", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/live`);
  const line = page.locator(".records > li").first();
  await line.locator("summary").click();
  await line.getByRole("link", { name: "Trace it" }).click();
  await page.getByRole("heading", { name: "The record" }).waitFor();
  await page.getByRole("region", { name: HOOK }).getByText("Delivered", { exact: true }).waitFor();
  const address = page.url();
  await page.getByLabel("Id of the record").fill("no id");
  await page.getByRole("button", { name: "Trace it" }).click();
  await page.getByRole("alert").waitFor();
  await page.goto(address);
  await page.getByText("Way in").waitFor();
});

test("N06: a sink is moved to another destination from its page, which says at which sequence", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  const target = await startReceiver();
  await rig.ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: { displayName: "Old", webhook: { url: receiver.url }, start: { position: "EARLIEST" } },
  });
  await open(`/${READINGS}/sinks/old/migrations`);
  await page.getByLabel("Name of the new sink").fill("New");
  await page.getByLabel("Destination", { exact: true }).selectOption({ label: "Webhook" });
  await page.getByLabel("URL", { exact: true }).fill(target.url);
  await page.getByRole("button", { name: "Move" }).click();
  await page.getByText("It is shown this once").waitFor();
  await page.getByRole("button", { name: "I have copied it" }).click();
  const migration = page.getByRole("listitem").filter({ hasText: "from sequence" });
  await migration.getByRole("link", { name: "new" }).waitFor();
  await target.close();
});

test("K16: staged rows show how full each condition is, and are read as a file", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  await rig.ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: {
      displayName: "Staged",
      postgres: { table: "staged", staging: { time: "3600s", count: 1000 } },
      start: { position: "EARLIEST" },
    },
  });
  await open(`/${READINGS}/sinks/staged`);
  await page.getByText(/\d of 1,000/).waitFor();
  await page.getByRole("button", { name: "Read the staged rows" }).click();
  const saved = page.waitForEvent("download");
  await page.getByRole("link", { name: "Save them as CSV" }).click();
  const file = await (await saved).createReadStream();
  const text = (await file.toArray()).join("");
  expect(text).toContain("sensor,value");
});

test("a mapping is written with completion, its rows stand beside it before it is saved, and what is pushed becomes them", {
  timeout: 120_000,
}, async () => {
  const { page, open, push } = rig;
  await open(`/${HOOK}/rules`);
  await page.getByRole("button", { name: "Add column" }).click();
  await page.getByLabel("Name of column 1").fill("who");
  await page.getByLabel("Column 1 holds").selectOption("template");
  const editor = page.getByRole("textbox", { name: "Template of column 1" });
  await editor.click();
  await page.keyboard.type("std.asciiUp");
  await page.getByRole("option", { name: /asciiUpper/ }).click();
  await page.keyboard.type('(Body("sen');
  await page.getByRole("option", { name: /sensor/ }).click();
  await page.keyboard.type('"');
  await page.getByRole("alert").waitFor();
  await page.keyboard.type("))");
  await page.getByText('{"who":"A"}').first().waitFor();
  await page.getByRole("button", { name: "Add column" }).click();
  await page.getByLabel("Name of column 2").fill("depth");
  await page.getByLabel("Column 2 holds").selectOption("path");
  await page.getByLabel("Name or path of column 2").fill("deep.down");
  await page
    .getByText(/^held:/)
    .first()
    .waitFor();
  await page.getByLabel("Default of column 2").fill("0");
  await page.getByLabel("Type of column 2").selectOption({ label: "Long" });
  await page.getByText('{"who":"A","depth":0}').first().waitFor();
  await page.getByRole("button", { name: "Save filter and mapping" }).click();
  await page.getByText("Saved.").waitFor();
  await push({ sensor: "mapped", value: 5 });
  await expect.poll(() => receiver.accepted()).toContainEqual({ who: "MAPPED", depth: 0 });
  await page.reload();
  await page.getByText('std.asciiUpper(Body("sensor"))').waitFor();
  expect(await page.getByLabel("Default of column 2").inputValue()).toBe("0");
});

test("versions show what each change did; an earlier one is brought back", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  await open(`/${HOOK}/versions`);
  await page.getByText("What it changed").first().click();
  await page.getByRole("rowheader", { name: "mapping", exact: false }).first().waitFor();
  await page.getByRole("button", { name: "Go back to version 1", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Go back" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "Overview" }).waitFor();
  await page.getByRole("heading", { name: "Hook", exact: false }).first().waitFor();
  await page.getByRole("link", { name: "Filter and mapping" }).click();
  await page.getByText("None: a record is delivered as it was pushed.").waitFor();
});

test("B07: who is told of faults is saved and tested", async () => {
  const { page, open } = rig;
  receiver.mode = { kind: "ok" };
  await open("/projects/farm/alerts");
  await page.getByLabel("Webhook URL").fill(receiver.url);
  await page.getByLabel("Held", { exact: true }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("It is shown this once").waitFor();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("button", { name: "Send a test" }).click();
  await page.getByText("Webhook: 200").waitFor();
});

test("the policy of the pages stopped nothing that they do", () => {
  expect(rig.complaints).toEqual([]);
});
