import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, createBus } from "../../src/bus/index.ts";
import { reasonOf } from "../../src/core/errors.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { waitFor } from "../support/wait-for.ts";
import { call, errorOf, logUid, part, quiet, readAll, recordAt, recordsOf } from "./support.ts";

let nats: TestNats;
let bus: Bus;
let other: Bus;

beforeAll(async () => {
  nats = await startTestNats();
  [bus, other] = await Promise.all([
    createBus({ url: nats.url, shards: 1, logger: quiet }),
    createBus({ url: nats.url, shards: 1, logger: quiet }),
  ]);
});
afterAll(async () => {
  await Promise.all([bus.close(), other.close()]);
  await nats.close();
});

const keyed = (id: string, letter: string, text: string, bodyHash = `hash-of-${text}`) =>
  call([part(0, text)], { logUid: logUid(letter), idempotency: { id, bodyHash } });

const stored = async (letter: string) =>
  (await readAll(bus.reader, { shard: 0, uid: logUid(letter) })).flatMap(recordsOf);

test("a repeat is answered like the first call and stores nothing, from any node", async () => {
  const first = await bus.writer.append(keyed("a1", "a", "once"));
  expect(first.isDuplicate).toBe(false);
  for (const { writer } of [bus, other, bus]) {
    expect(await writer.append(keyed("a1", "a", "once"))).toEqual({ ...first, isDuplicate: true });
  }
  expect(await stored("a")).toEqual(["once"]);
});

test("the same key with another body is IDEMPOTENCY_KEY_REUSED and stores nothing", async () => {
  await bus.writer.append(keyed("b1", "b", "first"));
  const error = await errorOf(other.writer.append(keyed("b1", "b", "second")));
  expect(reasonOf(error)).toBe("IDEMPOTENCY_KEY_REUSED");
  expect(await stored("b")).toEqual(["first"]);
});

test("B13: how long a key is known is a setting, which may change with the next start", async () => {
  const open = (duplicateWindowMs: number) =>
    createBus({ url: nats.url, namespace: "window", shards: 1, logger: quiet, duplicateWindowMs });
  const long = await open(3_600_000);
  expect((await long.writer.append(keyed("w1", "w", "kept"))).isDuplicate).toBe(false);
  expect((await long.writer.append(keyed("w1", "w", "kept"))).isDuplicate).toBe(true);
  await long.close();
  const short = await open(500);
  await waitFor(async () => !(await short.writer.append(keyed("w1", "w", "kept"))).isDuplicate);
  await short.close();
});

test("another id stores the same body again", async () => {
  await bus.writer.append(keyed("c1", "c", "body"));
  await bus.writer.append(keyed("c2", "c", "body"));
  expect(await stored("c")).toEqual(["body", "body"]);
});

test("calls that share a publish with a duplicate are stored once each, in order", async () => {
  const first = await bus.writer.append(keyed("d1", "d", "known"));
  const blocker = bus.writer.append(call([part(3, "blocker")]));
  const answers = await Promise.all([
    ...Array.from({ length: 20 }, (_, i) =>
      bus.writer.append(call([part(0, `before ${i}`)], { logUid: logUid("d") })),
    ),
    bus.writer.append(keyed("d1", "d", "known")),
    bus.writer.append(keyed("d2", "d", "new")),
    ...Array.from({ length: 20 }, (_, i) =>
      bus.writer.append(call([part(0, `after ${i}`)], { logUid: logUid("d") })),
    ),
  ]);
  await blocker;
  expect(answers[20]).toEqual({ ...first, isDuplicate: true });
  expect(await stored("d")).toEqual([
    "known",
    ...Array.from({ length: 20 }, (_, i) => `before ${i}`),
    "new",
    ...Array.from({ length: 20 }, (_, i) => `after ${i}`),
  ]);
});

test("a call over several partitions and messages is one unit: its repeat gets the same places", async () => {
  const wide = call(
    [
      part(0, "a", "b"),
      part(1, "x".repeat(400_000)),
      part(0, "c"),
      part(1, "y".repeat(400_000)),
      part(2, "z"),
    ],
    { logUid: logUid("e"), idempotency: { id: "e1", bodyHash: "h" } },
  );
  const first = await bus.writer.append(wide);
  const repeat = await other.writer.append(wide);
  expect(repeat).toEqual({ ...first, isDuplicate: true });
  const messages = await readAll(bus.reader, { shard: 0, uid: logUid("e") });
  expect(first.places.map((p) => recordAt(messages, p)?.[0])).toEqual(["a", "x", "c", "y", "z"]);
  expect(messages.flatMap(recordsOf)).toHaveLength(6);
  const error = await errorOf(
    other.writer.append({ ...wide, idempotency: { id: "e1", bodyHash: "other" } }),
  );
  expect(reasonOf(error)).toBe("IDEMPOTENCY_KEY_REUSED");
});

test("of concurrent calls with one key, on two nodes, one is stored and the others repeat it", async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      (i % 2 ? bus : other).writer.append(keyed("f1", "f", "racing")),
    ),
  );
  expect(answers.filter((a) => !a.isDuplicate)).toHaveLength(1);
  expect(new Set(answers.map((a) => JSON.stringify(a.places))).size).toBe(1);
  expect(await stored("f")).toEqual(["racing"]);
});

test("of concurrent calls with one key and two bodies, one body is stored", async () => {
  const results = await Promise.allSettled([
    bus.writer.append(keyed("g1", "g", "one")),
    bus.writer.append(keyed("g1", "g", "two")),
  ]);
  expect(results.map((r) => (r.status === "rejected" ? reasonOf(r.reason) : "stored"))).toEqual([
    "stored",
    "IDEMPOTENCY_KEY_REUSED",
  ]);
  expect(await stored("g")).toEqual(["one"]);
});

test("ids are still known after nats-server was killed and came back", async () => {
  const first = await bus.writer.append(keyed("h1", "h", "kept"));
  await nats.kill("SIGKILL");
  await nats.restart();
  await waitFor(() => other.isConnected());
  expect(await other.writer.append(keyed("h1", "h", "kept"))).toEqual({
    ...first,
    isDuplicate: true,
  });
  expect(await stored("h")).toEqual(["kept"]);
});
