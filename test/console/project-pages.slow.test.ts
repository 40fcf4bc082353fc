import { beforeAll, expect, test, vi } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

// A page takes several times as long on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let rig: ConsoleRig;
let receiver: Receiver;

beforeAll(async () => {
  [rig, receiver] = await Promise.all([openConsoleRig(), startReceiver()]);
  await rig.push({ sensor: "a", value: 1 });
}, 300_000);
endConsole(() => [rig, receiver]);

test("F02: a branch is made with the records of another, and has its own Live, Records, Connect, Sinks and Share", async () => {
  const { page, open, ada } = rig;
  await open(`/${READINGS}/branches`);
  await page.getByLabel("Id", { exact: true }).fill("trial");
  await page.getByLabel("Begin with").selectOption("main");
  await page.getByRole("button", { name: "Make the branch" }).click();
  await page.getByRole("link", { name: "trial", exact: true }).click();
  await page.getByRole("heading", { name: "Branch trial Ready" }).waitFor();
  await page.locator(".records").getByText('"a"').first().waitFor();
  await page.getByText("Test with JSON", { exact: true }).click();
  await page.getByLabel("Record", { exact: true }).fill('{"sensor":"only-here","value":5}');
  await page.getByRole("button", { name: "Push the record" }).click();
  await page.locator(".records").getByText("only-here").first().waitFor();
  const parts = page.getByRole("navigation", { name: "Parts of the branch" });
  await parts.getByRole("link", { name: "Records" }).click();
  await page.getByText("only-here").first().waitFor();
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByText("Count the whole log").waitFor();
  expect(new URL(page.url()).pathname).toBe(`/${READINGS}/branches/trial/records/keys`);
  await parts.getByRole("link", { name: "Connect" }).click();
  await page.getByLabel("Who pushes?").selectOption("personal");
  await page.getByRole("button", { name: "Make a token for one hour" }).click();
  await page.getByText("?branch=trial").first().waitFor();
  await parts.getByRole("link", { name: "Share" }).click();
  await page.getByText("Roles are given on the stream, and hold on all of its branches.").waitFor();
  await parts.getByRole("link", { name: "Sinks" }).click();
  await page.getByRole("link", { name: "Add Webhook" }).click();
  await page.getByText("It delivers the records of the branch trial.").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Trial hook");
  await page.getByLabel("URL", { exact: true }).fill(receiver.url);
  await page.getByLabel("Begin", { exact: true }).selectOption("EARLIEST");
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText("Running", { exact: true }).waitFor();
  await vi.waitFor(
    () => expect(receiver.accepted()).toContainEqual({ sensor: "only-here", value: 5 }),
    { timeout: 60_000 },
  );
  const main = await ada.fetch(`/v1/${READINGS}/records`);
  expect(await main.text()).not.toContain("only-here");
  await open(`/${READINGS}/branches/main`);
  await page.waitForURL(`**/${READINGS}/live`);
});

test("K19: the tasks of a project say what they do, how far they are, why they failed, and lead to what they made", async () => {
  const { page, open, ada } = rig;
  await ada.call("StreamService/CreateBranch", {
    parent: READINGS,
    branchId: "copied",
    copyOf: "main",
  });
  const sink = { displayName: "Later", webhook: { url: receiver.url } };
  await ada.call("SinkService/CreateSink", { parent: READINGS, sink, asTask: true });
  const broken = { displayName: "Broken", webhook: { url: "http://127.0.0.1:1/in" } };
  await ada.call("SinkService/CreateSink", { parent: READINGS, sink: broken, asTask: true });
  await open(`/${FARM}`);
  await page.getByRole("link", { name: "Tasks" }).click();
  const list = page.getByRole("region", { name: "Tasks, newest first" });
  const failed = list.getByRole("article").filter({ hasText: "streams/readings/sinks/broken" });
  await failed.getByText("Failed", { exact: true }).waitFor();
  expect(await failed.locator(".fault").innerText()).toContain("ECONNREFUSED");
  expect(await failed.getByRole("link").count()).toBe(0);
  const copy = list.getByRole("article").filter({ hasText: "branches/copied" });
  await copy.getByText(/ B of .* copied$/).waitFor();
  await copy.getByRole("link", { name: "streams/readings/branches/copied" }).click();
  await page.getByRole("heading", { name: "Branch copied Ready" }).waitFor();
  await page.goBack();
  await list.getByRole("link", { name: "streams/readings/sinks/later" }).click();
  await page.getByRole("heading", { name: /^Later/ }).waitFor();
});

