import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { beforeAll, expect, test, vi } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { waitFor } from "../support/wait-for.ts";

const FIRST_LOAD_MAX = 220 * 1024;
const root = join(import.meta.dirname, "../..");
const dist = join(root, "dist/console");

// A page takes several times as long on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let rig: ConsoleRig;
let page: Page;
let receiver: Receiver;

beforeAll(async () => {
  [rig, receiver] = await Promise.all([openConsoleRig({ bypassCSP: true }), startReceiver()]);
  page = rig.page;
  await rig.push({ sensor: "a", value: 1 });
}, 300_000);
endConsole(() => [rig, receiver]);

test("F11, F13, F14, F17, F19, F20: an application is registered, shared with, and its cURL sample pushes; its secret is in no page afterwards", async () => {
  await rig.open(`/${READINGS}/connect`);
  await page.getByText("Opens when the steps above are done.").waitFor();
  await page.getByLabel("Name of the application").fill("Gateway");
  await page.getByRole("button", { name: "Register application" }).click();
  const secret = await page.getByLabel("Client secret").inputValue();
  expect(secret.length).toBeGreaterThan(20);
  await page.getByRole("button", { name: "Share as Editor" }).click();
  await page.getByRole("tablist", { name: "Language" }).waitFor();
  for (const language of [
    "Python",
    "JavaScript",
    "Java",
    "TypeScript client",
    "buf curl",
    "cURL",
  ]) {
    await page.getByRole("tab", { name: language, exact: true }).click();
    const sample = await page.locator(".code-block pre").innerText();
    expect(sample).toContain(rig.server.url);
    expect(sample).toContain(READINGS);
    expect(sample).toContain(secret);
    if (language === "Java") continue;
    expect(await runSample(language, sample)).toContain('"accepted":');
  }
  await page.getByRole("tab", { name: "Kafka Connect (Aiven)" }).click();
  await page.getByRole("button", { name: "Make the source for Kafka Connect" }).click();
  await page.getByText(/http\.url=/).waitFor();
  await sendAsConnector(await page.locator(".code-block pre").innerText(), secret);
  await page.getByRole("link", { name: "Live" }).click();
  await page.locator(".records").getByText("connector-2").first().waitFor();
  await page.locator(".records").getByText("sensor-1").first().waitFor();
  expect(await rig.everythingHeld()).not.toContain(secret);
  await page.goBack();
  await page.getByRole("heading", { name: "1. Application" }).waitFor();
  expect(await rig.everythingHeld()).not.toContain(secret);
});

