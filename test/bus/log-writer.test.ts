import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, createBus } from "../../src/bus/index.ts";
import { reasonOf } from "../../src/core/errors.ts";
import type { LogCall } from "../../src/core/log.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { useSharedNats } from "../support/shared-servers.ts";
import { call, errorOf, logUid, part, quiet, readAll, recordAt, recordsOf } from "./support.ts";

const { url, prefix } = useSharedNats();
let bus: Bus;
let other: Bus;

beforeAll(async () => {
  const options = { url, namespace: prefix, shards: 2, logger: quiet };
  [bus, other] = await Promise.all([createBus(options), createBus(options)]);
});
afterAll(async () => {
  await Promise.all([bus.close(), other.close()]);
});

test("calls that meet share messages, and each gets the place of its records", async () => {
  const log = { logUid: logUid("b") };
  const texts = Array.from({ length: 60 }, (_, i) => [`${i}a`, `${i}b`]);
  const answers = await Promise.all(
    texts.map((pair, i) => bus.writer.append(call([part(i % 3, ...pair)], log))),
  );
  const stored = await readAll(bus.reader, { shard: 0, uid: log.logUid });
  expect(stored.length).toBeLessThan(20);
  for (const [i, answer] of answers.entries()) {
    expect(answer.isDuplicate).toBe(false);
    const [place] = answer.places;
    expect(recordAt(stored, place!)).toBe(`${i}a`);
    expect(recordAt(stored, { ...place!, index: place!.index + 1 })).toBe(`${i}b`);
  }
});

test("a call over many messages is stored whole, in order, with no message above 512 KiB", async () => {
  const log = { logUid: logUid("c") };
  const parts = Array.from({ length: 40 }, (_, i) => part(i % 2, `${i}${"x".repeat(100_000)}`));
  const answer = await bus.writer.append(call(parts, log));
  const stored = await readAll(bus.reader, { shard: 0, uid: log.logUid });
  expect(Math.max(...stored.map((m) => m.data.length))).toBeLessThanOrEqual(512 * 1024);
  expect(answer.places.map((place) => recordAt(stored, place)?.slice(0, 3))).toEqual(
    parts.map((_, i) => `${i}xx`.slice(0, 3)),
  );
});

test("a record above the size of a message is refused as TOO_LARGE, and others go on", async () => {
  const error = await errorOf(bus.writer.append(call([part(0, "x".repeat(1024 * 1024))])));
  expect(reasonOf(error)).toBe("TOO_LARGE");
  await bus.writer.append(
    call([part(0, "x".repeat(1024 * 1024 - 17_000))], { logUid: logUid("d") }),
  );
});

test("a call without records is stored without effect", async () => {
  expect(await bus.writer.append(call([]))).toEqual({ places: [], isDuplicate: false });
});

test("bytes in flight are bounded: OVERLOADED, and calls taken are stored", async () => {
  const small = await createBus({
    url,
    namespace: prefix,
    shards: 2,
    maxBytesInFlight: 1_000_000,
    logger: quiet,
  });
  const log = { logUid: logUid("e") };
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, () =>
      small.writer.append(call([part(0, "x".repeat(100_000))], log)),
    ),
  );
  const refused = results.flatMap((r) => (r.status === "rejected" ? [reasonOf(r.reason)] : []));
  expect(new Set(refused)).toEqual(new Set(["OVERLOADED"]));
  expect(
    (await readAll(small.reader, { shard: 0, uid: log.logUid })).flatMap(recordsOf).length,
  ).toBe(50 - refused.length);
  expect(small.bytesInFlight()).toBe(0);
  await small.close();
});

