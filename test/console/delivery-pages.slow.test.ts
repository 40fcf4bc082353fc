import { beforeAll, expect, test, vi } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const STRICT = `${READINGS}/sinks/strict`;

// A page takes several times as long on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

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
endConsole(() => [rig, receiver]);

test("from all projects it is two clicks to the cause of records that do not arrive", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  await open("/");
  const tile = page.getByRole("row").filter({ hasText: "Farm" });
  await tile.getByText("1 alert").waitFor({ timeout: 30_000 });
  await tile.getByRole("link", { name: "Farm" }).click();
  const trouble = page.getByRole("region", { name: "What goes wrong now" });
  await trouble.getByText("2 records could not be delivered and are held").waitFor();
  await trouble.getByRole("link", { name: "streams/readings/sinks/strict" }).click();
  await page.getByRole("heading", { name: "Held records" }).waitFor();
  await page.getByText("column who: the path site.name is missing").first().waitFor();
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
  await page.getByRole("button", { name: "DiscardHeldRecords" }).click();
  await page.getByRole("dialog").getByText("a sensor of the workshop").waitFor();
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

test("N07, B11: the ledger of a sink adds up, and is exported as a file of this sink or of all", async () => {
  const { page, open, ada } = rig;
  await ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: { displayName: "All", webhook: { url: receiver.url }, start: { position: "EARLIEST" } },
  });
  await expect.poll(() => receiver.accepted(), { timeout: 15_000 }).toHaveLength(5);
  await open(`/${STRICT}/ledger`);
  await page.getByText("The sum of the lines above").waitFor();
  await page.getByRole("row", { name: /^Delivered 2/ }).waitFor();
  await page.getByRole("row", { name: /^Discarded 1/ }).waitFor();
  await page.getByRole("row", { name: /^Pushed 3/ }).waitFor();
  await page.getByRole("heading", { name: "By partition, up to its cursor" }).waitFor();
  expect(await rig.violations()).toEqual([]);
  const [names, ...lines] = (await saved("Export as CSV")).trimEnd().split("\r\n");
  expect(names).toMatch(/^sink,branch,/);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(`${STRICT},`);
  await page.getByLabel("All sinks of the stream").check();
  const all = (await saved("Export as lines of JSON")).trimEnd().split("\n");
  const sinks = all.map((line) => JSON.parse(line).sink);
  expect(sinks.sort()).toEqual([`${READINGS}/sinks/all`, STRICT]);
});

async function saved(button: string): Promise<string> {
  const download = rig.page.waitForEvent("download");
  await rig.page.getByRole("button", { name: button }).click();
  const file = await (await download).createReadStream();
  return (await file.toArray()).join("");
}

test("B11: statistics count what a stream accepted and what its sinks and sources did with it", async () => {
  const { page, open, ada } = rig;
  const { source } = await ada.call<{ source: { url: string } }>("SourceService/CreateSource", {
    parent: READINGS,
    source: { displayName: "Gate", apiKey: {} },
  });
  expect((await fetch(source.url, { method: "POST", body: "{}" })).status).toBe(401);
  await open(`/${READINGS}/statistics`);
  await page.getByText(/^3 records, /).waitFor();
  await page.getByText(/^5 records, /).waitFor();
  const sinks = page.getByRole("region", { name: "Sinks" });
  await sinks.getByRole("row", { name: /^strict Running 2 [\d.,]+ B 0 0 1 0 0/ }).waitFor();
  const sources = page.getByRole("region", { name: "Sources" });
  await sources.getByRole("row", { name: /^Gate 0 1 0/ }).waitFor({ timeout: 20_000 });
  await page
    .getByRole("region", { name: "Accepted in the last 30 days" })
    .locator("canvas")
    .nth(1)
    .waitFor();
  const now = page.getByRole("region", { name: "Accepted and delivered" });
  await now.locator("canvas").nth(1).waitFor();
  expect(await rig.violations()).toEqual([]);
});

