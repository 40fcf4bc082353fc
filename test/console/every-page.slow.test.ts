import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { endConsole } from "../support/console-file.ts";
import {
  type ConsoleRig,
  FARM,
  openConsoleRig,
  READINGS,
  signOut,
} from "../support/console-rig.ts";
import { findLayoutFaults } from "../support/page-layout.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { waitFor } from "../support/server.ts";

const console_ = join(import.meta.dirname, "../../src/console");
const HOOK = `${READINGS}/sinks/hook`;

let rig: ConsoleRig;
let receiver: Receiver;
/** Addresses that were looked at. */
const seen: string[] = [];
const dialogs = new Set<string>();

beforeAll(async () => {
  // Where mail is sent, forgotten passwords have a page; none is sent here.
  const server = { env: { SMTP_URL: "smtp://127.0.0.1:9?from=tributary@example.org" } };
  // bypassCSP lets axe into the page; the console itself is tested with its policy elsewhere.
  [rig, receiver] = await Promise.all([
    openConsoleRig({ bypassCSP: true, server }),
    startReceiver(),
  ]);
  await fill();
}, 300_000);
endConsole(() => [rig, receiver]);

/** Something of everything that pages show. */
async function fill(): Promise<void> {
  const { ada, push } = rig;
  receiver.mode = { kind: "refuse", isBad: (record) => record.sensor === "bad" };
  const description = "Measured by everything that turns: قراءات المستشعرات";
  const schema = { fields: [{ name: "turbine", type: "STRING" }] };
  await ada.call("StreamService/CreateStream", {
    parent: FARM,
    stream: {
      displayName: "Northern-field-turbine-measurements-of-every-second",
      description,
      schema,
    },
  });
  await ada.call("SinkService/CreateSink", {
    parent: READINGS,
    sink: { displayName: "Hook", webhook: { url: receiver.url }, start: { position: "EARLIEST" } },
  });
  await ada.call("SourceService/CreateSource", {
    parent: READINGS,
    source: { displayName: "Door", quarantine: true, none: { acknowledged: true } },
  });
  await ada.call("ApplicationService/CreateApplication", {
    parent: FARM,
    application: { displayName: "Gateway", type: "SERVER", clientCredentialsEnabled: true },
  });
  await ada.call("StreamService/CreateBranch", { parent: READINGS, branchId: "trial" });
  await push({ sensor: "a", value: 1, colour: "red" }, { sensor: "bad", value: 2 });
  await waitFor(() =>
    ada
      .call<{ heldRecords?: unknown[] }>("SinkService/ListHeldRecords", { parent: HOOK })
      .then(({ heldRecords = [] }) => heldRecords.length === 1),
  );
  await ada.call("ReplayService/CreateReplay", { parent: HOOK, selection: { sequences: {} } });
}

/** Addresses of one page for different things have the same shape. */
function shapeOf(path: string): string {
  return (
    path
      .replace(/^\/projects\/[^/]+/, "/projects/:p")
      .replace(/\/(streams|sinks|sources)\/(?!new\b)[^/]+/, "/$1/:id")
      .replace(/\/(sinks|sources|branches)\/(?!new\b)[^/]+/, "/$1/:id")
      // The forms of all kinds are made by the same lines from the protos: four stand for them.
      .replace(/\/sinks\/new\/(?!webhook|postgres|kafka|s3)[^/]+$/, "/sinks/new/:kind")
      .replace(/\/trace\/.+$/, "/trace/:id")
      .replace(/^\/docs\/[^/]+\/[^/]+$/, "/docs/:service/:method")
      .replace(/^\/docs\/(?!:)[^/]+$/, "/docs/:service")
  );
}

/** What axe and a look at each size of screen find on the page, with everything on it opened. */
async function faultsHere(): Promise<string[]> {
  const { page } = rig;
  await page.evaluate('for (const each of document.querySelectorAll("details")) each.open = true');
  await page.waitForFunction('!document.body.innerText.includes("Loading…")');
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  const dark = await rig.violations(["color-contrast"]);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await rig.violations();
  return [
    ...dark.map((each) => `dark: ${each}`),
    ...light.map((each) => `light: ${each}`),
    ...(await findLayoutFaults(page)),
  ];
}

/** Goes to a page as a link does: what was loaded stays, which takes a tenth of the time of a new start. */
async function visit(path: string): Promise<void> {
  await rig.page.evaluate(`history.pushState(null, "", ${JSON.stringify(path)})`);
  await rig.page.getByRole("heading", { level: 1 }).waitFor();
}

/** Opens each dialog of a page; Escape closes it and gives the focus back to its button. */
async function dialogFaults(): Promise<string[]> {
  const { page } = rig;
  const found: string[] = [];
  for (const button of await page.locator('main [aria-haspopup="dialog"]:visible').all()) {
    const name = (await button.getAttribute("aria-label")) ?? (await button.innerText());
    // Those of rows are all alike, and those of a sink stand on each of its parts.
    const isOfRow = (await button.getAttribute("class")) === "link";
    const place = shapeOf(new URL(page.url()).pathname).split("/").slice(0, 7).join("/");
    const kind = `${isOfRow ? "row" : name.replace(/ .*/, "")} ${place}`;
    if (dialogs.has(kind)) continue;
    dialogs.add(kind);
    await button.press("Enter");
    await page.locator("dialog[open]").waitFor();
    found.push(...(await faultsHere()).map((each) => `dialog of "${name}": ${each}`));
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    const focused = await page.evaluate<string>(
      'document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText',
    );
    if (focused !== name) found.push(`the focus does not come back to "${name}"`);
  }
  return found;
}

