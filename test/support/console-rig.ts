/** A person at the console: a real server, a real Chromium, one project with one stream. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { createBrowser, type Browser as Person } from "./browser.ts";
import { buildConsole, startChromium } from "./chromium.ts";
import { freePort } from "./free-port.ts";
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

const EMAIL = "ada@example.com";
const PASSWORD = "correct horse battery";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The project and the stream that are there from the start. */
export const FARM = "projects/farm";
export const READINGS = `${FARM}/streams/readings`;

/** What a test of pages works with. */
export interface ConsoleRig {
  /** The one that runs now. */
  readonly server: TestServer;
  readonly browser: Browser;
  /** Signed in, as the owner of the project and the operator of the installation. */
  readonly page: Page;
  /** The same person's calls. */
  readonly ada: Person;
  /** What the page complained about: blocked by its policy, thrown, refused by the network. */
  readonly complaints: string[];
  /** Opens a page and waits for its title. */
  open(path: string): Promise<void>;
  /** Pushes records to the stream. */
  push(...values: unknown[]): Promise<void>;
  /** What axe finds wrong with the page as it is, by the rules of WCAG 2.2 AA or those that are named. */
  violations(rules?: readonly string[]): Promise<string[]>;
  /** Everything that the page, its address and its storage hold. */
  everythingHeld(): Promise<string>;
  /** What the page shows as text, for the report of a failed test. */
  shown(): Promise<string>;
  /** Kills the server as a power cut would; what it returns starts it again on the same port and data. */
  kill(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** Starts it all; `bypassCSP` lets `violations` put axe into the page. */
export async function openConsoleRig(
  options: { server?: ServerOptions; bypassCSP?: boolean } = {},
): Promise<ConsoleRig> {
  buildConsole();
  const port = options.server?.port ?? (await freePort());
  const start = { ...options.server, port };
  const [first, browser] = await Promise.all([startServer(start), startChromium()]);
  let server = first;
  const ada = createBrowser(server.url);
  await seed(ada);
  const { bypassCSP = false } = options;
  const context = await browser.newContext({ bypassCSP, viewport: { width: 1280, height: 800 } });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = watchComplaints(page);
  await signIn(page, server.url);
  return {
    ...{ browser, page, ada, complaints },
    get server() {
      return server;
    },
    async kill() {
      const { dataDir } = server;
      await server.stop("SIGKILL");
      return async () => {
        server = await startServer({ ...start, dataDir });
      };
    },
    async open(path) {
      await page.goto(`${server.url}${path}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
    },
    async push(...values) {
      const body = JSON.stringify(values.map((value) => ({ value })));
      const answer = await ada.fetch(`/v1/${READINGS}/records`, { method: "POST", body });
      if (answer.status !== 200) throw new Error(await answer.text());
    },
    violations: (rules) => findViolations(page, rules),
    everythingHeld: () => readEverything(page),
    shown: () => page.locator("body").innerText(),
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

async function seed(ada: Person): Promise<void> {
  await ada.call("AccountService/SignUp", { email: EMAIL, password: PASSWORD });
  await ada.call("ProjectService/CreateProject", { project: { displayName: "Farm" } });
  const fields = [
    { name: "sensor", type: "STRING" },
    { name: "value", type: "DOUBLE" },
  ];
  const stream = {
    ...{ displayName: "Readings", schemaMode: "EVOLVE", throughput: "HIGH" },
    ...{ schema: { fields }, keyFields: ["sensor"] },
  };
  await ada.call("StreamService/CreateStream", { parent: FARM, stream });
}

async function signIn(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByLabel("E-mail address").fill(EMAIL);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
}

/** Signs out by the menu of the account. */
export async function signOut(page: Page): Promise<void> {
  await page.getByRole("navigation", { name: "Console" }).getByRole("button").click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}

function watchComplaints(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    // Chromium notes each answer that is an error by itself.
    const isOwn = message.type() === "error" && !/status of [45]\d\d/.test(message.text());
    if (isOwn) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return complaints;
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

async function findViolations(page: Page, rules?: readonly string[]): Promise<string[]> {
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axe);
  const values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const runOnly = rules ? { type: "rule", values: rules } : { type: "tag", values };
  // What is right is not told of, which takes a good part of the time on a long page.
  const options = JSON.stringify({ runOnly, resultTypes: ["violations"], selectors: false });
  const { violations } = await page.evaluate<{ violations: Violation[] }>(`axe.run(${options})`);
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
}

/** A text, since the types of Node know no document. */
function readEverything(page: Page): Promise<string> {
  return page.evaluate(`[
    document.documentElement.outerHTML,
    ...[...document.querySelectorAll("input, textarea")].map((each) => each.value),
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]),
    location.href,
  ].join("\\n")`);
}
