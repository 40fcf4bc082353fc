import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startArchiver } from "../../src/archive/archiver.ts";
import { archiveStep } from "../../src/archive/log-archiver.ts";
import { sweepArchives } from "../../src/archive/sweep.ts";
import type { LogReader } from "../../src/core/log.ts";
import { readRecords } from "../../src/records/placed-record.ts";
import { startAwsDouble } from "../support/aws/double.ts";
import { createBuckets } from "../support/aws/s3.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { waitFor } from "../support/wait-for.ts";
import { CRASH_POINTS, Crash, openArchiveWorld } from "./archive-world.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "archive-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const signal = new AbortController().signal;
const LATER = 10_000;

async function numbersOf(reader: LogReader, log: { shard: number; uid: string }) {
  const numbers: number[] = [];
  for (let fromSequence = 1; ; ) {
    const range = { fromSequence, maxMessages: 3, maxBytes: 1_000 };
    const messages = await reader.read(log, range);
    if (messages.length === 0) return numbers;
    for (const message of messages) {
      for (const { json } of readRecords(message)) {
        numbers.push((JSON.parse(`${Buffer.from(json)}`) as { n: number }).n);
      }
    }
    fromSequence = messages.at(-1)!.sequence + 1;
  }
}
const filesIn = async (folder: string) =>
  (await readdir(folder, { recursive: true })).filter((name) => /\.(parquet|part)$/.test(name));

test("F01 property: owners that die at any point, or two at once, leave each record once in archive and log", async () => {
  const folder = join(dir, "property");
  const world = await openArchiveWorld(folder);
  const base = world.target();
  let run = 0;
  const step = fc.oneof(
    fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant("crash" as const), at: fc.constantFrom(...CRASH_POINTS) }),
    fc.constant({ kind: "write" as const }),
    fc.constant({ kind: "two owners" as const }),
    fc.constant({ kind: "trim" as const }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const log = { ...base.log, uid: `log${String(run++).padStart(17, "0")}` };
      const target = { ...base, log };
      const pushed: number[] = [];
      for (const each of steps) {
        if (each.kind === "append") {
          const values = Array.from({ length: each.count }, (_, i) => pushed.length + i);
          pushed.push(...values);
          world.shard.append(
            log.uid,
            values.map((n) => ({ key: n % 2, value: { n } })),
          );
          world.shard.append("another", [{ value: { n: -1 } }]);
        } else if (each.kind === "crash") {
          const owner = world.owner({ crashAt: each.at, nowMs: LATER });
          await archiveStep(owner, target, signal).catch((error: unknown) => {
            if (!(error instanceof Crash)) throw error;
          });
        } else if (each.kind === "trim") {
          const next = (await world.store.find(log.uid))?.nextSequence ?? 1;
          world.shard.trim(log.uid, next - 1);
        } else {
          const owners = each.kind === "write" ? [1] : [1, 2];
          await Promise.all(
            owners.map(() => archiveStep(world.owner({ nowMs: LATER }), target, signal)),
          );
        }
        expect(await numbersOf(world.across, log)).toEqual(pushed);
      }
      // What an owner left half done is finished by the next, and nothing else lies about.
      await archiveStep(world.owner({ nowMs: LATER }), target, signal);
      await archiveStep(world.owner({ nowMs: LATER }), target, signal);
      world.shard.trim(log.uid, Number.MAX_SAFE_INTEGER);
      expect(await numbersOf(world.across, log)).toEqual(pushed);
      const span = await world.store.span(log.uid);
      const names = pushed.length > 0 ? await filesIn(join(folder, `a/s/main-${log.uid}`)) : [];
      let files = 0;
      for (let at = 0; span && at <= span.last; files++) {
        at = (await world.store.fileAt(log.uid, at))!.toSequence + 1;
      }
      expect(names).toHaveLength(files);
    }),
    { numRuns: 8 },
  );
}, 60_000);

test("F01: files wait for their time or bytes, and go whole when their retention ends, but not what is needed", async () => {
  const folder = join(dir, "retention");
  const world = await openArchiveWorld(folder, { retentionAge: { seconds: 60n } });
  const target = world.target();
  const { uid } = target.log;
  world.shard.append(uid, [{ value: { n: 0 } }]);
  const waiting = await archiveStep(world.owner(), target, signal);
  expect(waiting).toMatchObject({ kind: "waiting", nextSequence: 1 });
  expect(await archiveStep(world.owner({ nowMs: 1_500 }), target, signal)).toEqual({
    kind: "written",
    nextSequence: 2,
  });
  world.shard.append(uid, [{ value: { n: 1 } }]);
  await archiveStep(world.owner({ nowMs: 1_500 }), target, signal);
  const isSweeping = true;
  const asked: number[] = [];
  let mayGo = false;
  const beforeDelete = async (_log: unknown, sequence: number) => {
    asked.push(sequence);
    if (!mayGo) throw new Error("what goes is not booked");
  };
  const sweep = (nowMs: number, neededFrom: () => number) =>
    sweepArchives(world.owner({ nowMs }), {
      targets: [target],
      ...{ isSweeping, neededFrom, beforeDelete },
    });
  await sweep(30_000, () => Number.POSITIVE_INFINITY);
  expect(asked).toEqual([]);
  await sweep(90_000, () => 2);
  expect(await filesIn(folder)).toHaveLength(2);
  mayGo = true;
  await sweep(90_000, () => 2);
  expect(await filesIn(folder)).toHaveLength(1);
  world.shard.trim(uid, 10);
  expect(await numbersOf(world.across, target.log)).toEqual([1]);
  await sweep(90_000, () => Number.POSITIVE_INFINITY);
  expect(asked).toEqual([2, 2, 3]);
  expect(await filesIn(folder)).toEqual([]);
  expect(await numbersOf(world.across, target.log)).toEqual([]);
});

