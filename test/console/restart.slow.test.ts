import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const PASSWORD = "correct horse battery";
const TYPED = "typed-by-hand-and-secret";

let rig: ConsoleRig;
let receiver: Receiver;
/** Every secret that a page showed or took, by what it is. */
const secrets = new Map<string, string>([["password of the account", PASSWORD]]);
/** What the pages called them. */
const titles = new Set<string>();
/** Addresses of pages and of all that they asked for. */
const addresses: string[] = [];
/** What all servers of this test have printed. */
let printed = "";

beforeAll(async () => {
  const server = { env: { LOG_LEVEL: "debug" } };
  [rig, receiver] = await Promise.all([openConsoleRig({ server }), startReceiver()]);
  rig.page.on("request", (request) => addresses.push(request.url()));
  rig.page.on("framenavigated", (frame) => addresses.push(frame.url()));
  rig.page.setDefaultTimeout(30_000);
}, 300_000);
endConsole(() => [rig, receiver]);

/** Notes the secret that the page shows now, and puts it away. */
async function noteSecret(what: string): Promise<void> {
  const { page } = rig;
  const box = page.locator("section.note.warn", { hasText: "It is shown this once" });
  const secret = await box.locator("code").innerText();
  expect(secret.length).toBeGreaterThan(20);
  secrets.set(what, secret);
  titles.add((await box.getAttribute("aria-label")) ?? "");
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText(secret).waitFor({ state: "detached" });
}

