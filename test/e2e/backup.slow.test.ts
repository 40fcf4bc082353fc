import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  call,
  countsOf,
  createSink,
  createStream,
  getSink,
  listAll,
  push,
} from "../support/api.ts";
import { runCommand } from "../support/command.ts";
import { LOAD_FIELDS, startLoad } from "../support/load.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import {
  launchServer,
  makeDataDir,
  removeData,
  startServer,
  type TestServer,
  waitFor,
} from "../support/server.ts";

let server: TestServer;
let receiver: Receiver;
const folders: string[] = [];

beforeAll(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
});
afterAll(async () => {
  await server?.close();
  await receiver?.close();
  for (const folder of folders) await removeData(folder);
});

function newFolder(): string {
  const folder = makeDataDir();
  folders.push(folder);
  return folder;
}

const idOf = (r: Record<string, unknown>) => `${r.writer}/${r.key}/${r.n}`;

test("B21: a backup under load is whole, and an installation restored from it goes on without a gap", async () => {
  const stream = await createStream(server, "saved", {
    fields: LOAD_FIELDS,
    keyFields: ["key"],
    throughput: "HIGH",
  });
  const hook = await createSink(server, stream, {
    id: "hook",
    webhook: { url: receiver.url },
    retry: { schedule: ["0.2s"] },
  });
  receiver.secret = (hook as { webhook?: { signingSecret?: string } }).webhook?.signingSecret;
  const table = await createSink(server, stream, { id: "table", postgres: { table: "saved" } });
  const archived = await createStream(server, "archived", {
    fields: { n: "LONG" },
    archive: { fileTime: "1s" },
  });
  await push(server, archived, [{ n: 1 }, { n: 2 }]);
  const archiveDir = join(server.dataDir, "archive");
  const filesIn = (dir: string) =>
    existsSync(dir)
      ? readdirSync(dir, { recursive: true }).filter((name) => String(name).endsWith(".parquet"))
      : [];
  await waitFor(() => filesIn(archiveDir).length === 1, { what: "the file of an archive" });
  writeFileSync(join(archiveDir, "stray.parquet"), "");
  const load = startLoad({ target: server, stream, writers: 4, pauseMs: 5 });
  await waitFor(async () => (await countsOf(server, hook.name)).delivered! > 300, {
    what: "deliveries",
  });
  const acknowledgedBefore = await listAll(server, stream);
  const folder = newFolder();
  const made = await runCommand(["backup", folder, "--json"], server.dataDir);
  expect(made, made.stderr).toMatchObject({ code: 0 });
  expect(JSON.parse(made.stdout)).toMatchObject({
    ...{ ok: true, keys: 1, orphanLogs: [] },
    ...{ archiveFiles: 1, buckets: [], orphanFiles: ["stray.parquet"] },
  });
  await load.stop();
  const verified = await runCommand(["verify", folder], server.dataDir);
  expect(verified.stdout).toMatch(/is whole/);
  expect(verified.code).toBe(0);
  expect((await runCommand(["backup", folder], server.dataDir)).stderr).toMatch(/is not empty/);
  // The installation is lost; its destinations are not.
  await server.stop("SIGKILL");
  const restoredDir = newFolder();
  const restored = await runCommand(["restore", folder], restoredDir);
  expect(restored, restored.stderr).toMatchObject({ code: 0 });
  const port = Number(new URL(server.url).port);
  const second = await startServer({ dataDir: restoredDir, port });
  try {
    expect(filesIn(join(restoredDir, "archive"))).toHaveLength(1);
    expect(filesIn(archiveDir)).toContain("stray.parquet");
    const first = await listAll(second, archived, { pageSize: 1 });
    expect(first.map(({ value }) => value.n)).toEqual([1, 2]);
    const kept = await listAll(second, stream);
    const ids = new Set(kept.map(({ id }) => id));
    expect(acknowledgedBefore.filter(({ id }) => !ids.has(id))).toEqual([]);
    const more = Array.from({ length: 50 }, (_, n) => ({ key: `k${n % 5}`, writer: 99, n }));
    expect((await push(second, stream, more)).status).toBe(200);
    const all = (await listAll(second, stream)).map(({ value }) => idOf(value));
    const unseen = () => {
      const seen = new Set(receiver.accepted().map(idOf));
      return all.filter((id) => !seen.has(id));
    };
    let status: unknown;
    await waitFor(
      async () => {
        status = (await getSink(second, hook.name)).status;
        return unseen().length === 0;
      },
      {
        timeoutMs: 30_000,
        what: () => `${unseen().slice(0, 9)}: ${JSON.stringify(status)} ${second.output()}`,
      },
    );
    expect(receiver.faults).toEqual([]);
    await waitFor(async () => (await countsOf(second, table.name)).pending === 0, {
      timeoutMs: 30_000,
      what: "the table to settle",
    });
    const audit = await runCommand(["audit", "verify"], restoredDir);
    expect(audit, audit.stderr).toMatchObject({ code: 0 });
  } finally {
    await second.stop();
  }
  const again = await runCommand(["restore", folder], restoredDir);
  expect(again.code).toBe(1);
  expect(again.stderr).toMatch(/empty data directory/);
  rmSync(join(restoredDir, "master.key"));
  const keyless = launchServer({ dataDir: restoredDir });
  expect(await keyless.exited).toBe(1);
  expect(keyless.output()).toMatch(/the master key is missing/);

  const file = join(folder, "tables", "streams.ndjson");
  writeFileSync(file, readFileSync(file, "utf8").replace("saved", "other"));
  const [shard = ""] = readdirSync(join(folder, "streams")).filter((n) => n.includes("SHARD_0"));
  rmSync(join(folder, "streams", shard));
  const [saved = ""] = filesIn(join(folder, "archives"));
  writeFileSync(join(folder, "archives", String(saved)), "damaged");
  const broken = await runCommand(["verify", folder], restoredDir);
  expect(broken.stdout).toMatch(/archives\/.*parquet was changed/);
  expect(broken.code).toBe(1);
  expect(broken.stdout).toMatch(/tables\/streams.ndjson was changed/);
  expect(broken.stdout).toMatch(/SHARD_0.* is missing/);
  const refused = await runCommand(["restore", folder], newFolder());
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/not whole/);
}, 240_000);

