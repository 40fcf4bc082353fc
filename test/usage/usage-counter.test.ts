import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogMessage } from "../../src/core/log.ts";
import { decodeRecordBatch, encodeRecordBatch } from "../../src/core/record-batch.ts";
import { encodeCallBlock } from "../../src/core/record-block.ts";
import { tallyRecordBatch } from "../../src/core/record-tally.ts";
import type { CutOff } from "../../src/usage/lost-end.ts";
import { startUsageCounter, type UsageCounter } from "../../src/usage/usage-counter.ts";
import { createUsageStore, type UsageStore } from "../../src/usage/usage-store.ts";
import { useTestDatabase } from "../support/database.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { waitFor } from "../support/wait-for.ts";

const DAY_US = 86_400_000_000;

function batch(
  calls: { day: number; authentication: string; sizes: number[] }[],
  compress = false,
) {
  const blocks = calls.map(({ day, authentication, sizes }) => {
    const bytes = Buffer.alloc(
      sizes.reduce((a, b) => a + b, 0),
      0x31,
    );
    let at = 0;
    const spans = sizes.flatMap((size) => {
      at += size;
      return [at - size, at];
    });
    const facts = {
      arrivalTimeUs: day * DAY_US + 5,
      source: "push",
      authentication,
      address: "::1",
      schemaVersion: 1,
      traceContext: "",
    };
    return encodeCallBlock(facts, { bytes, spans, ids: [], hashes: [] }, [...sizes.keys()]).block;
  });
  return encodeRecordBatch(blocks, { compress });
}

test("the tally of a message equals what its decoder counts, compressed or not", () => {
  const call = fc.record({
    day: fc.nat(30_000),
    authentication: fc.constantFrom("oauth2", "none", ""),
    sizes: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 }),
  });
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 5 }), fc.boolean(), (calls, compress) => {
      const data = batch(calls, compress);
      expect(tallyRecordBatch(data)).toEqual(
        decodeRecordBatch(data).calls.map((c) => ({
          arrivalTimeUs: c.arrivalTimeUs,
          authentication: c.authentication,
          records: c.records.length,
          bytes: c.records.reduce((sum, r) => sum + r.length, 0),
        })),
      );
    }),
  );
  expect(() => tallyRecordBatch(Buffer.from([0x08, 1, 0x10, 1, 0x1a, 5]))).toThrow(/damaged/);
});

/** A shard in memory that may lose its beginning, as retention takes it. */
function memoryShard({ claims = 0 } = {}) {
  const messages: LogMessage[] = [];
  return {
    messages,
    append(logUid: string, calls: Parameters<typeof batch>[0]): LogMessage {
      const sequence = messages.length + 1;
      const message = {
        sequence,
        logUid,
        generation: 1,
        partition: 0,
        timeMs: 0,
        data: batch(calls),
      };
      messages.push(message);
      return message;
    },
    log: {
      read: async (_: number, o: { fromSequence: number; maxMessages: number }) =>
        messages.filter((m) => m.sequence >= o.fromSequence).slice(0, Math.min(3, o.maxMessages)),
      info: async () => ({
        lastSequence: messages.length,
        endSequence: messages.length + claims,
        identity: "t0",
      }),
    },
  };
}

async function useStore() {
  const { database } = await useTestDatabase();
  await database.sql`INSERT INTO tributary.usage_logs VALUES ('l', 'p', 'projects/p', 's', 'projects/p/streams/s')`;
  const total = async () => {
    const [row] = await database.sql`
      SELECT coalesce(sum(records), 0)::int AS records, coalesce(sum(bytes), 0)::int AS bytes,
        coalesce(sum(unauthenticated_records), 0)::int AS open, count(*)::int AS days
      FROM tributary.usage_days`;
    return row;
  };
  return { database, store: createUsageStore(database), total };
}

