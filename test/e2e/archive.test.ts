import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, countsOf, createSink, createStream, listAll } from "../support/api.ts";
import { createReplay, whenReplayed } from "../support/moves.ts";
import { startReceiver } from "../support/receiver.ts";
import { startServer, type TestServer, waitFor } from "../support/server.ts";

let server: TestServer;
let stream: string;

const fields = { key: "STRING", n: "LONG", note: "STRING" };
const note = "x".repeat(1_000);
const recordOf = (n: number) => ({ key: `k${n % 3}`, n, note });
const COUNT = 2_500;
const HALF = 1_200;
/** A row of a number, under this name. */
const mappingTo = (name: string) => ({ columns: [{ name, type: "LONG", path: { path: "n" } }] });
const remap = async (name: string, to: string) => {
  const sink = { name, mapping: mappingTo(to) };
  await call(server, "management.v1.SinkService/UpdateSink", { sink, updateMask: "mapping" });
};

interface BranchView {
  storedBytes?: string;
  firstSequence?: string;
  archive?: Record<string, string>;
}

const branchOf = async (of: string) => {
  const request = { name: `${of}/branches/main` };
  const method = "management.v1.StreamService/GetBranch";
  return (await call<{ branch: BranchView }>(server, method, request)).branch;
};
const filesOf = (id: string) =>
  readdir(join(server.dataDir, "archive", "demo", id), { recursive: true }).then(
    (names) => names.filter((name) => name.endsWith(".parquet")),
    () => [],
  );

/** Pushes more than the log may keep; gives the ids. */
async function fill(into: string, atHalf: () => Promise<unknown> = async () => undefined) {
  const pushed: { n: number; id: string }[] = [];
  for (let at = 0; at < COUNT; at += 100) {
    if (at === HALF) await atHalf();
    const records = Array.from({ length: 100 }, (_, i) => ({ value: recordOf(at + i) }));
    const answer = await waitFor(
      () =>
        call<{ recordIds: string[] }>(server, "push.v1.PushService/Push", {
          stream: into,
          records,
          returnRecordIds: true,
        }).catch((error: { reason?: string }) => {
          if (error.reason === "STREAM_FULL") return undefined;
          throw error;
        }),
      { timeoutMs: 30_000, what: "the log to have room" },
    );
    pushed.push(...answer.recordIds.map((id, i) => ({ n: at + i, id })));
  }
  return pushed;
}

/** Waits until the archive has everything and the log only its end. */
async function trimmed(of: string) {
  await waitFor(
    async () => {
      const branch = await branchOf(of);
      return Number(branch.storedBytes) < 1.2e6 && Number(branch.archive?.records ?? 0) === COUNT;
    },
    { timeoutMs: 30_000, what: "the log to be trimmed" },
  );
}

beforeAll(async () => {
  server = await startServer();
  stream = await createStream(server, "kept", {
    fields,
    keyFields: ["key"],
    retention: { bytes: "1048576" },
    archive: { fileTime: "1s", fileBytes: "262144" },
  });
});
afterAll(() => server?.close());

test("F01: what the log has no more is read from the archive, each record once, with its id and place", async () => {
  const pushed = await fill(stream);
  await trimmed(stream);
  const listed = await listAll(server, stream, { pageSize: 1000 });
  expect(listed.map(({ id, value }) => ({ id, n: Number(value.n) }))).toEqual(pushed);
  expect(listed.every(({ value }) => value.note === note)).toBe(true);
  const page = listed[1_234]!;
  const from = await listAll(server, stream, { fromSequence: page.sequence });
  expect(from).toEqual(listed.filter((r) => Number(r.sequence) >= Number(page.sequence)));
  const since = await listAll(server, stream, { fromTime: page.arrivalTime });
  expect(since.length).toBeGreaterThan(COUNT - 1_334 - 1);
  expect(since).toEqual(listed.slice(-since.length));
  const key = await listAll(server, stream, { key: '{"key":"k1"}', filter: "n = 100" });
  expect(key.map(({ value }) => value.n)).toEqual([100]);
});

