import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const STRICT = `${READINGS}/sinks/strict`;

let rig: ConsoleRig;
let receiver: Receiver;

beforeAll(async () => {
  [rig, receiver] = await Promise.all([openConsoleRig({ bypassCSP: true }), startReceiver()]);
  await rig.ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: {
      displayName: "Strict",
      webhook: { url: receiver.url },
      mapping: { columns: [{ name: "who", path: { path: "site.name" } }] },
      onRecordFailure: "BLOCK_KEY",
      start: { position: "EARLIEST" },
    },
  });
  await rig.push({ sensor: "a", value: 1 }, { sensor: "b", value: 2 });
}, 120_000);
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`the page: ${await rig.shown()}\n`);
});
afterAll(async () => {
  await rig?.close();
  await receiver?.close();
});

test("N05: keys that wait are listed; one is skipped with a reason, which the audit log keeps", async () => {
  const { page, open } = rig;
  await open(`/${STRICT}`);
  await page.getByRole("link", { name: "see why, compare and replay" }).click();
  await page.getByText("2 keys wait, so that their order is kept; all others go on.").waitFor();
  const list = page.getByRole("region", { name: "Held records" });
  const ofB = list.getByRole("listitem").filter({ hasText: '"sensor":"b"' });
  const place = /place (\S+),/.exec(await ofB.innerText())?.[1] ?? "";
  const row = page.getByRole("row").filter({ hasText: place });
  await row.getByRole("button", { name: "Skip" }).click();
  await page.getByLabel("Why, for the audit log").fill("a sensor of the workshop");
  await page.getByRole("button", { name: "Skip them" }).click();
  await page.getByText("1 keys wait").waitFor();
  expect(await rig.violations()).toEqual([]);
  await open(`/${FARM}/audit`);
  await page
    .getByRole("row")
    .filter({ hasText: "DiscardHeldRecords" })
    .getByText("Details")
    .click();
  await page.getByText("a sensor of the workshop").waitFor();
});

test("G07, N09: what a replay would send stands beside what failed, before it is sent", async () => {
  const { page, open, ada } = rig;
  await open(`/${STRICT}/held`);
  await page.getByRole("button", { name: "Compare before replaying" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Of the 1, 0 would be sent").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await ada.call("SinkService/UpdateSink", {
    sink: {
      name: STRICT,
      mapping: { columns: [{ name: "who", path: { path: "sensor" } }] },
    },
    updateMask: "mapping",
  });
  await rig.push({ sensor: "a", value: 3 });
  const parked = page.getByRole("region", { name: "Keys that wait" });
  await parked.getByRole("button", { name: "Compare" }).click();
  await dialog.getByText("Of the 1, 1 would be sent, 1 otherwise than when they failed").waitFor();
  await dialog.getByText('{"who":"a"}').waitFor();
  await dialog.getByText("held: ").waitFor();
  expect(await rig.violations()).toEqual([]);
  await dialog.getByRole("button", { name: "Replay it" }).click();
  await page.getByText("None. A record that cannot be delivered waits here.").waitFor();
  await expect.poll(() => receiver.accepted(), { timeout: 15_000 }).toHaveLength(2);
  expect(receiver.accepted()).toEqual([{ who: "a" }, { who: "a" }]);
});