/** The same with the menu of the account open; it stands on every page. */
async function menuFaults(): Promise<string[]> {
  const { page } = rig;
  const button = page.getByRole("navigation", { name: "Console" }).getByRole("button");
  await button.press("Enter");
  await page.getByRole("menuitem", { name: "Sign out" }).waitFor();
  const found = (await faultsHere()).map((each) => `menu: ${each}`);
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  return found;
}

test("every page that a link leads to, with all that opens on it, has no violation that axe finds, light and dark, and fits 320 pixels, 768, 1440, 4K, text at 200 % and text set wide", {
  timeout: 600_000,
}, async () => {
  const { page, open } = rig;
  const found: string[] = [];
  const waiting = ["/", "/account", `/${FARM}`, `/${READINGS}/live`, `/${HOOK}`, "/no/such/page"];
  const shapes = new Set(waiting.map(shapeOf));
  await open("/");
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    await visit(path);
    seen.push(path);
    const faults = [...(await faultsHere()), ...(await dialogFaults())];
    if (path === "/") faults.push(...(await menuFaults()));
    for (const fault of faults) {
      found.push(`${path}: ${fault}`);
    }
    const links = await page.evaluate<string[]>(
      '[...document.querySelectorAll("a[href]")].filter((a) => a.origin === location.origin && !a.download).map((a) => a.pathname)',
    );
    for (const link of links) {
      const shape = shapeOf(link);
      if (shapes.has(shape) || /\.(json|proto)$|^\/(v1|auth)\//.test(link)) continue;
      shapes.add(shape);
      waiting.push(link);
    }
  }
  expect(found).toEqual([]);
  expect(dialogs.size).toBeGreaterThan(5);
  // That nothing was found must not be for want of looking.
  await page.evaluate('document.querySelector("h1").innerHTML = "<img src=x>"');
  expect((await rig.violations()).join()).toContain("image-alt");
  await page.evaluate('document.querySelector("h1").innerHTML = "x".repeat(2000)');
  await page.evaluate('document.querySelector("h1").style.overflowWrap = "normal"');
  expect((await findLayoutFaults(page)).join()).toContain("pixels wide");
});

test("forms with faults, and the pages of those who are not signed in: the same", {
  timeout: 300_000,
}, async () => {
  const { page, open, ada, server } = rig;
  const found: string[] = [];
  const look = async (what: string) => {
    found.push(...(await faultsHere()).map((each) => `${what}: ${each}`));
  };
  const forms = [
    [`/${READINGS}/sinks/new/postgres`, "Create sink"],
    [`/${READINGS}/sources/new`, "Create source"],
    [`/${READINGS}/connect`, "Register application"],
  ] as const;
  for (const [path, button] of forms) {
    await open(path);
    await page.getByRole("button", { name: button }).press("Enter");
    await page.locator('[aria-invalid="true"]').first().waitFor();
    await look(`${path} with faults`);
  }
  const invitation = { email: "bob@example.com", role: "VIEWER" };
  const request = { parent: FARM, invitation };
  const { link } = await ada.call<{ link: string }>("AccountService/CreateInvitation", request);
  await signOut(page);
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).press("Enter");
  await page.getByRole("alert").waitFor();
  await look("sign-in with a fault");
  await page.getByRole("button", { name: "I forgot my password" }).press("Enter");
  await page.getByRole("heading", { name: /password/ }).waitFor();
  await look("a forgotten password");
  for (const [hash, title] of [
    [link.slice(link.indexOf("#")), "Invitation"],
    [`#reset=${"x".repeat(43)}`, "New password"],
  ] as const) {
    await page.goto("about:blank");
    await page.goto(`${server.url}/${hash}`);
    await page.getByRole("heading", { name: title }).waitFor();
    await look(title);
  }
  expect(found).toEqual([]);
});

test("no route of the code and no part of a page was left out", () => {
  const files = readdirSync(console_, { recursive: true, encoding: "utf8" });
  const sources = files
    .filter((file) => file.endsWith(".tsx"))
    .map((file) => readFileSync(join(console_, file), "utf8"));
  const routes = sources.flatMap((text) =>
    [...text.matchAll(/<Route path="([^"]+)"/g)].map(([, path = ""]) => path),
  );
  const parts = sources.flatMap((text) => {
    const [, map = ""] = /const PARTS\b[^=]*=\s*[[{]([^;]*);/s.exec(text) ?? [];
    return [...map.matchAll(/^ {2}(?:\["(\w*)"|(\w+):)/gm)].map(([, a, b]) => a ?? b ?? "");
  });
  expect(routes.length).toBeGreaterThan(6);
  expect(parts.length).toBeGreaterThan(20);
  const isSeen = (pattern: RegExp) => seen.some((path) => pattern.test(path));
  const missing = [
    ...routes.filter((route) => {
      const steps = route.split("/").filter(Boolean);
      const pattern = steps.map((step) =>
        step.startsWith(":") ? (step.endsWith("?") ? "(/[^/]+)?" : "/[^/]+") : `/${step}`,
      );
      return route !== "/projects" && !isSeen(new RegExp(`^${pattern.join("") || "/"}$`));
    }),
    ...parts.filter((part) => part !== "" && !isSeen(new RegExp(`/${part}(/|$)`))),
  ];
  expect(missing).toEqual([]);
});