test("F01: files are Parquet with columns for the fields", async () => {
  const [name = ""] = (await filesOf("kept")).sort();
  const bytes = await readFile(join(server.dataDir, "archive", "demo", "kept", name));
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const compressors = { ZSTD: (input: Uint8Array) => new Uint8Array(zstdDecompressSync(input)) };
  const rows = await parquetReadObjects({ file, compressors, rowEnd: 2 });
  expect(rows[0]).toMatchObject({ key: "k0", n: 0n, tributary_index: 0n });
  expect(JSON.parse(String(rows[1]?.tributary_record))).toEqual(recordOf(1));
});

test("F01: an archive of fields that make no sense is refused, and its place cannot be changed", async () => {
  const update = (archive: unknown, mask = "archive") =>
    call<{ stream: Record<string, unknown> }>(server, "management.v1.StreamService/UpdateStream", {
      stream: { name: stream, ...(archive ? { archive } : {}) },
      updateMask: mask,
    });
  const bucket = { bucket: "lake", region: "eu-central-1", accessKeyId: "AKIATEST" };
  const refused = async (archive: unknown, text: RegExp) =>
    await expect(update(archive)).rejects.toMatchObject({
      reason: "INVALID_FIELDS",
      text: expect.stringMatching(text),
    });
  await refused({ fileBytes: "10" }, /archive.file_bytes: must be 64 KiB/);
  await refused({ bucket }, /archive.bucket.secret_access_key: is missing/);
  await refused({ bucket: { ...bucket, secretAccessKey: "s" } }, /files elsewhere/);
  const access = { ...bucket, secretAccessKey: "s", endpoint: "http://127.0.0.1:9" };
  const archived = createStream(server, "nowhere", { fields, archive: { bucket: access } });
  await expect(archived).rejects.toMatchObject({
    reason: "DESTINATION_REFUSED",
    text: expect.stringContaining("archive: CONNECTION_FAILED"),
  });
  const cleared = await update(undefined);
  expect(cleared.stream.archive).toBeUndefined();
  expect(await listAll(server, stream)).toHaveLength(COUNT);
  const again = await update({ fileTime: "1s", retentionAge: "3153600000s" });
  expect(again.stream.archive).toEqual({ fileTime: "1s", retentionAge: "3153600000s" });
});

test("N16: paused sinks lose nothing that the archive holds, with SPILL or without, and a new one begins there", async () => {
  const settings = { fields, keyFields: ["key"], retention: { bytes: "1048576" } };
  const plain = await createStream(server, "plain", settings);
  const file = { directory: "spilled" };
  await expect(
    createSink(server, plain, { id: "files", file, whenFull: "SPILL" }),
  ).rejects.toMatchObject({ reason: "INVALID_FIELDS", text: expect.stringContaining("when_full") });
  const archive = { fileTime: "1s", fileBytes: "262144" };
  const spilled = await createStream(server, "spilled", { ...settings, archive });
  const sink = await createSink(server, spilled, { id: "files", file, whenFull: "SPILL" });
  const expiring = await createSink(server, spilled, {
    ...{ id: "expiring", file: { directory: "expiring" }, whenFull: "EXPIRE" },
    mapping: mappingTo("n"),
  });
  const paused = [sink.name, expiring.name];
  for (const name of paused) await call(server, "management.v1.SinkService/PauseSink", { name });
  await fill(spilled, () => remap(expiring.name, "m"));
  await trimmed(spilled);
  for (const name of paused) {
    const counts = () => countsOf(server, name);
    await waitFor(async () => (await counts()).pushed === COUNT, { what: "all to be counted" });
    expect(await counts()).toMatchObject({ delivered: 0, expired: 0, pending: COUNT });
    await call(server, "management.v1.SinkService/ResumeSink", { name });
  }
  const early = { id: "early", file: { directory: "early" }, start: { position: "EARLIEST" } };
  const second = await createSink(server, spilled, early);
  for (const { name, directory } of [
    { name: sink.name, directory: "spilled" },
    { name: expiring.name, directory: "expiring" },
    { name: second.name, directory: "early" },
  ]) {
    await waitFor(async () => (await countsOf(server, name)).delivered === COUNT, {
      timeoutMs: 20_000,
      what: `${directory} to be delivered`,
    });
    const folder = join(server.dataDir, "files", directory);
    const names = (await readdir(folder)).filter((each) => each.endsWith(".ndjson"));
    const texts = await Promise.all(names.map((each) => readFile(join(folder, each), "utf8")));
    const seen = texts.flatMap((text) => text.trimEnd().split("\n"));
    const rows = seen.map((line) => JSON.parse(line) as { n?: number; m?: number });
    const numbers = rows.map(({ n, m }) => Number(n ?? m));
    // Each record by the mapping of its sequence, wherever it was read.
    const isRenamed = ({ m }: { m?: number }) => m !== undefined;
    expect(rows.filter(isRenamed)).toHaveLength(directory === "expiring" ? COUNT - HALF : 0);
    if (directory === "expiring")
      expect(Math.min(...rows.filter(isRenamed).map(({ m }) => m!))).toBe(HALF);
    expect(numbers.sort((x, y) => x - y)).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    expect(await countsOf(server, name)).toMatchObject({ expired: 0, pending: 0 });
  }
});