test("F13: an application is edited: its name, what it may do, whether it may do anything", async () => {
  const { page, open, ada } = rig;
  await ada.call("ApplicationService/CreateApplication", {
    parent: FARM,
    application: { displayName: "Gateway", type: "SERVER", clientCredentialsEnabled: true },
  });
  await open(`/${FARM}/applications`);
  await page.getByRole("button", { name: "Edit Gateway" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("Gate");
  await dialog.getByLabel(/^Read records and settings/).uncheck();
  await dialog.getByLabel(/^Disabled/).check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  const card = page.getByRole("article").filter({ hasText: "Gate" });
  await card.getByText("Disabled", { exact: true }).waitFor();
  const { application } = await ada.call<{ application: Record<string, unknown> }>(
    "ApplicationService/GetApplication",
    { name: `${FARM}/applications/gateway` },
  );
  expect(application).toMatchObject({
    displayName: "Gate",
    disabled: true,
    operations: ["api:use-streams-write"],
  });
});

test("K24, K25: a token is described anew and disabled; its new secret works, the old one as long as was chosen", async () => {
  const { page, open, ada, server } = rig;
  const made = await ada.call<{ token: { name: string }; secret: string }>(
    "TokenService/CreateToken",
    {
      parent: FARM,
      token: {
        ...{ kind: "SERVICE", role: "VIEWER", description: "Reports" },
        operations: ["api:use-streams-read"],
      },
    },
  );
  const read = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${server.url}/v1/${READINGS}/records`, { headers })).status;
  };
  await open(`/${FARM}/tokens`);
  await page.getByRole("button", { name: "Refresh the token Reports" }).click();
  await page.getByLabel("How long the old secret works on").selectOption("3600");
  await page.getByRole("button", { name: "Make the new secret" }).click();
  const fresh = await page.getByRole("region", { name: "Token" }).locator("code").innerText();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText("The old secret ends").waitFor();
  expect([await read(made.secret), await read(fresh)]).toEqual([200, 200]);
  await page.getByRole("button", { name: "Edit the token Reports" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("What it is for").fill("Reports of the night");
  await dialog.getByLabel(/^Disabled/).check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Reports of the night Disabled" }).waitFor();
  await vi.waitFor(async () => expect(await read(fresh)).toBe(401), { timeout: 60_000 });
});

test("E03, B11: the list has the sink that is furthest behind first, and its page says why it is late", async () => {
  const { page, open, ada, push } = rig;
  const down = await startReceiver({ kind: "status", status: 503 });
  try {
    for (const [displayName, url] of [
      ["Behind", down.url],
      ["Prompt", receiver.url],
    ]) {
      const sink = { displayName, webhook: { url }, retry: { schedule: ["1s"], errorAfter: "2s" } };
      await ada.call("SinkService/CreateSink", { parent: READINGS, sink });
    }
    await push({ sensor: "late", value: 1 });
    await open(`/${READINGS}/sinks`);
    const names = async () => {
      const rows = page.locator("tbody tr:has(td)");
      return (await rows.allInnerTexts()).map((text) => text.split(/\s/)[0]);
    };
    await page.getByRole("row", { name: /^Behind/ }).waitFor();
    expect(await names()).toContain("Prompt");
    await page.getByLabel("Show").selectOption("trouble");
    await page.getByLabel("Order").selectOption("late");
    await page.getByRole("row", { name: /^Prompt/ }).waitFor({ state: "detached" });
    await expect.poll(names, { timeout: 90_000 }).toEqual(["Behind"]);
    await page.getByRole("link", { name: "Behind" }).click();
    const why = page.getByRole("status").filter({ hasText: "1 record waits" });
    await why.getByText(/the oldest for .*503/).waitFor();
  } finally {
    await down.close();
  }
});