/** What Aiven's connector does with this configuration: a token, then records on lines. */
async function sendAsConnector(configuration: string, secret: string): Promise<void> {
  const lines = configuration.trim().split("\n");
  const settings = new Map(lines.map((line) => line.split(/=(.*)/) as [string, string]));
  const setting = (name: string) => settings.get(name) ?? "";
  expect(setting("oauth2.client.secret")).toBe(secret);
  const basic = btoa(`${setting("oauth2.client.id")}:${secret}`);
  const asked = await fetch(setting("oauth2.access.token.url"), {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  const token = (await asked.json()) as { token_type: string; access_token: string };
  const answer = await fetch(setting("http.url"), {
    method: "POST",
    headers: {
      authorization: `${token.token_type} ${token.access_token}`,
      "content-type": setting("http.headers.content.type"),
    },
    body: '{"sensor":"connector-1","value":1}\n{"sensor":"connector-2","value":2}',
  });
  expect(await answer.text()).toContain('"accepted":"2"');
}

async function runSample(language: string, sample: string): Promise<string> {
  const { execFile } = await import("node:child_process");
  const { promisify } = await import("node:util");
  const run = promisify(execFile);
  const commands: Record<string, [string, string[]]> = {
    cURL: ["sh", ["-c", sample]],
    "TypeScript client": [process.execPath, ["--input-type=module", "-e", sample]],
    "buf curl": ["sh", ["-c", sample]],
    Python: ["python3", ["-c", sample]],
    JavaScript: [process.execPath, ["--input-type=module", "-e", sample]],
  };
  const [command, args] = commands[language] ?? ["false", []];
  const PATH = `${join(root, "node_modules/.bin")}:${process.env.PATH}`;
  const options = { cwd: root, env: { ...process.env, PATH }, timeout: 20_000 };
  return (await run(command, args, options)).stdout.replaceAll(/\s/g, "");
}

test("S07 to S09, S11: a source's key is shown once; one without authentication is made only with the risk acknowledged", async () => {
  await rig.open(`/${READINGS}/sources/new`);
  await page.getByLabel("Name", { exact: true }).fill("Door");
  await page.getByRole("button", { name: "Create source" }).click();
  await page.getByText("It is shown this once").waitFor();
  const [url = "", secret = ""] = await page.locator(".copy-line code").allInnerTexts();
  const body = JSON.stringify({ sensor: "door", value: 1 });
  const headers = { "x-api-key": secret, "content-type": "application/json" };
  expect((await fetch(url, { method: "POST", body, headers })).status).toBe(200);
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("heading", { name: "Door" }).waitFor();
  expect(await rig.everythingHeld()).not.toContain(secret);
  await page.getByRole("link", { name: "Add source" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Open door");
  await page.getByLabel("Authentication").selectOption("none");
  await page.getByText("Anybody who finds the address can send").waitFor();
  await page.getByRole("button", { name: "Create source" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel(/^Acknowledged/).check();
  await page.getByRole("button", { name: "Create source" }).click();
  await page.getByText("The source takes requests at this address:").waitFor();
});

test("S14, S16: a record of a new shape is proposed as a change of the schema, which is accepted", async () => {
  await rig.push({ sensor: "a", value: 2, colour: "red" });
  await rig.open(`/${READINGS}/schema`);
  await waitFor(async () => {
    await page.reload();
    await page.getByRole("heading", { name: "Proposed changes" }).waitFor();
    return page
      .getByRole("button", { name: "Accept", exact: true })
      .waitFor({ timeout: 1_000 })
      .then(
        () => true,
        () => false,
      );
  });
  await page.getByRole("button", { name: "Accept", exact: true }).click();
  await page.getByText("Fields, version 2").waitFor();
});

test("E04, E05: a webhook that refuses a record shows it held with the reason; it is replayed", async () => {
  receiver.mode = { kind: "refuse", isBad: (record) => record.sensor === "bad" };
  await rig.open(`/${READINGS}/sinks/new/webhook`);
  await page.getByLabel("Name", { exact: true }).fill("Hook");
  await page.getByLabel("URL", { exact: true }).fill(receiver.url);
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.getByText("Signing secret of the webhook").first().waitFor();
  const secret = await page.locator(".copy-line code").innerText();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText("Running", { exact: true }).waitFor();
  expect(await rig.everythingHeld()).not.toContain(secret);
  await rig.push({ sensor: "bad", value: 3 });
  await page.getByRole("link", { name: "see why, compare and replay" }).click();
  await page.getByRole("button", { name: "Replay all" }).waitFor();
  receiver.mode = { kind: "ok" };
  await page.getByRole("button", { name: "Replay all" }).click();
  await page.getByText("None. A record that cannot be delivered waits here.").waitFor();
  expect(receiver.accepted()).toContainEqual({ sensor: "bad", value: 3 });
});

test("a filter is previewed on the newest records before it is saved", async () => {
  await page.getByRole("link", { name: "Filter and mapping" }).click();
  await page.getByLabel(/CEL expression/).fill('record.sensor == "bad"');
  await page.getByText("filtered", { exact: true }).first().waitFor();
  await page.getByLabel(/CEL expression/).fill("record.sensor ==");
  await page.getByRole("button", { name: "Save filter and mapping" }).click();
  await page.getByRole("alert").first().waitFor();
  expect(await page.getByLabel(/CEL expression/).getAttribute("aria-invalid")).toBe("true");
  expect(await rig.violations()).toEqual([]);
});

test("the first load is below 220 KB gzipped", () => {
  const index = readFileSync(join(dist, "index.html"), "utf8");
  const files = [...index.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css|svg))"/g)].map(
    ([, file = ""]) => file,
  );
  expect(files.length).toBeGreaterThan(1);
  const sizes = ["index.html", ...files].map(
    (file) => gzipSync(readFileSync(join(dist, file))).length,
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_MAX);
});
