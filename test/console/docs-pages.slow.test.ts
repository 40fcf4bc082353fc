import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";

let rig: ConsoleRig;

beforeAll(async () => {
  rig = await openConsoleRig();
}, 120_000);
endConsole(() => [rig]);

test("E15, B17: the reference lists every rpc of the OpenAPI document, also to strangers", async () => {
  const stranger = await (await rig.browser.newContext()).newPage();
  await stranger.goto(`${rig.server.url}/docs`);
  await stranger.getByRole("heading", { name: "API reference" }).waitFor();
  const text = await stranger.locator("main").innerText();
  const document = (await (await fetch(`${rig.server.url}/openapi.json`)).json()) as {
    paths: { [path: string]: { [method: string]: { operationId?: string } } };
  };
  const ids = Object.values(document.paths)
    .flatMap((path) => Object.values(path))
    .flatMap(({ operationId }) => operationId ?? []);
  const rpcs = ids.map((id) => /^([A-Z]\w+)_([A-Z][A-Za-z]+)/.exec(id)?.[2]).filter(Boolean);
  expect(rpcs.length).toBeGreaterThan(60);
  expect(rpcs.filter((name) => !text.includes(`${name}`))).toEqual([]);
  await stranger.getByLabel("Find a call").fill("list streams");
  await stranger.getByRole("link", { name: "ListStreams" }).click();
  await stranger.getByRole("button", { name: "Send the call" }).click();
  await stranger.getByText("401", { exact: true }).waitFor();
  await stranger.context().close();
});

test("E15: a call is sent in the session, shown as it was answered, and copied as curl", async () => {
  const { page, open } = rig;
  await open("/docs/ProjectService/GetProject");
  await page.getByText("and the role Viewer or a higher one").waitFor();
  await page.getByRole("textbox", { name: "Request" }).fill(`{"name": "${FARM}"}`);
  await page.getByRole("button", { name: "Send the call" }).click();
  await page.getByText("200", { exact: true }).waitFor();
  await page.getByText('"displayName": "Farm"').waitFor();
  await page.getByRole("textbox", { name: "Request" }).fill('{"name": "projects/none", "x": 1}');
  await page.getByRole("button", { name: "Send the call" }).click();
  await page.getByText("400", { exact: true }).waitFor();
  await page.getByRole("button", { name: /^Copy as curl/ }).click();
  await page.getByText("Copied").waitFor();
});

test("a changing call is sent with a token instead of the session; the token is kept nowhere", async () => {
  const { page, open, ada } = rig;
  const { secret } = await ada.call<{ secret: string }>("TokenService/CreateToken", {
    parent: FARM,
    token: {
      ...{ kind: "PERSONAL", description: "docs", resource: READINGS, role: "EDITOR" },
      operations: ["api:use-streams-write"],
      expireTime: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });
  await open("/docs/PushService/Push");
  await page
    .getByRole("textbox", { name: "Request" })
    .fill(JSON.stringify({ stream: READINGS, records: [{ value: { sensor: "docs", value: 1 } }] }));
  await page.getByLabel("Access token").fill(secret);
  await page.getByRole("button", { name: "Send the call" }).click();
  await page.getByText('"accepted": "1"').waitFor();
  await page.getByRole("link", { name: "PushService" }).click();
  await page.getByRole("heading", { name: "API reference" }).waitFor();
  expect(await rig.everythingHeld()).not.toContain(secret);
});

test("E15: a call that streams is followed message by message, ended, and fails in the server's words", async () => {
  const { page, open, push } = rig;
  await push({ sensor: "followed", value: 1 });
  await open("/docs/RecordService/TailRecords");
  const request = page.getByRole("textbox", { name: "Request" });
  await request.fill(JSON.stringify({ stream: READINGS, fromSequence: 1 }));
  await page.getByRole("button", { name: "Make the call" }).click();
  const messages = page.getByRole("region", { name: "Messages, newest first" });
  await messages.getByText('"sensor":"followed"').first().waitFor();
  await push({ sensor: "behind", value: 2 });
  await messages.getByText('"sensor":"behind"').waitFor();
  await page.getByText("the call is open").waitFor();
  await page.getByRole("button", { name: "End the call" }).click();
  await page.getByText("ended here").waitFor();
  await request.fill(JSON.stringify({ stream: `${FARM}/streams/none` }));
  await page.getByRole("button", { name: "Make the call" }).click();
  await page.getByText(/the call failed: .*not_found/).waitFor();
});

test("E15: a call that takes many messages is a command, which sends what was written", async () => {
  const { page, open, ada } = rig;
  const { secret } = await ada.call<{ secret: string }>("TokenService/CreateToken", {
    parent: FARM,
    token: {
      ...{ kind: "PERSONAL", description: "many", resource: READINGS, role: "EDITOR" },
      operations: ["api:use-streams-write"],
      expireTime: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });
  await open("/docs/PushService/PushStream");
  expect(await page.getByRole("button", { name: "Send the call" }).count()).toBe(0);
  const messages = page.getByLabel("Messages");
  expect(await messages.inputValue()).toContain('{"push":{"stream":""');
  const push = (value: number) =>
    JSON.stringify({ push: { stream: READINGS, records: [{ value: { sensor: "many", value } }] } });
  await messages.fill(`${push(1)}\n${push(2)}`);
  const command = await page.locator(".code-block pre").innerText();
  const PATH = `${join(import.meta.dirname, "../../node_modules/.bin")}:${process.env.PATH}`;
  const env = { ...process.env, PATH, ACCESS_TOKEN: secret };
  const { stdout } = await promisify(execFile)("sh", ["-c", command], { env, timeout: 60_000 });
  expect(stdout.match(/"accepted"/g)).toHaveLength(2);
});

test("the policy of the pages stopped nothing that they do", () => {
  expect(rig.complaints).toEqual([]);
});