test("property: random calls over logs and partitions are stored as acknowledged, in order", async () => {
  let run = 0;
  const calls = fc.array(
    fc.record({
      log: fc.constantFrom("x", "y"),
      shard: fc.constantFrom(0, 1),
      partitions: fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }),
      isKeyed: fc.boolean(),
      // Three or more parts of the longest are a large call.
      letters: fc.constantFrom(0, 0, 200_000, 350_000),
    }),
    { minLength: 1, maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(calls, async (plan) => {
      run++;
      const uidOf = (c: (typeof plan)[number]) => `${c.log}${run}s${c.shard}`.padEnd(20, "0");
      const sent: LogCall[] = plan.map((c, i) =>
        call(
          c.partitions.map((p, j) => part(p, `${i}.${j}${"z".repeat(c.letters)}`)),
          {
            shard: c.shard,
            logUid: uidOf(c),
            ...(c.isKeyed ? { idempotency: { id: `r${run}c${i}`, bodyHash: "h" } } : {}),
          },
        ),
      );
      const answers = await Promise.all(sent.map((c) => bus.writer.append(c)));
      for (const shard of [0, 1]) {
        for (const uid of new Set(plan.filter((c) => c.shard === shard).map(uidOf))) {
          const stored = await readAll(bus.reader, { shard, uid });
          const mine = sent.flatMap((c, i) =>
            c.logUid === uid ? [{ c, answer: answers[i]!, i }] : [],
          );
          for (const { answer, i } of mine) {
            const found = answer.places.map((p) => recordAt(stored, p)?.replaceAll("z", ""));
            expect(found).toEqual(found.map((_, j) => `${i}.${j}`));
          }
          for (const partition of [0, 1, 2]) {
            const order = stored.filter((m) => m.partition === partition).flatMap(recordsOf);
            const expected = mine.flatMap(({ c, i }) =>
              c.parts.flatMap((p, j) => (p.partition === partition ? [`${i}.${j}`] : [])),
            );
            expect(order.map((text) => text.replaceAll("z", ""))).toEqual(expected);
          }
        }
      }
    }),
    { numRuns: 12 },
  );
});

test("once a generation is sealed no push of it is stored, from any node; the next one goes on", async () => {
  const log = { shard: 0, uid: logUid("f"), generation: 1 };
  await bus.writer.append(call([part(0, "before")], { logUid: log.uid }));
  const seal = await other.sealGeneration(log);
  expect(await bus.sealGeneration(log)).toBe(seal);
  const mixed = await Promise.allSettled([
    bus.writer.append(call([part(0, "stale")], { logUid: log.uid })),
    bus.writer.append(call([part(0, "other log")], { logUid: logUid("g") })),
    bus.writer.append(call([part(0, "after")], { logUid: log.uid, generation: 2 })),
  ]);
  expect(mixed.map((r) => (r.status === "rejected" ? reasonOf(r.reason) : "stored"))).toEqual([
    "GENERATION_SEALED",
    "stored",
    "stored",
  ]);
  const stored = await readAll(bus.reader, log);
  expect(stored.map((m) => [m.generation, ...recordsOf(m)])).toEqual([
    [1, "before"],
    [2, "after"],
  ]);
  expect(stored[0]!.sequence).toBeLessThan(seal);
});

