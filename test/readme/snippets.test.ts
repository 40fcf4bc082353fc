import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, waitFor } from "../support/server.ts";
import { connect } from "../support/table.ts";
import { runBlocks, shellBlocks } from "./shell-blocks.ts";

const run = promisify(execFile);
const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
const [variables, curl, psql] = shellBlocks(readme, "Push a first record") as [
  string,
  string,
  string,
];
const [manage] = shellBlocks(readme, "Manage") as [string];
const [preview] = shellBlocks(readme, "Mapping and filters") as [string];
const [source] = shellBlocks(readme, "Sources") as [string];
const [signUp, invite] = shellBlocks(readme, "People") as [string, string];
const [makeToken = ""] = shellBlocks(readme, "Tokens");

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = mkdtempSync(join(tmpdir(), "tributary-readme-"));
  symlinkSync(server.dataDir, join(folder, ".tributary"));
});
afterAll(async () => {
  await server?.close();
  if (folder) rmSync(folder, { recursive: true });
});

/** Rows of a table of the demo sink's database, once there are as many as wanted. */
async function awaitRows(table: string, count: number): Promise<readonly unknown[]> {
  const sql = connect(server.env.SINK_DATABASE_URL ?? "");
  try {
    return await waitFor(
      async () => {
        const rows = await sql`SELECT * FROM ${sql(table)}`.catch(() => []);
        return rows.length >= count ? rows : undefined;
      },
      { what: `${count} rows in ${table}` },
    );
  } finally {
    await sql.end();
  }
}

/** The command that the start prints to paste. */
function bannerCommand(): string {
  const text = server.output();
  const from = text.indexOf("\n\n", text.indexOf("Push a first record"));
  return text.slice(from, text.indexOf("\n\n", from + 2));
}

test("the first push of the README works as it is written, and the record is in the table", async () => {
  const [, pushed] = await runBlocks([variables, curl], folder);
  expect(JSON.parse(pushed ?? "")).toMatchObject({ accepted: "1" });
  expect(await awaitRows("sensors", 1)).toEqual([
    expect.objectContaining({ sensor_id: "bar4", temperature: 4.132 }),
  ]);
});

test("psql shows the record as the README says", async ({ skip }) => {
  const hasPsql = await run("psql", ["--version"]).then(
    () => true,
    () => false,
  );
  if (!hasPsql) skip("this machine has no psql");
  const [shown] = await runBlocks([variables, psql], folder);
  expect(shown).toMatch(/sensor_id/);
  expect(shown).toMatch(/bar4\s+\|\s+4\.132/);
});

test("the block that the start prints works when it is pasted", async () => {
  const before = (await awaitRows("sensors", 0)).length;
  const { stdout } = await run("bash", ["-c", bannerCommand()], { cwd: folder, timeout: 20_000 });
  expect(JSON.parse(stdout)).toMatchObject({ accepted: "1" });
  await awaitRows("sensors", before + 1);
});

test("the commands of Manage make a stream and a sink that delivers", async () => {
  const [stream, sink] = await runBlocks([variables, curl, manage], folder);
  expect(JSON.parse(stream ?? "")).toMatchObject({
    stream: { name: "projects/demo/streams/orders", keyFields: ["order_id"] },
  });
  expect(JSON.parse(sink ?? "")).toMatchObject({
    sink: { name: "projects/demo/streams/orders/sinks/orders-table" },
  });
  const value = { order_id: "o-1", amount: 12.5, lines: [{ sku: "a" }] };
  const answer = await server.post("/v1/projects/demo/streams/orders/records", [{ value }]);
  expect(answer.status, await answer.clone().text()).toBe(200);
  expect(await awaitRows("orders", 1)).toEqual([
    expect.objectContaining({ order_id: "o-1", amount: "12.5" }),
  ]);
});

test("the preview of a mapping gives the row that the README's columns make", async () => {
  const [previewed] = await runBlocks([variables, curl, preview], folder);
  const { records } = JSON.parse(previewed ?? "") as { records: { row: { json: string } }[] };
  expect(JSON.parse(records[0]?.row.json ?? "")).toMatchObject({
    order_id: "o-1",
    first_sku: "a",
    pieces: 2,
  });
});

test("S18: the commands of Sources make a source that takes a record, with the answer that is shown", async () => {
  const [, answer = ""] = await runBlocks([variables, curl, source], folder);
  const shown = /^```json\n(\{"accepted".*\})\n```$/m.exec(readme)?.[1] ?? "";
  const withoutPlace = (text: string) => text.replace(/"\d+-0"/, '"…"');
  expect(withoutPlace(answer)).toBe(withoutPlace(shown));
  expect(withoutPlace(shown)).toBe('{"accepted":"1","firstPlace":"…"}');
});

test("the commands of People sign up the first person, who invites another", async () => {
  const [invited] = await runBlocks([variables, signUp, invite], folder);
  expect(JSON.parse(invited ?? "")).toMatchObject({
    invitation: { email: "bob@example.com", role: "EDITOR" },
    link: expect.stringContaining("/#invitation="),
  });
});

test("the command of Tokens makes a token that pushes", async () => {
  const [made = ""] = await runBlocks([variables, curl, makeToken], folder);
  const { secret } = JSON.parse(made) as { secret: string };
  const answer = await fetch(`${server.url}/v1/projects/demo/streams/sensors/records`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: JSON.stringify({
      value: { sensor_id: "bar5", temperature: 1, created_at: "2026-01-01T00:00:00Z" },
    }),
  });
  expect(answer.status, await answer.clone().text()).toBe(200);
});

test("every shell block of the README is run by a test, or starts something that runs for ever", () => {
  const all = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((block) => block[1] ?? "");
  const shown = [variables, curl, psql, manage, preview, source, signUp, invite, makeToken];
  const others = all.filter((block) => !shown.includes(block));
  for (const block of others) expect(block).toMatch(/npm (start|test)/);
});
