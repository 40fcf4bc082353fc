import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, createBus, type LogLimits, type Retention } from "../../src/bus/index.ts";
import { LogLedger } from "../../src/bus/log-account.ts";
import { reasonOf } from "../../src/core/errors.ts";
import { useSharedNats } from "../support/shared-servers.ts";
import { waitFor } from "../support/wait-for.ts";
import { call, logUid, part, quiet, readAll } from "./support.ts";

const { url, prefix } = useSharedNats();
let bus: Bus;
let other: Bus;

beforeAll(async () => {
  const options = { url, namespace: prefix, shards: 3, logger: quiet };
  [bus, other] = await Promise.all([createBus(options), createBus(options)]);
});
afterAll(async () => {
  await Promise.all([bus.close(), other.close()]);
});

const DAY = 86_400_000;
const push = (shard: number, letter: string) =>
  other.writer.append(call([part(0, "x".repeat(1_000))], { shard, logUid: logUid(letter) }));

test("the oldest records go when a log is above its bytes, and no other log's", async () => {
  for (let i = 0; i < 30; i++) {
    await push(0, "a");
    await push(0, "b");
  }
  const limits: LogLimits = { maxAgeMs: DAY, maxBytes: 12_000, keepFrom: Number.POSITIVE_INFINITY };
  const keeper = bus.startRetention({
    shard: 0,
    limitsOf: (uid) => (uid === logUid("a") ? limits : undefined),
  });
  await waitFor(() => keeper.accountOf(logUid("a")));
  const before = keeper.accountOf(logUid("b"))!;
  await keeper.enforce();
  const account = keeper.accountOf(logUid("a"))!;
  expect(account.bytes).toBeLessThanOrEqual(12_000);
  expect(account.bytes).toBeGreaterThan(9_000);
  const left = await readAll(bus.reader, { shard: 0, uid: logUid("a") });
  expect(left.length).toBe(account.messages);
  expect(keeper.accountOf(logUid("b"))).toEqual(before);
  expect((await bus.reader.info({ shard: 0, uid: logUid("a") })).bytes).toBe(account.bytes);
  await keeper.close();
});

test("a log that nobody needs is trimmed while it is pushed to, and never refuses for its bytes", async () => {
  const uid = logUid("e");
  const limits: LogLimits = {
    maxAgeMs: DAY,
    maxBytes: 200_000,
    keepFrom: Number.POSITIVE_INFINITY,
  };
  const trimmed: number[] = [];
  const keeper = bus.startRetention({
    shard: 2,
    limitsOf: () => limits,
    onTrimmed: ({ firstSequence }) => trimmed.push(firstSequence),
    everyMs: 5,
  });
  await waitFor(() => keeper.accountOf(uid));
  for (let round = 0; round < 60; round++) {
    await Promise.all(Array.from({ length: 8 }, () => push(2, "e")));
  }
  await waitFor(() => trimmed.length > 1);
  expect(keeper.accountOf(uid)?.isFull).toBe(false);
  await keeper.close();
});

test("what a running sink needs stays: pushes are refused on every node until it is settled", async () => {
  for (let i = 0; i < 20; i++) await push(1, "c");
  let limits: LogLimits = { maxAgeMs: DAY, maxBytes: 10_000, keepFrom: 1 };
  const trimmed: number[] = [];
  const keeper = bus.startRetention({
    shard: 1,
    limitsOf: () => limits,
    onTrimmed: ({ firstSequence }) => trimmed.push(firstSequence),
    everyMs: 50,
  });
  const tryPush = () => push(1, "c").then(() => "stored", reasonOf);
  await waitFor(async () => (await tryPush()) === "STREAM_FULL");
  expect(trimmed).toEqual([]);
  const stored = await readAll(bus.reader, { shard: 1, uid: logUid("c") });
  limits = { ...limits, keepFrom: stored.at(-2)!.sequence };
  await waitFor(async () => (await tryPush()) === "stored");
  const left = await readAll(bus.reader, { shard: 1, uid: logUid("c") });
  expect(left.some((m) => m.sequence === stored.at(-2)!.sequence)).toBe(true);
  expect(trimmed.length).toBeGreaterThan(0);
  await keeper.close();
});

test("records beyond the age of their log go", async () => {
  for (let i = 0; i < 5; i++) await push(2, "d");
  let now = Date.now();
  const keeper = bus.startRetention({
    shard: 2,
    limitsOf: () => ({ maxAgeMs: DAY, maxBytes: 1e9, keepFrom: Number.POSITIVE_INFINITY }),
    now: () => now,
  });
  await waitFor(() => keeper.accountOf(logUid("d"))?.messages === 5);
  await keeper.enforce();
  expect(keeper.accountOf(logUid("d"))?.messages).toBe(5);
  now += DAY + 1_000;
  await keeper.enforce();
  expect(keeper.accountOf(logUid("d"))).toEqual({ bytes: 0, messages: 0, isFull: false });
  expect(await readAll(bus.reader, { shard: 2, uid: logUid("d") })).toEqual([]);
  await keeper.close();
});