test("sealing under load: each push is stored below the seal or refused", async () => {
  const log = { shard: 0, uid: logUid("h"), generation: 1 };
  const pushes: Promise<string>[] = [];
  let seal: Promise<number> | undefined;
  for (let i = 0; i < 400; i++) {
    const writer = i % 2 ? bus.writer : other.writer;
    pushes.push(
      writer.append(call([part(0, String(i))], { logUid: log.uid })).then(
        () => "stored",
        (error) => String(reasonOf(error)),
      ),
    );
    if (i === 200) seal = other.sealGeneration(log);
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const results = await Promise.all(pushes);
  const stored = await readAll(bus.reader, log);
  const sealSequence = await seal!;
  expect(stored.every((m) => m.sequence < sealSequence)).toBe(true);
  expect(stored.flatMap(recordsOf).length).toBe(results.filter((r) => r === "stored").length);
  expect(new Set(results)).toEqual(new Set(["stored", "GENERATION_SEALED"]));
});

test("a project that pushes much does not keep another one waiting", async () => {
  const big = Array.from({ length: 150 }, (_, i) =>
    bus.writer.append(
      call([part(i % 4, "x".repeat(100_000))], { logUid: logUid("k"), projectUid: "big" }),
    ),
  );
  const done: string[] = [];
  void Promise.all(big).then(() => done.push("big"));
  await bus.writer.append(call([part(0, "1")], { logUid: logUid("l"), projectUid: "small" }));
  done.push("small");
  await Promise.all(big);
  await Promise.resolve();
  expect(done[0]).toBe("small");
});

/** A call of 15 MiB, or of less, to one partition; its records begin with the text. */
function largeCall(
  text: string,
  log: { logUid: string; projectUid?: string },
  parts = 32,
): LogCall {
  const records = Array.from({ length: parts }, (_, i) => `${text}.${i}.${"x".repeat(490_000)}`);
  return call(
    records.map((record) => part(0, record)),
    log,
  );
}

test("a small call of another log of the shard goes beside a large one that is under way", async () => {
  const log = { logUid: logUid("m"), projectUid: "big" };
  const [large, small] = await Promise.all([
    bus.writer.append(largeCall("large", log)),
    bus.writer.append(call([part(0, "small")], { logUid: logUid("n") })),
  ]);
  const stored = await readAll(bus.reader, { shard: 0, uid: log.logUid });
  const first = large.places[0]!.sequence;
  // The one that came second is stored first, and the large one whole, without a gap.
  expect(small.places[0]!.sequence).toBeLessThan(first);
  expect(stored.map((m) => m.sequence)).toEqual(stored.map((_, i) => first + i));
  expect(stored.flatMap(recordsOf)).toHaveLength(32);
});

test("order within a log holds between large and small calls, whichever come first", async () => {
  const log = { logUid: logUid("o") };
  const beside = { logUid: logUid("q") };
  const texts = ["a", "b", "LARGE c", "d", "e", "LARGE f", "g"];
  const other = Array.from({ length: 50 }, (_, i) =>
    bus.writer.append(call([part(0, String(i))], beside)),
  );
  const answers = await Promise.all(
    texts.map((text) =>
      bus.writer.append(
        text.startsWith("LARGE") ? largeCall(text, log, 4) : call([part(0, text)], log),
      ),
    ),
  );
  await Promise.all(other);
  const stored = await readAll(bus.reader, { shard: 0, uid: log.logUid });
  const firsts = stored.flatMap(recordsOf).map((text) => text.split(".")[0]);
  expect([...new Set(firsts)]).toEqual(texts);
  expect(firsts).toHaveLength(5 + 2 * 4);
  expect(answers.map(({ places }) => recordAt(stored, places[0]!)?.split(".")[0])).toEqual(texts);
  // The log has left the lane of large calls: a small one is not behind those of others.
  const [large, small] = await Promise.all([
    bus.writer.append(largeCall("large", { logUid: logUid("r"), projectUid: "big" })),
    bus.writer.append(call([part(0, "h")], log)),
  ]);
  expect(small.places[0]!.sequence).toBeLessThan(large.places[0]!.sequence);
});

test("storage that runs full refuses pushes with STREAM_FULL before the disk is", async () => {
  const nats: TestNats = await startTestNats({ maxFileStore: 3_000_000 });
  const tiny = await createBus({ url: nats.url, shards: 1, logger: quiet });
  const reasons = new Set<unknown>();
  for (let i = 0; i < 12; i++) {
    await tiny.writer.append(call([part(0, "x".repeat(400_000))])).catch((error) => {
      reasons.add(reasonOf(error));
    });
  }
  expect(reasons).toEqual(new Set(["STREAM_FULL"]));
  await tiny.close();
  await nats.close();
});

test("a shard with a limit in bytes refuses pushes above it with STREAM_FULL", async () => {
  const limited = await createBus({
    url,
    namespace: `${prefix}limited`,
    shards: 1,
    maxBytesPerShard: 300_000,
    logger: quiet,
  });
  const results = await Promise.allSettled(
    Array.from({ length: 6 }, () => limited.writer.append(call([part(0, "x".repeat(100_000))]))),
  );
  expect(results.some((r) => r.status === "rejected" && reasonOf(r.reason) === "STREAM_FULL")).toBe(
    true,
  );
  await limited.close();
});

test("storage above 87 % of what JetStream may use refuses pushes", async () => {
  const nats = await startTestNats();
  const bounded = await createBus({
    url: nats.url,
    shards: 1,
    maxStorageBytes: 500_000,
    logger: quiet,
  });
  await bounded.writer.append(call([part(0, "x".repeat(400_000))]));
  // Known at once, not only when the storage is looked at again.
  const next = bounded.writer.append(call([part(0, "y".repeat(50_000))]));
  expect(await next.then(() => "stored", reasonOf)).toBe("STREAM_FULL");
  await bounded.close();
  await nats.close();
});

test("a server that lacks JetStream is refused with words that say so", async () => {
  const nats = await startTestNats({
    config: "accounts { A { users: [{user: a, password: a}] } }",
  });
  const error = await errorOf(createBus({ url: nats.url.replace("//", "//a:a@"), logger: quiet }));
  expect(String(error)).toContain("JetStream is off");
  await nats.close();
});

test("the bus tells whether the server syncs before it answers", async () => {
  const nats = await startTestNats({ syncInterval: "2m" });
  const lazy = await createBus({
    url: nats.url,
    monitorUrl: nats.monitorUrl,
    shards: 1,
    logger: quiet,
  });
  expect(lazy.durability.isPowerSafe).toBe(false);
  expect(lazy.durability.maxStorageBytes).toBeGreaterThan(0);
  expect(lazy.durability.warning).toContain("not power-safe");
  expect(bus.durability.isPowerSafe).toBeUndefined();
  await lazy.close();
  await nats.close();
});
