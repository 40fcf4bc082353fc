import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { waitFor } from "../support/wait-for.ts";

const run = promisify(execFile);

let rig: ConsoleRig;

beforeAll(async () => {
  rig = await openConsoleRig();
  for (let at = 0; at < 10; at++) {
    const hundred = Array.from({ length: 100 }, (_none, i) => at * 100 + i);
    await rig.push(...hundred.map((value) => ({ sensor: `s${value % 7}`, value })));
  }
}, 120_000);
endConsole(() => [rig]);

async function copied(): Promise<string> {
  return rig.page.evaluate("navigator.clipboard.readText()");
}

/** Runs a command with a token of the person that owns the stream. */
async function runWithToken(command: string): Promise<string> {
  const { secret } = await rig.ada.call<{ secret: string }>("TokenService/CreateToken", {
    parent: FARM,
    token: {
      ...{ kind: "PERSONAL", description: "curl", resource: READINGS, role: "EDITOR" },
      operations: ["api:use-streams-read", "api:use-streams-write"],
      expireTime: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });
  const env = { ...process.env, ACCESS_TOKEN: secret };
  return (await run("sh", ["-c", command], { env, timeout: 20_000 })).stdout;
}

test("live: a long log is followed from its oldest record, with only what is seen in the page", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/live`);
  await page.getByText("Seek by key and time, filter, rate").click();
  await page.getByLabel("Begin with").selectOption("first");
  await page.getByLabel("At most").selectOption("10000");
  await page.getByRole("button", { name: "Read" }).click();
  await page.getByText("1000 records seen").waitFor();
  await page.locator(".records").getByText('"value":999}').waitFor();
  expect(await page.locator(".records > li").count()).toBeLessThan(60);
  const list = page.getByRole("region", { name: "Newest first" });
  await list.focus();
  await page.keyboard.press("End");
  await page.locator(`.records > li[aria-posinset="1000"]`).waitFor();
});

test("live: seeks by key, and by time; a key without all its parts and a wrong sequence are named beside their fields", async () => {
  const { page } = rig;
  await page.getByLabel("Key: sensor").fill("s3");
  await page.getByRole("button", { name: "Read" }).click();
  await page.getByText("143 records seen").waitFor();
  await page.getByLabel("Begin with").selectOption("sequence");
  await page.getByLabel("From this sequence").fill("first");
  await page.getByRole("button", { name: "Read" }).click();
  await page.getByText("Give a whole number.").waitFor();
  await page.getByLabel("Begin with").selectOption("time");
  await page.getByLabel("From this time").fill("2020-01-01T00:00");
  await page.getByRole("button", { name: "Read" }).click();
  await page.getByText("143 records seen").waitFor();
  await page.getByLabel("Key: sensor").fill("");
  await page.getByLabel("Only records with").fill("value = 77");
  await page.getByRole("button", { name: "Read" }).click();
  await page.getByText("1 record seen").waitFor();
  await page.getByLabel("Only records with").fill("value ==== 77");
  await page.getByRole("button", { name: "Read" }).click();
  await page.locator('input[aria-invalid="true"]').waitFor();
});

test("live: a record is copied as curl, and the command pushes it again", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/live`);
  const line = page.locator(".records > li").first();
  await line.locator("summary").click();
  await line.getByRole("button", { name: /^Copy as curl/ }).click();
  await line.getByText("Copied").waitFor();
  const command = await copied();
  expect(command).toContain(`${rig.server.url}/v1/${READINGS}/records`);
  expect(await runWithToken(command)).toContain('"accepted":');
});