test("S12: owners that overlap, die and lose answers of the database count each record once", async () => {
  const { store, total } = await useStore();
  const shard = memoryShard();
  let turn = 0;
  // The answer of some commits is lost: the caller cannot know whether they were made.
  const flaky: UsageStore = {
    ...store,
    async commit(commit) {
      turn += 1;
      if (turn % 5 === 0) throw new Error("the connection is lost before");
      const isDone = await store.commit(commit);
      if (turn % 3 === 0) throw new Error("the connection is lost after");
      return isDone;
    },
  };
  const start = () =>
    startUsageCounter({
      ...{ shard: 0, edgeSequence: shard.messages.length, log: shard.log },
      ...{ store: flaky, logger: quietLogger, flushMs: 5 },
    });
  const counters: UsageCounter[] = [start()];
  for (let i = 0; i < 300; i++) {
    const message = shard.append("l", [
      { day: 20_000 + (i % 2), authentication: i % 3 === 0 ? "none" : "oauth2", sizes: [10, 20] },
    ]);
    for (const counter of counters) counter.offer(message);
    // A second owner begins before the first knows that it is replaced.
    if (i % 50 === 20) counters.push(start());
    if (i % 50 === 40) void counters.shift()?.close();
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const all = { records: 600, bytes: 9_000, open: 200, days: 2 };
  await waitFor(async () => (await total())?.records >= 600, { timeoutMs: 10_000 });
  expect(await total()).toEqual(all);
  const last = start();
  await last.reached(300);
  await Promise.all([...counters, last].map((counter) => counter.close()));
  expect(await total()).toEqual(all);
});

test("a shard that lost its end is told once, by the mark of its count, and what is stored next is counted", async () => {
  const { store, total } = await useStore();
  const shard = memoryShard();
  const cuts: CutOff[] = [];
  let isRefused = true;
  const start = () =>
    startUsageCounter({
      ...{ shard: 0, edgeSequence: shard.messages.length, log: shard.log, store },
      ...{ logger: quietLogger, flushMs: 5 },
      async onCutOff(cut) {
        if (isRefused) {
          isRefused = false;
          throw new Error("the database is away");
        }
        cuts.push(cut);
      },
    });
  const call = { day: 20_000, authentication: "oauth2", sizes: [1] };
  for (let i = 0; i < 10; i++) shard.append("l", [call]);
  const first = start();
  await first.reached(10);
  await first.close();
  shard.messages.splice(4);
  const second = start();
  await waitFor(() => cuts.length > 0, { timeoutMs: 10_000 });
  expect(cuts).toEqual([{ shard: 0, identity: "t0", lastSequence: 4, counted: 10 }]);
  for (let i = 0; i < 3; i++) second.offer(shard.append("l", [call]));
  await second.reached(7);
  await second.close();
  const third = start();
  await third.reached(7);
  await third.close();
  expect(cuts).toHaveLength(1);
  expect((await total())?.records).toBe(13);
});

test("a mark at a claim, behind the newest record, tells of no loss", async () => {
  const { store, total } = await useStore();
  const shard = memoryShard({ claims: 2 });
  const cuts: CutOff[] = [];
  shard.append("l", [{ day: 20_000, authentication: "oauth2", sizes: [1] }]);
  for (let owner = 0; owner < 2; owner++) {
    const counter = startUsageCounter({
      ...{ shard: 0, edgeSequence: 3, log: shard.log, store, logger: quietLogger, flushMs: 5 },
      onCutOff: async (cut) => void cuts.push(cut),
    });
    await counter.reached(3);
    await counter.close();
  }
  expect(cuts).toEqual([]);
  expect((await total())?.records).toBe(1);
});

test("what is to be trimmed is counted before, for good while Postgres answers", async () => {
  const { store, total } = await useStore();
  const shard = memoryShard();
  for (let i = 0; i < 20; i++) {
    shard.append("l", [{ day: 20_000, authentication: "oauth2", sizes: [1] }]);
  }
  const counter = startUsageCounter({
    ...{ shard: 0, edgeSequence: 20, log: shard.log, store, logger: quietLogger },
    flushMs: 60_000,
  });
  await counter.reached(15);
  expect((await total())?.records).toBeGreaterThanOrEqual(15);
  await counter.close();
  expect((await total())?.records).toBe(20);
});

test("records of a log that nobody knows count for nobody, and do not stop the others", async () => {
  const { store, total } = await useStore();
  const shard = memoryShard();
  shard.append("unknown", [{ day: 20_000, authentication: "oauth2", sizes: [1] }]);
  shard.append("l", [{ day: 20_000, authentication: "oauth2", sizes: [1] }]);
  const counter = startUsageCounter({
    ...{ shard: 0, edgeSequence: 2, log: shard.log, store, logger: quietLogger },
    flushMs: 5,
  });
  await counter.reached(2);
  expect((await total())?.records).toBe(1);
  await counter.close();
});