test("B16: replay and migrate from the command line, with JSON, help and exit codes", async () => {
  server = await startServer();
  const stream = await createStream(server, "lined", { fields: { n: "LONG" } });
  const sink = await createSink(server, stream, { id: "t", postgres: { table: "lined" } });
  await push(server, stream, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  await waitFor(async () => (await countsOf(server, sink.name)).delivered === 3, { what: "rows" });
  const run = (...words: string[]) => runCommand(words, server.dataDir);
  const dry = await run("replay", sink.name, "--filter", "record.n > 1", "--dry-run");
  expect(dry).toMatchObject({ code: 0, stdout: "2 records would be delivered\n" });
  const done = await run("replay", sink.name, "--json");
  expect(JSON.parse(done.stdout)).toMatchObject({ state: "SUCCEEDED", delivered: "3" });
  expect((await run("replay", "--help")).stdout).toMatch(/--dry-run/);
  expect(await run("replay")).toMatchObject({ code: 2 });
  expect(await run("replay", `${stream}/sinks/none`)).toMatchObject({ code: 1 });
  const file = join(server.dataDir, "new.json");
  writeFileSync(file, JSON.stringify({ postgres: { table: "lined_too" } }));
  const moved = await run("migrate", sink.name, "--to", file, "--id", "t2");
  expect(moved, moved.stdout + moved.stderr).toMatchObject({ code: 0 });
  expect(moved.stdout).toMatch(/SUCCEEDED: .*\/sinks\/t2 goes on at sequence \d+/);
  const { versions } = await call<{ versions: { author?: string }[] }>(
    server,
    "management.v1.VersionService/ListVersions",
    { parent: `${stream}/sinks/t2` },
  );
  expect(versions[0]?.author).toBe(server.env.CLIENT_ID);
}, 240_000);