test("records: a table of records, of keys and of partitions, and the list as curl", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/records`);
  await page.getByText("500 records read; there are more.").waitFor();
  await page.getByRole("button", { name: "Read 500 more" }).click();
  await page.getByText("1,000 records read").waitFor();
  expect(await page.getByRole("row").count()).toBeLessThan(60);
  await page.getByRole("button", { name: /^Copy as curl/ }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  const list = JSON.parse(await runWithToken(await copied())) as { records: unknown[] };
  expect(list.records).toHaveLength(500);
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByRole("cell", { name: '{"sensor":"s6"}' }).waitFor();
  expect(await page.getByRole("row").count()).toBe(8);
  await page.getByRole("link", { name: "Partitions" }).click();
  await page.getByRole("rowheader", { name: "3" }).waitFor();
  expect(await page.getByRole("row").count()).toBe(5);
  await page.reload();
  await page.getByText("500 records read; there are more.").waitFor();
  await page.getByText("the log may hold more").waitFor();
  await page.getByRole("button", { name: "Count the whole log" }).click();
  const counted = page.getByText(/^1,\d{3} records counted, all that the log holds\.$/);
  const whole = Number((await counted.innerText()).slice(0, 5).replace(",", ""));
  const counts = await page.getByRole("row").locator("td:nth-of-type(1)").allInnerTexts();
  expect(counts.reduce((sum, text) => sum + Number(text), 0)).toBe(whole);
});

test("F10: an unfinished stream shows all its faults at once; a preset fills in its fields and its key is chosen", async () => {
  const { page, open } = rig;
  await open("/projects/farm/new-stream");
  const status = page.getByRole("status").filter({ hasText: "Before the stream can be created" });
  await status.getByText("Name: give an id").waitFor();
  await status.getByText("Field 1").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Usage");
  await page.getByLabel("Begin with").selectOption({ label: "Usage of a service" });
  await page.getByText("The fields of this preset stand as they are").waitFor();
  await page.getByText("Ready to be created.").waitFor();
  await page.reload();
  await page.getByText("The fields of this preset stand as they are").waitFor();
  await page.getByLabel("Begin with").selectOption({ label: "Events of a service" });
  await page.getByLabel("Name of field 1").first().waitFor();
  await page.getByText("Ready to be created.").waitFor();
  await page.getByRole("button", { name: "Create stream" }).click();
  await page.getByRole("heading", { name: "Usage" }).waitFor();
});

test("S16: a proposed change is edited before it is accepted, another one is dismissed", async () => {
  const { page, open, push } = rig;
  await push({ sensor: "a", value: 1, colour: "red" });
  await push({ sensor: "a", value: 1, weight: 4 });
  await open(`/${READINGS}/schema`);
  const proposals = page.getByRole("article");
  await waitFor(async () => {
    await page.reload();
    await page.getByRole("heading", { name: "Proposed changes" }).waitFor();
    return (await proposals.count()) === 2;
  });
  const colour = proposals.filter({ hasText: "colour" });
  await colour.getByRole("button", { name: "Edit before accepting" }).click();
  await colour.getByLabel("Name of field 3").fill("sensor");
  await colour.getByRole("button", { name: "Accept as edited" }).click();
  await colour.getByRole("alert").waitFor();
  expect(await colour.getByLabel("Name of field 3").getAttribute("aria-invalid")).toBe("true");
  await colour.getByLabel("Name of field 3").fill("colour");
  await colour.getByLabel("Type of field 3").selectOption({ label: "Any JSON" });
  await colour.getByRole("button", { name: "Accept as edited" }).click();
  await page.getByText("Fields, version 2").waitFor();
  await page.getByText("colour: Any JSON").waitFor();
  await proposals.filter({ hasText: "weight" }).getByRole("button", { name: "Dismiss" }).click();
  await page.getByText("Decided before: 2").waitFor();
});

test("settings: mode and retention of a stream are changed; a wrong retention is named", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/settings`);
  await page.getByLabel("Schema mode").selectOption("OPEN");
  await page.getByText("Retention", { exact: true }).first().click();
  await page.getByLabel("Age", { exact: true }).fill("1s");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Age", { exact: true }).fill("86400s");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "Schema" }).click();
  await page.getByText("Open: records that do not fit are taken").waitFor();
});

test("S01: a source that asks an address by itself is made without senders", async () => {
  const { page, open, ada } = rig;
  await open(`/${READINGS}/sources/new`);
  await page.getByLabel("Name", { exact: true }).fill("Asker");
  await page.getByLabel("Mode", { exact: true }).selectOption({ label: "Poll" });
  await page.getByLabel("URL", { exact: true }).fill(`${rig.server.url}/openapi.json`);
  await page.getByLabel("Schedule", { exact: true }).selectOption({ label: "Interval" });
  await page.getByLabel("Interval", { exact: true }).fill("3600s");
  await page.getByRole("button", { name: "Create source" }).click();
  await page.getByRole("button", { name: "To the sources" }).click();
  await page.getByRole("heading", { name: "Asker" }).waitFor();
  const { source } = await ada.call<{ source: { mode: string } }>("SourceService/GetSource", {
    name: `${READINGS}/sources/asker`,
  });
  expect(source.mode).toBe("POLL");
});

test("F02: a branch is made with the records of another, and deleted", async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/branches`);
  await page.getByLabel("Id").fill("trial");
  await page.getByLabel("Begin with").selectOption({ label: "The records of main" });
  await page.getByRole("button", { name: "Make the branch" }).click();
  await page.getByRole("heading", { name: "trial Ready" }).waitFor({ timeout: 20_000 });
  await page.getByRole("button", { name: "Delete trial" }).click();
  await page.getByRole("button", { name: "Delete the branch" }).click();
  await page.getByRole("heading", { name: /^trial/ }).waitFor({ state: "detached" });
});

test("the policy of the pages stopped nothing that they do", () => {
  expect(rig.complaints).toEqual([]);
});