test("F01, B04: a replay crosses the border of archive and log, in order, and goes on with the mapping that is changed meanwhile", async () => {
  const receiver = await startReceiver();
  try {
    const sink = await createSink(server, stream, {
      id: "again",
      webhook: { url: receiver.url },
      start: { position: "LATEST" },
      batching: { count: 100 },
      pace: { requestsPerSecond: 20 },
      mapping: mappingTo("n"),
    });
    const made = await createReplay(server, sink.name, {});
    const isUnderWay = () => receiver.accepted().length >= 500;
    await waitFor(isUnderWay, { everyMs: 5, what: "the replay to be under way" });
    await remap(sink.name, "m");
    const done = await whenReplayed(server, made, 60_000);
    expect(done).toMatchObject({ state: "SUCCEEDED", delivered: String(COUNT) });
    const rows = receiver.accepted();
    const from = rows.findIndex(({ m }) => m !== undefined);
    expect(from).toBeGreaterThanOrEqual(500);
    expect(from).toBeLessThan(COUNT);
    expect(rows.slice(from).every(({ n }) => n === undefined)).toBe(true);
    expect(rows.map(({ n, m }) => n ?? m)).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    // The log has less than the half of them.
    expect(Number((await branchOf(stream)).storedBytes)).toBeLessThan((COUNT * note.length) / 2);
    expect(await countsOf(server, sink.name)).toMatchObject({ delivered: 0, pushed: 0 });
  } finally {
    await receiver.close();
  }
});

test("S12: what is archived stands in the usage of its day", async () => {
  const { bytes } = (await branchOf(stream)).archive ?? {};
  const usage = await call<{ totals: Record<string, string> }>(
    ...[server, "management.v1.UsageService/GetUsage"],
    { name: stream },
  );
  expect(Number(usage.totals.archivedBytes)).toBe(Number(bytes));
});

test("F01: the archive of a deleted stream comes back with it, and is deleted when it is purged", async () => {
  const before = await listAll(server, stream);
  const count = (await filesOf("kept")).length;
  expect(count).toBeGreaterThan(3);
  await call(server, "management.v1.StreamService/DeleteStream", { name: stream });
  await call(server, "management.v1.StreamService/UndeleteStream", { name: stream });
  expect(await listAll(server, stream)).toEqual(before);
  expect(await filesOf("kept")).toHaveLength(count);
  await call(server, "management.v1.StreamService/DeleteStream", { name: stream });
  const { deleted } = await call<{ deleted: { name: string }[] }>(
    ...[server, "management.v1.DeletedService/ListDeleted"],
    { parent: "projects/demo" },
  );
  await call(server, "management.v1.DeletedService/PurgeDeleted", { name: deleted[0]?.name });
  await waitFor(async () => (await filesOf("kept")).length === 0, {
    timeoutMs: 60_000,
    what: "the files to be deleted",
  });
}, 90_000);
