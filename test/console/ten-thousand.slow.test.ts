import postgres from "postgres";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type ConsoleRig, FARM, openConsoleRig, READINGS } from "../support/console-rig.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres.ts";
import { waitFor } from "../support/server.ts";

vi.setConfig({ testTimeout: 240_000 });

const COUNT = 10_000;
/** Elements of a page whatever the length of its list. */
const NODES_MAX = 1_200;

let rig: ConsoleRig;
let database: TestPostgres;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await startTestPostgres();
  const DATABASE_URL = await database.createDatabase("test_control");
  const TRIBUTARY_MASTER_KEY = Buffer.alloc(32, 5).toString("base64");
  rig = await openConsoleRig({
    server: { env: { DATABASE_URL, TRIBUTARY_MASTER_KEY, TRIBUTARY_DEMO: "1" } },
  });
  sql = postgres(DATABASE_URL, { max: 1, onnotice: () => undefined });
  const { ada } = rig;
  const operations = ["api:use-streams-read"];
  await ada.call("TokenService/CreateToken", {
    parent: FARM,
    token: { kind: "SERVICE", role: "VIEWER", description: "First of all", operations },
  });
  await ada.call("ApplicationService/CreateApplication", {
    parent: FARM,
    application: { displayName: "First of all", type: "SERVER" },
  });
  await ada.call("SourceService/CreateSource", {
    parent: READINGS,
    source: { displayName: "First of all", apiKey: {} },
  });
}, 300_000);
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`the page: ${await rig.shown()}\n`);
});
afterAll(async () => {
  await sql?.end();
  await rig?.close();
  await database?.close();
});

/** Rows like the first one, all newer: no quota would let a test make so many by calls in its time. */
async function multiply(table: string, title: string, unlike: Record<string, string> = {}) {
  const changes = {
    uid: "'z' || lpad(i::text, 19, '0')",
    name: "regexp_replace(t.name, '[^/]+$', 'z' || lpad(i::text, 19, '0'))",
    create_time: "t.create_time + i * interval '1 ms'",
    ...unlike,
  };
  const pairs = Object.entries(changes).map(([name, value]) => `'${name}', ${value}`);
  await sql.unsafe(`
    INSERT INTO tributary.${table}
    SELECT (jsonb_populate_record(t, jsonb_build_object(${pairs.join()}))).*
    FROM tributary.${table} t, generate_series(1, ${COUNT - 1}) i WHERE t.${title} = 'First of all'`);
}

/** Scrolls to the oldest of all, by the key End; gives the most elements that the page ever had. */
async function readToTheEnd(box: "main" | "window"): Promise<number> {
  const { page } = rig;
  let most = 0;
  await waitFor(
    async () => {
      if (box === "window") await page.locator(".window").focus();
      await page.keyboard.press("End");
      most = Math.max(most, Number(await page.evaluate("document.querySelectorAll('*').length")));
      const places = page.locator(box === "window" ? "tr[aria-rowindex]" : ".card-place");
      const last = Number(
        await places.last().getAttribute(box === "window" ? "aria-rowindex" : "aria-posinset"),
      );
      return last >= COUNT;
    },
    { timeoutMs: 200_000, everyMs: 100, what: `the end of ${COUNT}` },
  );
  return most;
}

test.each([
  ["tokens", `/${FARM}/tokens`, "tokens", "description", {}],
  [
    "applications",
    `/${FARM}/applications`,
    "applications",
    "display_name",
    { client_id: "'z' || lpad(i::text, 19, '0')" },
  ],
] as const)(
  "ten thousand %s: the page reads on as it is scrolled, down to the first, and holds only those that are seen",
  async (_what, path, table, title, unlike) => {
    const { page, open } = rig;
    await multiply(table, title, unlike);
    await open(path);
    await page.locator(".card-place").first().waitFor();
    expect(await readToTheEnd("main")).toBeLessThan(NODES_MAX);
    await page.getByText("First of all").last().waitFor();
  },
);

test("ten thousand projects: the same", async () => {
  const { page, open } = rig;
  await rig.ada.call("ProjectService/CreateProject", { project: { displayName: "First of all" } });
  await multiply("projects", "display_name");
  await open("/");
  await page.locator(".window").waitFor();
  expect(await readToTheEnd("window")).toBeLessThan(NODES_MAX);
});
