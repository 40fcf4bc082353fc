import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { createBrowser, type Browser as Person } from "../support/browser.ts";
import { buildConsole, startChromium } from "../support/chromium.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

const PASSWORD = "correct horse battery";
const PROJECT = "projects/farm";
const STREAM = `${PROJECT}/streams/readings`;
const FIRST_LOAD_MAX = 220 * 1024;
const root = join(import.meta.dirname, "../..");
const dist = join(root, "dist/console");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// A page takes several times as long on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let server: TestServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let ada: Person;
let receiver: Receiver;

beforeAll(async () => {
  buildConsole();
  [server, browser, receiver] = await Promise.all([
    startServer(),
    startChromium(),
    startReceiver(),
  ]);
  ada = createBrowser(server.url);
  await ada.call("AccountService/SignUp", { email: "ada@example.com", password: PASSWORD });
  await ada.call("ProjectService/CreateProject", { project: { displayName: "Farm" } });
  await ada.call("StreamService/CreateStream", {
    parent: PROJECT,
    stream: {
      displayName: "Readings",
      schemaMode: "EVOLVE",
      schema: {
        fields: [
          { name: "sensor", type: "STRING" },
          { name: "value", type: "DOUBLE" },
        ],
      },
      keyFields: ["sensor"],
    },
  });
  await push({ sensor: "a", value: 1 });
  // bypassCSP lets the test put axe into the page; the console itself is tested with its policy.
  context = await browser.newContext({ bypassCSP: true });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(server.url);
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
}, 300_000);
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  process.stderr.write(`the page showed: ${await page.locator("body").innerText()}\n`);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  await receiver?.close();
});

async function push(value: unknown) {
  const body = JSON.stringify([{ value }]);
  const answer = await ada.fetch(`/v1/${STREAM}/records`, { method: "POST", body });
  expect(answer.status).toBe(200);
}

async function open(path: string): Promise<void> {
  await page.goto(`${server.url}${path}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
}

/** Everything that the page and its storage hold. */
async function everythingHeld(): Promise<string> {
  // A text, since the types of Node know no document.
  return page.evaluate(`[
    document.documentElement.outerHTML,
    ...[...document.querySelectorAll("input, textarea")].map((each) => each.value),
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]),
    location.href,
  ].join("\\n")`);
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe finds by the rules of WCAG 2.2 AA. */
async function violations(of: Page): Promise<string[]> {
  await of.evaluate(axe);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const options = JSON.stringify({ runOnly: { type: "tag", values: tags } });
  const { violations } = await of.evaluate<{ violations: Violation[] }>(`axe.run(${options})`);
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
}

test("F11, F13, F14, F17, F19, F20: an application is registered, shared with, and its cURL sample pushes; its secret is in no page afterwards", async () => {
  await open(`/${STREAM}/connect`);
  await page.getByText("Opens when the steps above are done.").waitFor();
  await page.getByLabel("Name of the application").fill("Gateway");
  await page.getByRole("button", { name: "Register application" }).click();
  const secret = await page.getByLabel("Client secret").inputValue();
  expect(secret.length).toBeGreaterThan(20);
  await page.getByRole("button", { name: "Share as Editor" }).click();
  await page.getByLabel("Language").waitFor();
  for (const language of [
    "Python",
    "JavaScript",
    "Java",
    "TypeScript client",
    "buf curl",
    "cURL",
  ]) {
    await page.getByLabel("Language").selectOption({ label: language });
    const sample = await page.locator(".code-block pre").innerText();
    expect(sample).toContain(server.url);
    expect(sample).toContain(STREAM);
    expect(sample).toContain(secret);
    if (language === "Java") continue;
    expect(await runSample(language, sample)).toContain('"accepted":');
  }
  await page.getByLabel("Language").selectOption({ label: "Kafka Connect (Aiven)" });
  await page.getByRole("button", { name: "Make the source for Kafka Connect" }).click();
  await page.getByText(/http\.url=/).waitFor();
  await sendAsConnector(await page.locator(".code-block pre").innerText(), secret);
  await page.getByRole("link", { name: "Live" }).click();
  await page.locator(".records").getByText("connector-2").first().waitFor();
  await page.locator(".records").getByText("sensor-1").first().waitFor();
  expect(await everythingHeld()).not.toContain(secret);
  await page.goBack();
  await page.getByRole("heading", { name: "1. Application" }).waitFor();
  expect(await everythingHeld()).not.toContain(secret);
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
  await open(`/${STREAM}/sources/new`);
  await page.getByLabel("Name", { exact: true }).fill("Door");
  await page.getByRole("button", { name: "Create source" }).click();
  await page.getByText("It is shown this once").waitFor();
  const [url = "", secret = ""] = await page.locator(".copy-line code").allInnerTexts();
  const body = JSON.stringify({ sensor: "door", value: 1 });
  const headers = { "x-api-key": secret, "content-type": "application/json" };
  expect((await fetch(url, { method: "POST", body, headers })).status).toBe(200);
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("heading", { name: "Door" }).waitFor();
  expect(await everythingHeld()).not.toContain(secret);
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
  await push({ sensor: "a", value: 2, colour: "red" });
  await open(`/${STREAM}/schema`);
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
  await open(`/${STREAM}/sinks/new/webhook`);
  await page.getByLabel("Name", { exact: true }).fill("Hook");
  await page.getByLabel("URL", { exact: true }).fill(receiver.url);
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.getByText("Signing secret of the webhook").first().waitFor();
  const secret = await page.locator(".copy-line code").innerText();
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText("Running", { exact: true }).waitFor();
  expect(await everythingHeld()).not.toContain(secret);
  await push({ sensor: "bad", value: 3 });
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
  expect(await violations(page)).toEqual([]);
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
