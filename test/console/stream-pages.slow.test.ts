import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";

const run = promisify(execFile);

let rig: ConsoleRig;

beforeAll(async () => {
  rig = await openConsoleRig();
  for (let at = 0; at < 10; at++) {
    const hundred = Array.from({ length: 100 }, (_none, i) => at * 100 + i);
    await rig.push(...hundred.map((value) => ({ sensor: `s${value % 7}`, value })));
  }
}, 120_000);
afterAll(async () => {
  await rig?.close();
});

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
});

test("the policy of the pages stopped nothing that they do", () => {
  expect(rig.complaints).toEqual([]);
});