test("N16, B10: a sink that stands still shows when it would lose records; spilling needs an archive", async () => {
  const { page, open, ada } = rig;
  await ada.call("SinkService/PauseSink", { name: STRICT });
  await rig.push({ sensor: "c", value: 4 });
  await open(`/${READINGS}/sinks`);
  await page.getByText("Retention takes what it needs from").waitFor();
  await open(`/${STRICT}`);
  await page.getByText("1 record waits. The age of the stream runs out").waitFor();
  const choice = page.getByLabel("When retention reaches what the sink still needs");
  await choice.selectOption({
    label: "Spill: the sink reads on in the archive of the stream, nothing is lost",
  });
  expect(await page.getByRole("button", { name: "Save the choice" }).isDisabled()).toBe(true);
  await ada.call("StreamService/UpdateStream", {
    stream: { name: READINGS, archive: {} },
    updateMask: "archive",
  });
  await page.reload();
  await choice.selectOption({
    label: "Spill: the sink reads on in the archive of the stream, nothing is lost",
  });
  await page.getByRole("button", { name: "Save the choice" }).click();
  await page.getByText("Saved.").waitFor();
  await page.getByText("Nothing is in danger.").waitFor();
  expect(await rig.violations()).toEqual([]);
  const { sink } = await ada.call<{ sink: { whenFull: string } }>("SinkService/GetSink", {
    name: STRICT,
  });
  expect(sink.whenFull).toBe("SPILL");
});

