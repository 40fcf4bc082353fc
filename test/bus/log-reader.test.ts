import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, createBus } from "../../src/bus/index.ts";
import { reasonOf } from "../../src/core/errors.ts";
import type { LogMessage } from "../../src/core/log.ts";
import { useSharedNats } from "../support/shared-servers.ts";
import { waitFor } from "../support/wait-for.ts";
import { call, errorOf, logUid, part, quiet, readAll, recordsOf } from "./support.ts";

const { url, prefix } = useSharedNats();
let bus: Bus;

beforeAll(async () => {
  bus = await createBus({ url, namespace: prefix, shards: 1, logger: quiet });
});
afterAll(() => bus.close());

const push = (letter: string, text: string, partition = 0) =>
  bus.writer.append(call([part(partition, text)], { logUid: logUid(letter) }));

test("an empty log reads as empty, and its first sequence is the next one of the shard", async () => {
  await push("z", "another log");
  const log = { shard: 0, uid: logUid("a") };
  expect(await readAll(bus.reader, log)).toEqual([]);
  const info = await bus.reader.info(log);
  expect(info).toMatchObject({ lastSequence: 0, messages: 0, bytes: 0 });
  expect(info.firstSequence).toBe(info.shardLastSequence + 1);
  expect(await bus.reader.sequenceAt(log, 0)).toBe(info.shardLastSequence + 1);
});

test("reads go by sequence over partitions and generations, within their bounds", async () => {
  const log = { shard: 0, uid: logUid("b") };
  for (let i = 0; i < 10; i++) {
    await bus.writer.append(
      call([part(i % 3, `${i}`)], { logUid: log.uid, generation: i < 5 ? 1 : 2 }),
    );
    await push("z", "between");
  }
  const all = await readAll(bus.reader, log);
  expect(all.flatMap(recordsOf)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  expect(all.map((m) => [m.logUid, m.generation, m.partition])).toEqual(
    all.map((_, i) => [log.uid, i < 5 ? 1 : 2, i % 3]),
  );
  const page = await bus.reader.read(log, {
    fromSequence: all[3]!.sequence,
    maxMessages: 2,
    maxBytes: 1e6,
  });
  expect(page).toEqual(all.slice(3, 5));
  const small = await bus.reader.read(log, { fromSequence: 1, maxMessages: 100, maxBytes: 1 });
  expect(small).toEqual(all.slice(0, 1));
  const info = await bus.reader.info(log);
  expect(info).toMatchObject({
    firstSequence: all[0]!.sequence,
    lastSequence: all[9]!.sequence,
    messages: 10,
  });
  expect(info.shardLastSequence).toBeGreaterThan(info.lastSequence);
  expect(info.bytes).toBeGreaterThan(0);
});

test("a time leads to the first sequence stored at it or later", async () => {
  const log = { shard: 0, uid: logUid("c") };
  for (let i = 0; i < 5; i++) {
    await push("c", String(i));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const all = await readAll(bus.reader, log);
  for (const message of all) {
    const first = all.find((m) => m.timeMs >= message.timeMs)!;
    expect(await bus.reader.sequenceAt(log, message.timeMs)).toBe(first.sequence);
  }
  const { shardLastSequence } = await bus.reader.info(log);
  expect(await bus.reader.sequenceAt(log, Date.now() + 60_000)).toBe(shardLastSequence + 1);
  expect(await bus.reader.sequenceAt(log, 0)).toBe(all[0]!.sequence);
});

test("a read ends at once when its signal aborts", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  const read = bus.reader.read(
    { shard: 0, uid: logUid("b") },
    { fromSequence: 1, maxMessages: 1, maxBytes: 1, signal },
  );
  expect(String(await errorOf(read))).toContain("enough");
});

test("a follower sees what is stored, and what comes, within 100 ms, and stops on abort", async () => {
  const log = { shard: 0, uid: logUid("d") };
  await push("d", "stored");
  const seen: { message: LogMessage; atMs: number }[] = [];
  const stop = new AbortController();
  const following = bus.followLog(log, {
    fromSequence: 1,
    signal: stop.signal,
    onMessage: (message) => void seen.push({ message, atMs: performance.now() }),
  });
  await waitFor(() => seen.length === 1);
  const delays: number[] = [];
  for (let i = 0; i < 20; i++) {
    await push("d", `live ${i}`);
    const pushedMs = performance.now();
    await waitFor(() => seen.length === i + 2, { everyMs: 1 });
    delays.push(seen.at(-1)!.atMs - pushedMs);
  }
  stop.abort();
  await following;
  expect(delays.sort((a, b) => a - b)[10]).toBeLessThan(100);
  expect(seen.flatMap((s) => recordsOf(s.message))).toEqual([
    "stored",
    ...Array.from({ length: 20 }, (_, i) => `live ${i}`),
  ]);
});

test("a deleted log is gone with its seals", async () => {
  const log = { shard: 0, uid: logUid("e"), generation: 1 };
  await push("e", "1");
  await bus.sealGeneration(log);
  expect(reasonOf(await errorOf(push("e", "2")))).toBe("GENERATION_SEALED");
  await bus.deleteLog(log);
  expect(await readAll(bus.reader, log)).toEqual([]);
  await push("e", "3");
});