test("a log at rest is looked at now and then, one that is full in every round", async () => {
  for (const letter of ["h", "i"]) for (let i = 0; i < 3; i++) await push(1, letter);
  const looks = new Map<string, number>();
  const keeper = bus.startRetention({
    shard: 1,
    limitsOf: (uid) => {
      looks.set(uid, (looks.get(uid) ?? 0) + 1);
      return { maxAgeMs: DAY, maxBytes: uid === logUid("i") ? 100 : 1e9, keepFrom: 0 };
    },
    everyMs: 5,
  });
  await waitFor(() => keeper.accountOf(logUid("i"))?.isFull);
  await waitFor(() => looks.get(logUid("i"))! > 300);
  expect(looks.get(logUid("h"))! * 4).toBeLessThan(looks.get(logUid("i"))!);
  expect(keeper.accountOf(logUid("h"))?.isFull).toBe(false);
  await keeper.close();
});

test("D3: nothing goes before what is lost by it was booked", async () => {
  for (let i = 0; i < 20; i++) await push(2, "e");
  const stored = await readAll(bus.reader, { shard: 2, uid: logUid("e") });
  const asked: [string, number, number][] = [];
  let isRefused = true;
  const limits: LogLimits = { maxAgeMs: DAY, maxBytes: 10_000, keepFrom: Number.POSITIVE_INFINITY };
  const keeper = bus.startRetention({
    shard: 2,
    limitsOf: (uid) => (uid === logUid("e") ? limits : undefined),
    onBeforeTrim: async (uid, firstSequence) => {
      const left = await readAll(bus.reader, { shard: 2, uid });
      asked.push([uid, firstSequence, left.length]);
      if (isRefused) throw new Error("a sink needs the records");
    },
    everyMs: 3_600_000,
  });
  await waitFor(() => keeper.accountOf(logUid("e"))?.messages === 20);
  await keeper.enforce();
  expect((await readAll(bus.reader, { shard: 2, uid: logUid("e") })).length).toBe(20);
  isRefused = false;
  await keeper.enforce();
  const left = await readAll(bus.reader, { shard: 2, uid: logUid("e") });
  expect(left.length).toBeLessThan(20);
  expect(asked).toHaveLength(2);
  expect(asked[1]).toEqual([logUid("e"), left[0]!.sequence, 20]);
  expect(stored.at(-left.length)!.sequence).toBe(left[0]!.sequence);
  await keeper.close();
});

test("a keeper that its owner tells of what comes reads only what was there, and counts both", async () => {
  const uid = logUid("f");
  for (let i = 0; i < 5; i++) await push(1, "f");
  let keeper: Retention | undefined;
  const pushing = { stop: false };
  const load = (async () => {
    while (!pushing.stop) await push(1, "f");
  })();
  const limits: LogLimits = { maxAgeMs: DAY, maxBytes: 1e9, keepFrom: Number.POSITIVE_INFINITY };
  const following = await bus.followShard(1, {
    onOwner: ({ edgeSequence }) => {
      keeper = bus.startRetention({ shard: 1, edgeSequence, limitsOf: () => limits });
    },
    onMessage: (message) => keeper?.stored(message),
    onLost: () => undefined,
  });
  await waitFor(() => (keeper?.accountOf(uid)?.messages ?? 0) > 50);
  pushing.stop = true;
  await load;
  const stored = await readAll(bus.reader, { shard: 1, uid });
  await waitFor(() => keeper?.accountOf(uid)?.messages === stored.length);
  const recount = bus.startRetention({ shard: 1, limitsOf: () => limits });
  await waitFor(() => recount.accountOf(uid));
  expect(keeper?.accountOf(uid)).toEqual(recount.accountOf(uid));
  await Promise.all([following.close(), keeper?.close(), recount.close()]);
});

test("property: a ledger's sums are those of the messages above its trim points", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 20, arbitrary: fc.record({ bytes: fc.integer({ min: 1, max: 5_000 }) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          maxBytes: fc.nat(50_000),
          keepFrom: fc.integer({ min: 1, max: 3_000 }),
        }),
      },
    ),
    { maxLength: 3_000, size: "max" },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const ledger = new LogLedger();
      let model: { sequence: number; bytes: number }[] = [];
      for (const [index, step] of list.entries()) {
        if ("bytes" in step) {
          const entry = { sequence: index + 1, bytes: step.bytes };
          model.push(entry);
          ledger.add({ ...entry, timeMs: index }, 1_000);
        } else {
          const point = ledger.trimPoint({ ...step, beforeTimeMs: Number.NEGATIVE_INFINITY });
          if (point !== undefined) {
            expect(point).toBeLessThanOrEqual(step.keepFrom);
            model = model.filter((m) => m.sequence >= point);
            ledger.trimmed(point);
          }
        }
        expect(ledger.messages).toBe(model.length);
        expect(ledger.bytes).toBe(model.reduce((sum, m) => sum + m.bytes, 0));
      }
    }),
    { numRuns: 15 },
  );
});
