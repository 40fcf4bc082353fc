import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
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
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`the page: ${await rig.shown()}\n`);
});
afterAll(async () => {
  await rig?.close();
  await receiver?.close();
});

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
