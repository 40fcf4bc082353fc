import { afterAll, expect, test } from "vitest";
import { Sink_RecordFailure } from "#gen/tributary/management/v1/sink_pb.js";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { waitFor } from "../support/wait-for.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

const KEYS = 12;
const logL = log("l");
const engines: Delivery[] = [];
afterAll(() => Promise.all(engines.map((engine) => engine.close())));

interface Value {
  readonly key: number;
  readonly kind: "bad" | "later" | "other";
}

/** A target that keeps the cursor, with keys that wait there in pages: 12 with a bad and a later record each. */
async function createCase() {
  const target = new TestTarget({ keepsCursor: true });
  const world = createWorld(target);
  const versions = [version({ count: 5, onRecordFailure: Sink_RecordFailure.BLOCK_KEY })];
  const a = sink({ uid: "a", log: logL, versions });
  world.definitions.set(a);
  const state = { isStrict: true, pushed: 0 };
  target.answer = ({ rows }) => ({
    kind: "rows",
    outcomes: rows.map(({ json }) =>
      state.isStrict && Buffer.from(json).includes(`"bad"`)
        ? { kind: "reject", reason: "BAD", why: "bad" }
        : { kind: "delivered" },
    ),
  });
  const push = (keyFrom: number, count: number, kind: Value["kind"]) => {
    for (let key = keyFrom; key < keyFrom + count; key++) {
      world.shard.append("l", [{ key, value: { key, kind } }]);
    }
    state.pushed += count;
  };
  const start = () => {
    const engine = world.engine({ freshKeysMax: 2 });
    engines.push(engine);
    void engine.start();
    return engine;
  };
  const settled = (engine: Delivery, counts: { held: number; pending: number }) =>
    waitFor(async () => {
      const now = (await ledger(engine, a)).counts;
      return (
        now.pushed === state.pushed && now.held === counts.held && now.pending === counts.pending
      );
    });
  const kinds = (kind: Value["kind"]) =>
    (target.values("a") as Value[]).filter((value) => value.kind === kind);
  const pages = async () =>
    (await world.cursors.keys("kept.a")).filter((key) => !key.endsWith("retired"));
  const engine = start();
  push(0, KEYS, "bad");
  await settled(engine, { held: KEYS, pending: 0 });
  push(0, KEYS, "later");
  await settled(engine, { held: KEYS, pending: KEYS });
  // The cursor that the target keeps names the pages.
  push(1_000, 5, "other");
  await waitFor(() => kinds("other").length === 5);
  return { world, target, a, push, start, settled, kinds, pages, state, engine };
}

test("B21, N05: a target restored from its backup finds the keys that waited then, in pages that no cursor of now names", async () => {
  const { target, a, push, start, settled, kinds, pages, state, engine } = await createCase();
  expect((await pages()).length).toBeGreaterThan(0);
  const backup = target.backup();
  const before = await pages();
  // Other keys wait as well, and some of those of then are given up: pages are written anew.
  push(100, KEYS, "bad");
  await settled(engine, { held: 2 * KEYS, pending: KEYS });
  const waiting = await engine.parkedKeys(a);
  const [gone] = waiting.filter(({ keyHash }) => keyHash === 3);
  await engine.held.discard(a, gone!.held);
  await waitFor(() => kinds("later").length === 1);
  push(2_000, 5, "other");
  await waitFor(() => kinds("other").length === 10);
  expect(await pages()).toEqual(expect.arrayContaining(before));
  await engine.close();

  target.restore(backup);
  expect(kinds("other")).toHaveLength(5);
  const second = start();
  push(3_000, 1, "other");
  await waitFor(() => kinds("other").length === 11);
  // What was given up stays so, and its key goes on; all others wait as they did.
  await waitFor(() => kinds("later").length === 1);
  expect(kinds("later")).toEqual([{ key: 3, kind: "later" }]);
  await waitFor(async () => (await second.parkedKeys(a)).length === 2 * KEYS - 1);
  state.isStrict = false;
  await second.held.replay(a, []);
  await settled(second, { held: 0, pending: 0 });
  const values = target.values("a") as Value[];
  expect(new Set(values.map((value) => JSON.stringify(value))).size).toBe(values.length);
  expect([kinds("bad").length, kinds("later").length]).toEqual([2 * KEYS - 1, KEYS]);
  for (const { key } of kinds("bad").filter((value) => value.key < KEYS)) {
    const order = values.filter((value) => value.key === key).map(({ kind }) => kind);
    expect(order).toEqual(["bad", "later"]);
  }
});

test("N05: pages that no cursor names go once retention has passed the sink", async () => {
  const { world, a, push, settled, kinds, pages, state, engine } = await createCase();
  state.isStrict = false;
  await engine.held.replay(a, []);
  await settled(engine, { held: 0, pending: 0 });
  expect(kinds("later")).toHaveLength(KEYS);
  const retired = await pages();
  expect(retired.length).toBeGreaterThan(0);
  push(2_000, 5, "other");
  await settled(engine, { held: 0, pending: 0 });
  const sequence = world.shard.messages.at(-1)!.sequence + 1;
  await engine.beforeTrim(logL, sequence);
  world.shard.trim("l", sequence - 1);
  push(3_000, 1, "other");
  await waitFor(async () => (await pages()).length === 0);
});