test("B09: a source's versions are compared and one is brought back", async () => {
  const { page, open, ada } = rig;
  await ada.call("SourceService/UpdateSource", {
    source: { name: `${READINGS}/sources/gate`, description: "At the yard" },
    updateMask: "description",
  });
  await open(`/${READINGS}/sources`);
  await page.getByRole("link", { name: "Versions of Gate" }).click();
  await page.getByText("What it changed").first().click();
  await page.getByRole("row", { name: /^description not set "?At the yard/ }).waitFor();
  await page.getByRole("button", { name: "Go back to version 1", exact: true }).click();
  await page.getByRole("button", { name: "Go back", exact: true }).click();
  await page.getByRole("heading", { name: "Version 3 Now" }).waitFor();
  expect(await rig.violations()).toEqual([]);
});

test("B09: what was deleted is brought back with its counts, or given up for good once that is confirmed", async () => {
  const { page, open, ada } = rig;
  await ada.call("SourceService/DeleteSource", { name: `${READINGS}/sources/gate` });
  await open(`/${STRICT}`);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Delete the sink" }).click();
  await page.getByRole("link", { name: "Add sink" }).waitFor();
  await open(`/${FARM}/deleted`);
  await page.getByRole("heading", { name: "Sink strict" }).waitFor();
  expect(await rig.violations()).toEqual([]);
  await page.getByRole("button", { name: "Bring strict back" }).click();
  await page.getByText("It is back:").waitFor();
  await page.getByRole("button", { name: "Give up gate" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Source gate" }).waitFor();
  await page.getByRole("button", { name: "Give up gate" }).click();
  await page.getByRole("button", { name: "Give it up for good" }).click();
  await page.getByText("Nothing was deleted in the last days").waitFor();
  await page.getByRole("link", { name: STRICT }).click();
  await page.getByRole("heading", { name: /^Strict/ }).waitFor();
  await open(`/${STRICT}/ledger`);
  await page.getByRole("row", { name: /^Delivered 2/ }).waitFor();
});

test("F03, B12: a source is edited and tried with a request, down to the rows of the sinks", async () => {
  const { page, open, ada } = rig;
  await ada.call("SourceService/CreateSource", {
    parent: READINGS,
    source: { displayName: "Yard", apiKey: {} },
  });
  await open(`/${READINGS}/sources`);
  await page.getByRole("link", { name: "Settings of Yard" }).click();
  await page.getByLabel("Record id path").fill("sensor");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.getByLabel("Authentication").selectOption({ label: "User and password" });
  await page.getByLabel("Username").fill("yard");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("It is shown this once").waitFor();
  await page.getByRole("button", { name: "I have copied it" }).click();
  expect(await rig.violations()).toEqual([]);
  await page.getByRole("link", { name: "Try a request", exact: true }).click();
  await page.getByLabel("Body").fill('[{"sensor":"tried","value":1},{"sensor":2}]');
  await page.getByRole("button", { name: "Try it" }).click();
  await page.getByText("The request would be refused").waitFor();
  await page.getByLabel("Body").fill('{"sensor":"tried","value":1}');
  await page.getByRole("button", { name: "Try it" }).click();
  await page.getByText("would be answered with 200: 1 records.").waitFor();
  await page.getByText("id tried").waitFor();
  await page.getByText('strict: {"who":"tried"}').waitFor();
  expect(await rig.violations()).toEqual([]);
});

test("B19: the audit log of a project is exported as lines of JSON", async () => {
  const { open } = rig;
  await open(`/${FARM}/audit`);
  const lines = (await saved("Export as lines of JSON")).trimEnd().split("\n");
  const events = lines.map((line) => JSON.parse(line) as { method: string });
  expect(events.some(({ method }) => method.endsWith("/PauseSink"))).toBe(true);
});

test("K18: a new sink begins at a sequence or a time, and its page says what it will not see", async () => {
  const { page, open, ada } = rig;
  await rig.push({ sensor: "d", value: 5 });
  await open(`/${READINGS}/sinks/new/webhook`);
  await page.getByLabel("Name", { exact: true }).fill("Late");
  await page.getByLabel("URL", { exact: true }).fill(receiver.url);
  await page.getByLabel("Begin").selectOption("time");
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.getByText("Give the first time with its date").waitFor();
  await page.getByLabel("Begin").selectOption("sequence");
  const listed = await ada.fetch(`/v1/${READINGS}/records`);
  const { records } = (await listed.json()) as { records: { place: string }[] };
  const sequence = records.at(-1)?.place.split("-")[0] ?? "";
  await page.getByLabel("First sequence").fill(sequence);
  await page.getByLabel("Make a token with it").check();
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.getByText("Signing secret of the webhook").first().waitFor();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText("Token of the sink").first().waitFor();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText(`Delivery begins at sequence ${sequence}:`).waitFor();
  const { sink } = await ada.call<{ sink: { start: unknown } }>("SinkService/GetSink", {
    name: `${READINGS}/sinks/late`,
  });
  expect(sink.start).toEqual({ sequence });
});

test("G10: one switch stops the delivery of a stream and lets it go on, also after a reload", async () => {
  const { page, open, ada } = rig;
  await open(`/${READINGS}/sinks`);
  await page.getByLabel("Real-time notifications").uncheck();
  await page.getByText("Nothing is delivered.").waitFor();
  await page.reload();
  await page.getByText("Nothing is delivered.").waitFor();
  const { sinks } = await ada.call<{ sinks: { status: { state: string } }[] }>(
    "SinkService/ListSinks",
    { parent: READINGS },
  );
  expect(new Set(sinks.map(({ status }) => status.state))).toEqual(new Set(["PAUSED"]));
  expect(await page.getByLabel("Real-time notifications").isChecked()).toBe(false);
  await page.getByLabel("Real-time notifications").check();
  await page.getByText("Nothing is delivered.").waitFor({ state: "detached" });
  await page.getByText("Running", { exact: true }).first().waitFor();
});

test("K24, K25: the tokens of a sink are renewed; the new secret is shown once", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/live`);
  await page.getByRole("link", { name: "Start pipelining" }).click();
  await page.getByRole("heading", { name: "Where should the records go?" }).waitFor();
  await open(`/${READINGS}/sinks/late/settings`);
  await page.getByRole("button", { name: "Renew its tokens" }).click();
  const box = page.getByRole("region", { name: "Tokens of this sink" });
  await box.getByText("It is shown this once").waitFor();
  const secret = await box.locator(".copy-line code").innerText();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("button", { name: "Renew its tokens" }).waitFor();
  expect(await rig.everythingHeld()).not.toContain(secret);
});

test("N09: a filter is saved to begin at a sequence that is not stored yet", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/sinks/late/rules`);
  await page.getByLabel(/CEL expression/).fill('record.sensor != "late"');
  await page.getByLabel("From this sequence on").fill("1");
  await page.getByRole("button", { name: "Save filter and mapping" }).click();
  await page.getByRole("alert").first().waitFor();
  await page.getByLabel("From this sequence on").fill("1000");
  await page.getByRole("button", { name: "Save filter and mapping" }).click();
  await page.getByText("Saved. It applies from sequence 1000 on.").waitFor();
});

test("B09: a stream that was deleted comes back with its sinks", async () => {
  const { page, open, ada } = rig;
  await open(`/${READINGS}/settings`);
  await page.getByRole("button", { name: "Delete the stream" }).click();
  await page.getByRole("button", { name: "Delete the whole stream" }).click();
  await page.getByRole("heading", { level: 1, name: "Farm" }).waitFor();
  await open(`/${FARM}/deleted`);
  await page.getByRole("button", { name: "Bring readings back" }).click();
  await page.getByText("It is back:").waitFor();
  await ada.call("SinkService/GetSink", { name: STRICT });
});