test("F01: what the archive cannot take stays in the log, and the branch says why until it can", async () => {
  const buckets = createBuckets(["lake"]);
  const double = await startAwsDouble({}, buckets.fallback);
  const bucket = buckets.bucket("lake");
  const access = { region: "eu-central-1", accessKeyId: "AKIATEST", secretAccessKey: "secret" };
  const world = await openArchiveWorld(dir, {
    bucket: { ...access, bucket: "lake", endpoint: double.url },
  });
  const { log } = world.target();
  world.shard.append(log.uid, [{ value: { n: 1 } }]);
  bucket.refuse = () => ({ status: 403, code: "AccessDenied" });
  const archiver = startArchiver({
    definitions: world.snapshot,
    store: world.store,
    log: world.shard.reader,
    masterKey: world.catalog.masterKey,
    environment: world.environment,
    logger: quietLogger,
    neededFrom: () => Number.POSITIVE_INFINITY,
    beforeDelete: async () => undefined,
    everyMs: 20,
    now: () => Date.now() + LATER,
  });
  try {
    expect(archiver.lowestNeeded(log.uid)).toBe(0);
    archiver.onOwner(log.shard);
    const name = "projects/a/streams/s/branches/main";
    const statusOf = async () => (await world.ops.streams.getBranch({ name })).branch?.archive;
    await waitFor(async () => (await statusOf())?.cause.includes("AccessDenied") ?? false);
    expect((await statusOf())?.causeTime).toBeDefined();
    expect(archiver.lowestNeeded(log.uid)).toBeLessThanOrEqual(1);
    bucket.refuse = () => undefined;
    await waitFor(async () => (await statusOf())?.cause === "");
    expect(await statusOf()).toMatchObject({ nextSequence: 2n, files: 1n, records: 1n });
    await waitFor(() => archiver.lowestNeeded(log.uid) === 2);
  } finally {
    await archiver.close();
    await double.close();
  }
});

test("F01: an archive in a bucket: written, read, and deleted when its stream is purged; its secret is never shown", async () => {
  const buckets = createBuckets(["lake"]);
  const double = await startAwsDouble({}, buckets.fallback);
  const { objects } = buckets.bucket("lake");
  const world = await openArchiveWorld(dir, {
    bucket: {
      bucket: "lake",
      prefix: "kept/",
      region: "eu-central-1",
      accessKeyId: "AKIATEST",
      secretAccessKey: "s3cr3t-access-key",
      endpoint: double.url,
    },
  });
  const name = "projects/a/streams/s";
  const { stream } = await world.ops.streams.getStream({ name });
  expect(stream?.archive?.bucket).toMatchObject({ bucket: "lake", secretAccessKey: "" });
  // Without a secret the saved one is kept.
  await world.ops.streams.updateStream({ stream: { ...stream!, description: "kept" } });
  const target = world.target();
  world.shard.append(target.log.uid, [{ value: { n: 7 } }]);
  await archiveStep(world.owner({ nowMs: LATER }), target, signal);
  expect([...objects.keys()]).toEqual([
    `kept/a/s/main-${target.log.uid}/0000000000000001-0000000000000001.parquet`,
  ]);
  world.shard.trim(target.log.uid, 1);
  expect(await numbersOf(world.across, target.log)).toEqual([7]);
  await world.ops.streams.deleteStream({ name });
  const sweep = {
    targets: [],
    isSweeping: true,
    neededFrom: () => Number.POSITIVE_INFINITY,
    beforeDelete: async () => undefined,
  };
  await sweepArchives(world.owner(), sweep);
  // It may be brought back.
  expect(objects.size).toBe(1);
  const { deleted } = await world.ops.deleted.listDeleted({ parent: "projects/a" });
  await world.ops.deleted.purgeDeleted({ name: deleted[0]?.name ?? "" });
  for (let i = 0; i < 2; i++) {
    await sweepArchives(world.owner(), sweep);
  }
  expect(objects.size).toBe(0);
  expect(await world.store.find(target.log.uid)).toBeUndefined();
  world.reader.close();
  await double.close();
});
