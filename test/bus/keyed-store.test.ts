import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, createBus, type KeyedStore, StaleKeysError } from "../../src/bus/index.ts";
import { reasonOf } from "../../src/core/errors.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { waitFor } from "../support/wait-for.ts";
import { errorOf, quiet } from "./support.ts";

let nats: TestNats;
let bus: Bus;
let store: KeyedStore;

beforeAll(async () => {
  nats = await startTestNats();
  bus = await createBus({ url: nats.url, shards: 1, logger: quiet });
  store = await bus.openKeyedStore("cursors");
});
afterAll(async () => {
  await bus.close();
  await nats.close();
});

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (entries: { key: string; value: Uint8Array }[]) =>
  entries.map((e) => `${e.key}=${new TextDecoder().decode(e.value)}`).sort();

test("values are written in one batch, read, listed by prefix and deleted", async () => {
  const sequences = await store.writeMany([
    { key: "a.1", value: bytes("x"), expectedSequence: 0 },
    { key: "a.2", value: bytes("y"), expectedSequence: 0 },
    { key: "b.1", value: bytes("z") },
  ]);
  expect((await store.get("a.2"))?.sequence).toBe(sequences[1]);
  expect(texts(await store.list("a"))).toEqual(["a.1=x", "a.2=y"]);
  expect(texts(await store.list(""))).toEqual(["a.1=x", "a.2=y", "b.1=z"]);
  await store.writeMany([{ key: "a.1", value: bytes("x2"), expectedSequence: sequences[0]! }]);
  expect(texts(await store.list("a"))).toEqual(["a.1=x2", "a.2=y"]);
  await store.delete("a.2", sequences[1]);
  expect(await store.get("a.2")).toBeUndefined();
  expect(texts(await store.list("a"))).toEqual(["a.1=x2"]);
  await store.writeMany([{ key: "a.2", value: bytes("again"), expectedSequence: 0 }]);
  expect(await store.get("none")).toBeUndefined();
  expect(await store.list("none")).toEqual([]);
});

test("an old owner is fenced: one stale key refuses the batch, and is named", async () => {
  const [one, two] = await store.writeMany([
    { key: "c.1", value: bytes("1") },
    { key: "c.2", value: bytes("1") },
  ]);
  const [taken] = await store.writeMany([
    { key: "c.2", value: bytes("2"), expectedSequence: two! },
  ]);
  const error = await errorOf(
    store.writeMany([
      { key: "c.1", value: bytes("late"), expectedSequence: one! },
      { key: "c.2", value: bytes("late"), expectedSequence: two! },
    ]),
  );
  expect(error).toBeInstanceOf(StaleKeysError);
  expect([...(error as StaleKeysError).stale]).toEqual([["c.2", taken]]);
  expect(texts(await store.list("c"))).toEqual(["c.1=1", "c.2=2"]);
  expect(await errorOf(store.delete("c.2", two))).toBeInstanceOf(StaleKeysError);
});

test("keys are listed without values, and removed many at a time or by prefix", async () => {
  const names = Array.from({ length: 40 }, (_, i) => `many.s${i % 2}.${i}`);
  await store.writeMany(names.map((key) => ({ key, value: bytes("v") })));
  expect((await store.keys("many")).sort()).toEqual([...names].sort());
  await store.deleteMany(names.slice(0, 10));
  expect((await store.keys("many.s0")).length).toBe(15);
  await store.deleteAll("many.s0");
  expect((await store.keys("many")).length).toBe(15);
  expect(await store.get("many.s0.20")).toBeUndefined();
  await store.writeMany([{ key: "many.s0.20", value: bytes("w"), expectedSequence: 0 }]);
  await store.deleteAll("many");
  expect(await store.keys("many")).toEqual([]);
  await expect(store.deleteAll("")).rejects.toThrow("prefix");
});

test("a thousand keys go in one batch", async () => {
  const writes = Array.from({ length: 1000 }, (_, i) => ({ key: `d.${i}`, value: bytes(`${i}`) }));
  const sequences = await store.writeMany(writes);
  expect(sequences).toEqual(sequences.map((_, i) => sequences[0]! + i));
  expect(await store.list("d")).toHaveLength(1000);
});

test("while nats-server is away a write fails in time, and what was acknowledged stays", async () => {
  let [sequence] = await store.writeMany([{ key: "e", value: bytes("0") }]);
  await nats.kill("SIGKILL");
  const startMs = performance.now();
  const error = await errorOf(
    store.writeMany([{ key: "e", value: bytes("1"), expectedSequence: sequence! }]),
  );
  expect(reasonOf(error)).toBe("LOG_UNAVAILABLE");
  expect(performance.now() - startMs).toBeLessThan(5_000);
  await nats.restart();
  await waitFor(() => bus.isConnected());
  sequence = (await store.get("e"))!.sequence;
  await store.writeMany([{ key: "e", value: bytes("2"), expectedSequence: sequence }]);
  expect(texts([(await store.get("e"))!])).toEqual(["e=2"]);
});

test("a store that may grow to more than a small disk holds is opened all the same, whether its size is known or not", async () => {
  const small = await startTestNats({ maxFileStore: 64 * 1024 * 1024 });
  const { url, monitorUrl } = small;
  for (const more of [{ monitorUrl }, {}]) {
    const other = await createBus({ url, ...more, shards: 1, logger: quiet });
    try {
      const name = more.monitorUrl ? "known" : "unknown";
      const large = await other.openKeyedStore(name, { maxBytes: 1024 * 1024 * 1024 });
      await large.writeMany([{ key: "a", value: bytes("x") }]);
      expect(texts(await large.list(""))).toEqual(["a=x"]);
    } finally {
      await other.close();
    }
  }
  await small.close();
});