test("a server that is killed in the middle of a form is waited for: the page says so, and what was typed is sent when it is back", {
  timeout: 180_000,
}, async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/sinks/new/webhook`);
  await page.getByLabel("Name", { exact: true }).fill("Hook");
  await page.getByLabel("URL", { exact: true }).fill(receiver.url);
  await page.getByLabel("Headers", { exact: true }).fill(`x-team: ${TYPED}`);
  secrets.set("header of a webhook", TYPED);
  printed += rig.server.output();
  const start = await rig.kill();
  await page.getByRole("button", { name: "Create sink" }).click();
  await page.getByText("The server does not answer.").waitFor();
  await page.getByRole("alert").getByText("The server did not answer").waitFor();
  await start();
  await page.getByText("The server does not answer.").waitFor({ state: "hidden" });
  expect(await page.getByLabel("URL", { exact: true }).inputValue()).toBe(receiver.url);
  expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("Hook");
  await page.getByRole("button", { name: "Create sink" }).click();
  await noteSecret("signing secret");
  await page.getByText("Running", { exact: true }).waitFor();
});

test("a page that reads records goes on by itself after the server was killed and started", {
  timeout: 180_000,
}, async () => {
  const { page, open } = rig;
  await open(`/${READINGS}/live`);
  await page.getByText(/^Live:/).waitFor();
  printed += rig.server.output();
  const start = await rig.kill();
  await page.getByText(/^Connecting:/).waitFor();
  await start();
  await page.getByText(/^Live:/).waitFor();
  await rig.push({ sensor: "after the restart", value: 1 });
  await page.locator(".records").getByText('"sensor":"after the restart"').waitFor();
});

test("secrets are shown once: of applications, tokens, sources and sinks, new and changed ones", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  await open(`/${FARM}/applications`);
  await page.getByText("Register an application", { exact: true }).click();
  await page.getByLabel("Name", { exact: true }).fill("Gateway");
  await page.getByRole("button", { name: "Register application" }).click();
  await noteSecret("client secret");
  await page.getByRole("button", { name: "Rotate secret" }).click();
  await page.getByRole("button", { name: "Make the new secret" }).click();
  await noteSecret("second client secret");
  await page.getByRole("link", { name: "Tokens" }).click();
  await page.getByText("Make a token", { exact: true }).click();
  await page.getByLabel("What it is for").fill("Reports");
  await page.getByRole("button", { name: "Make token" }).click();
  await noteSecret("token");
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("button", { name: "Make the new secret" }).click();
  await noteSecret("second token");
  await page.getByRole("link", { name: "Members" }).click();
  await page.getByLabel("E-mail address to invite").fill("bob@example.com");
  await page.getByRole("button", { name: "Invite" }).click();
  await noteSecret("invitation");
  await open(`/${READINGS}/sources/new`);
  await page.getByLabel("Name", { exact: true }).fill("Door");
  await page.getByRole("button", { name: "Create source" }).click();
  await noteSecret("key of a source");
  await page.getByRole("button", { name: "Make a new key" }).click();
  await noteSecret("second key of a source");
  await open(`/${READINGS}/sinks/hook/settings`);
  await page.getByRole("button", { name: "Make a new secret" }).click();
  await noteSecret("second signing secret");
  await open(`/${READINGS}/connect`);
  await page.getByLabel("Who pushes?").selectOption("personal");
  await page.getByRole("button", { name: "Make a token for one hour" }).click();
  const sample = await page.locator(".code-block pre").innerText();
  const [, token = ""] = /ACCESS_TOKEN='([^']{20,})'/.exec(sample) ?? [];
  expect(token).not.toBe("");
  secrets.set("personal token", token);
  await page.getByRole("link", { name: "Live", exact: true }).click();
  await page.getByText(/^Live:/).waitFor();
});

test("secrets are shown once: of alerts, tokens of sinks, sources that take another proof, migrations", {
  timeout: 120_000,
}, async () => {
  const { page, open } = rig;
  await open(`/${FARM}/alerts`);
  await page.getByLabel("Webhook URL").fill(receiver.url);
  await page.getByRole("button", { name: "Save" }).click();
  await noteSecret("signing secret of alerts");
  await open(`/${READINGS}/sinks/new/webhook`);
  await page.getByLabel("Name", { exact: true }).fill("Reader");
  await page.getByLabel("URL", { exact: true }).fill(receiver.url);
  await page.getByLabel(/^Make a token with it/).check();
  await page.getByRole("button", { name: "Create sink" }).click();
  await noteSecret("signing secret of the reader");
  await noteSecret("token of a sink");
  await page.getByText("Running", { exact: true }).waitFor();
  await open(`/${READINGS}/sinks/reader/settings`);
  await page.getByRole("button", { name: "Renew its tokens" }).click();
  await noteSecret("second token of a sink");
  await open(`/${READINGS}/sources`);
  await page.getByRole("link", { name: "Settings of Door" }).click();
  await page.getByLabel("Authentication").selectOption({ label: "User and password" });
  await page.getByLabel("Username").fill("door");
  await page.getByRole("button", { name: "Save" }).click();
  await noteSecret("password of a source");
  await open(`/${READINGS}/sources`);
  await page.getByRole("link", { name: "Versions of Door" }).click();
  await page.getByRole("button", { name: "Go back to version 1", exact: true }).click();
  await page.getByRole("button", { name: "Go back", exact: true }).click();
  await noteSecret("third key of a source");
  await open(`/${READINGS}/sinks/reader/migrations`);
  await page.getByLabel("Name of the new sink").fill("New reader");
  await page.getByLabel("Destination", { exact: true }).selectOption({ label: "Webhook" });
  await page.getByLabel("URL", { exact: true }).fill(receiver.url);
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await noteSecret("signing secret of a new destination");
});

test("no box of the code that shows a secret was left out", () => {
  const folder = join(import.meta.dirname, "../../src/console");
  const boxes = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".tsx"))
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .flatMap((text) => [...text.matchAll(/<SecretBox\s[^/]*?what=(?:"([^"]+)"|\{([^}]+)\})/g)]);
  expect(boxes.length).toBeGreaterThan(9);
  const named = boxes.flatMap(([, title = ""]) => (title ? [title] : []));
  expect(named.filter((title) => !titles.has(title))).toEqual([]);
});

test("afterwards no secret is in a page, its storage or its history, in an address or in what the server printed or wrote as a log", {
  timeout: 120_000,
}, async () => {
  const { page, open, server } = rig;
  const held: string[] = [];
  const look = async () => {
    await expect.poll(() => rig.shown(), { timeout: 30_000 }).not.toMatch(/Loading…|Asking who/);
    held.push(await rig.everythingHeld());
  };
  await look();
  for (const path of ["applications", "tokens", "members", "alerts", "audit"]) {
    await open(`/${FARM}/${path}`);
    await look();
  }
  const parts = ["connect", "sources", "sinks/hook", "sinks/hook/settings", "versions"];
  for (const path of [...parts, "sinks/reader/migrations"]) {
    await open(`/${READINGS}/${path}`);
    await look();
  }
  await page.goBack();
  await look();
  printed += server.output();
  expect(printed).toMatch(/debug|info/);
  const files = readdirSync(server.dataDir, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.log$/.test(file))
    .map((file) => readFileSync(join(server.dataDir, file), "utf8"));
  const places = { pages: held.join(), addresses: addresses.join(), printed, logs: files.join() };
  expect(secrets.size).toBe(19);
  const found = [...secrets].flatMap(([what, secret]) =>
    Object.entries(places)
      .filter(([, text]) => text.includes(secret))
      .map(([place]) => `${what} is in the ${place}`),
  );
  expect(found).toEqual([]);
  // That nothing was found must not be for want of looking.
  expect(places.pages).toContain("Hook");
  expect(places.addresses).toContain("/sinks/hook");
});
