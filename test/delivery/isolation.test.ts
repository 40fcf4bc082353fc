import { afterEach, expect, test } from "vitest";
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { LogReader } from "../../src/core/log.ts";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { waitFor } from "../support/wait-for.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

const engines: Delivery[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});
function started(engine: Delivery): Delivery {
  engines.push(engine);
  void engine.start();
  return engine;
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const down = {
  kind: "retry",
  scope: "sink",
  reason: "HTTP_500",
  why: "down",
  burnsAttempt: true,
} as const;

test("D4: a partition that fails for long does not stop the sink's other partitions", async () => {
  const world = createWorld(new TestTarget());
  world.definitions.partitions = 2;
  const a = sink({ uid: "a", log: log("l"), versions: [version({ scheduleMs: [1_500] })] });
  world.definitions.set(a);
  let isStuck = true;
  world.target.answer = ({ partition }) => (partition === 1 && isStuck ? down : undefined);
  const engine = started(world.engine());
  for (const i of range(0, 400)) {
    world.shard.append("l", [{ key: i % 2, value: i }], { partition: i % 2 });
  }
  const even = range(0, 400).filter((i) => i % 2 === 0);
  await waitFor(() => world.target.values("a").length === 200);
  expect(world.target.values("a")).toEqual(even);
  expect((await ledger(engine, a)).counts).toMatchObject({ delivered: 200, pending: 200 });
  // Also what comes later is delivered at once, and memory does not grow with what waits.
  for (const i of range(400, 500)) {
    world.shard.append("l", [{ key: i % 2, value: i }], { partition: i % 2 });
  }
  await waitFor(() => world.target.values("a").length === 250);
  isStuck = false;
  await waitFor(() => world.target.values("a").length === 500);
  const odd = world.target.values("a").filter((v) => (v as number) % 2 === 1);
  expect(odd).toEqual(range(0, 500).filter((i) => i % 2 === 1));
  await waitFor(async () => (await ledger(engine, a)).status.state === Sink_State.RUNNING);
  expect((await ledger(engine, a)).counts).toMatchObject({ delivered: 500, pending: 0 });
  expect(
    new Set(world.target.received.filter((r) => r.outcome === "retry").map((r) => r.id)).size,
  ).toBe(1);
});

test("E21: a sink that was restarted or resumed while idle is RUNNING at once", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  const engine = started(world.engine());
  const stateOf = async () =>
    (await ledger(engine, world.definitions.sinkByUid("a")!)).status.state;
  await waitFor(async () => (await stateOf()) === Sink_State.RUNNING);
  world.definitions.change("a", { restarts: 1 });
  await waitFor(async () => (await stateOf()) === Sink_State.RUNNING);
  world.shard.append("l", [{ value: 1 }]);
  await waitFor(() => world.target.values("a").length === 1);
  world.definitions.change("a", { restarts: 2 });
  await waitFor(async () => (await stateOf()) === Sink_State.RUNNING);
  world.definitions.change("a", { isPaused: true });
  await waitFor(async () => (await stateOf()) === Sink_State.PAUSED);
  world.definitions.change("a", { isPaused: false });
  await waitFor(async () => (await stateOf()) === Sink_State.RUNNING);
});

test("D1: a message that cannot be read stops every sink of its log, and none passes over it", async () => {
  const world = createWorld(new TestTarget());
  const all = ["a", "b", "c"].map((uid) => sink({ uid, log: log("l") }));
  world.definitions.set(...all);
  const engine = started(world.engine());
  world.shard.append("l", [{ value: 1 }]);
  for (const { uid } of all) await waitFor(() => world.target.values(uid).length === 1);
  for (const each of all) {
    await waitFor(async () => (await ledger(engine, each)).counts.pending === 0);
  }
  world.shard.appendData("l", new Uint8Array([0x08, 9]));
  world.shard.append("l", [{ value: 3 }]);
  for (const each of all) {
    await waitFor(async () => (await ledger(engine, each)).status.reason === "FORMAT_NEWER");
    expect((await ledger(engine, each)).status.state).toBe(Sink_State.ERROR);
  }
  await new Promise((resolve) => setTimeout(resolve, 30));
  for (const { uid } of all) expect(world.target.values(uid)).toEqual([1]);
});

test("lag is the age of the oldest record that waits, also of a sink that reads nothing", async () => {
  const world = createWorld(new TestTarget());
  world.definitions.set(sink({ uid: "a", log: log("l"), isPaused: true }));
  const a = world.definitions.sinkByUid("a")!;
  const engine = started(world.engine());
  await waitFor(() => engine.isOwner(0));
  expect((await ledger(engine, a)).status.lag).toBeUndefined();
  world.shard.append("l", [{ value: 1 }]);
  await new Promise((resolve) => setTimeout(resolve, 60));
  world.shard.append("l", [{ value: 2 }]);
  const lag = await waitFor(async () => (await ledger(engine, a)).status.lag);
  expect(Number(lag.seconds) * 1000 + (lag.nanos ?? 0) / 1e6).toBeGreaterThanOrEqual(50);
  world.definitions.change("a", { isPaused: false });
  await waitFor(() => world.target.values("a").length === 2);
  const running = world.definitions.sinkByUid("a")!;
  await waitFor(async () => (await ledger(engine, running)).status.lag === undefined);
});

test("a sink that is resumed while it starts as paused delivers", async () => {
  const world = createWorld(new TestTarget());
  world.definitions.set(sink({ uid: "a", log: log("l"), isPaused: true }));
  world.shard.append("l", [{ value: 1 }]);
  const { promise, resolve } = Promise.withResolvers<void>();
  let isAsked = false;
  const reader: LogReader = {
    ...world.shard.reader,
    info: async (logOf) => {
      isAsked = true;
      await promise;
      return world.shard.reader.info(logOf);
    },
  };
  started(world.engine({ reader }));
  await waitFor(() => isAsked);
  world.definitions.change("a", { isPaused: false });
  resolve();
  await waitFor(() => world.target.values("a").length === 1);
});

test("what a replica that is behind does not give is not passed over", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  for (const i of range(0, 50)) world.shard.append("l", [{ value: i }]);
  let knows = 10;
  let reads = 0;
  const reader: LogReader = {
    ...world.shard.reader,
    read: async (logOf, options) => {
      const messages = await world.shard.reader.read(logOf, options);
      if (++reads > 5) knows = Number.POSITIVE_INFINITY;
      return messages.filter((message) => message.sequence <= knows);
    },
  };
  const engine = started(world.engine({ reader }));
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === 50);
  expect(world.target.values("a")).toEqual(range(0, 50));
  expect((await ledger(engine, a)).counts).toMatchObject({ pushed: 50, pending: 0, expired: 0 });
});

test("a log that was made anew stops its sinks in ERROR", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  const first = world.engine();
  void first.start();
  world.shard.append("l", [{ value: 1 }]);
  await waitFor(async () => (await ledger(first, a)).counts.delivered === 1);
  await first.close();
  world.shard.identity = "2026-02-02T00:00:00Z";
  world.shard.append("l", [{ value: 2 }]);
  const second = started(world.engine());
  await waitFor(async () => (await ledger(second, a)).status.reason === "LOG_RECREATED");
  const { status } = await ledger(second, a);
  expect(status.state).toBe(Sink_State.ERROR);
  expect(status.cause).toContain("made anew at 2026-02-02T00:00:00Z");
  world.shard.append("l", [{ value: 3 }]);
  world.definitions.change("a", { restarts: 1 });
  await waitFor(async () => (await ledger(second, a)).status.reason === "LOG_RECREATED");
  expect(world.target.values("a")).toEqual([1]);
});

test("D1: a log that has lost its end stops the sinks that had reached further, and what is pushed next is not taken for it", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 5 })] });
  world.definitions.set(a);
  let isDown = true;
  world.target.answer = () =>
    isDown
      ? { kind: "retry", scope: "sink", reason: "DOWN", why: "down", burnsAttempt: false }
      : undefined;
  const first = world.engine();
  void first.start();
  for (let value = 0; value < 20; value++) world.shard.append("l", [{ value }]);
  // Nothing is delivered, so nothing but what was planned and counted tells how far it had come.
  await waitFor(async () => (await ledger(first, a)).counts.pushed === 20);
  await first.close();
  world.shard.cutOff(7);
  isDown = false;
  const second = started(world.engine());
  await waitFor(async () => (await ledger(second, a)).status.reason === "LOG_RECREATED");
  const { status, counts } = await ledger(second, a);
  expect(status.cause).toContain("ends at sequence 7, before sequence 20");
  for (let value = 100; value < 120; value++) world.shard.append("l", [{ value }]);
  expect(counts).toMatchObject({ delivered: 0, pushed: 20, pending: 20 });
  expect(world.target.values("a")).toEqual([]);
});

test("D5: a sink with too many held records waits in HELD_FULL until some are discarded", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 1 })] });
  world.definitions.set(a);
  let isStrict = true;
  world.target.answer = (request) => ({
    kind: "rows",
    outcomes: request.rows.map(() =>
      isStrict ? { kind: "reject", reason: "BAD", why: "bad" } : { kind: "delivered" },
    ),
  });
  const engine = started(world.engine({ heldLimits: { count: 3, bytes: 1_000_000 } }));
  for (const i of range(0, 6)) world.shard.append("l", [{ value: i }]);
  await waitFor(async () => (await ledger(engine, a)).status.reason === "HELD_FULL");
  const { counts, status } = await ledger(engine, a);
  expect(status.state).toBe(Sink_State.ERROR);
  expect(counts).toMatchObject({ held: 3, pending: 3, pushed: 6 });
  isStrict = false;
  expect(await engine.held.discard(a, [])).toBe(3);
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === 3);
  expect(world.target.values("a")).toEqual([3, 4, 5]);
  await waitFor(async () => (await ledger(engine, a)).status.state === Sink_State.RUNNING);
  expect((await ledger(engine, a)).counts).toMatchObject({ discarded: 3, held: 0, pending: 0 });
});

test("what a deleted sink leaves is removed, also when nobody saw it go; what may be unknown stays", async () => {
  const world = createWorld(new TestTarget());
  world.target.answer = (request) => ({
    kind: "rows",
    outcomes: request.rows.map(() => ({ kind: "reject", reason: "BAD", why: "bad" })),
  });
  const [a, b] = ["a", "b"].map((uid) => sink({ uid, log: log("l") }));
  world.definitions.set(a!, b!);
  world.shard.append("l", [{ value: 1 }]);
  let nowMs = Date.now();
  let freshMs = nowMs;
  world.definitions.freshAtMs = () => freshMs;
  const options = { sweepEveryMs: 10, now: () => nowMs };
  const first = world.engine(options);
  void first.start();
  for (const each of [a!, b!]) {
    await waitFor(async () => (await ledger(first, each)).counts.held === 1);
  }
  const keys = async () => [
    ...(await world.cursors.keys("cursor")),
    ...(await world.held.keys("")),
  ];
  expect((await keys()).length).toBe(4);
  world.definitions.delete("a");
  nowMs += 60_000;
  await new Promise((resolve) => setTimeout(resolve, 50));
  // The snapshot is no newer than the doubt.
  expect((await keys()).length).toBe(4);
  freshMs = nowMs;
  await waitFor(async () => (await keys()).length === 2);
  await first.close();
  world.definitions.delete("b");
  started(world.engine(options));
  await waitFor(() => engines[0]!.isOwner(0));
  nowMs += 60_000;
  freshMs = nowMs;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await keys()).length).toBe(2);
  nowMs += 900_000;
  freshMs = nowMs;
  await waitFor(async () => (await keys()).length === 0);
});

test("D4: a clock that is put back an hour stops no delivery, neither at the edge nor in a wait", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ scheduleMs: [200] })] });
  world.definitions.set(a);
  let nowMs = Date.now();
  started(world.engine({ now: () => nowMs }));
  world.shard.append("l", [{ value: 1 }]);
  await waitFor(() => world.target.values("a").length === 1);
  nowMs -= 3_600_000;
  world.shard.append("l", [{ value: 2 }]);
  await waitFor(() => world.target.values("a").length === 2);
  let refused = 0;
  world.target.answer = () => (refused++ === 0 ? down : undefined);
  world.shard.append("l", [{ value: 3 }]);
  await waitFor(() => refused === 1);
  nowMs -= 3_600_000;
  await waitFor(() => world.target.values("a").length === 3);
});

test("an engine closes in time although its store does not answer", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  const engine = world.engine();
  void engine.start();
  world.shard.append("l", [{ value: 1 }]);
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === 1);
  world.cursors.fault = new Error("away");
  world.shard.append("l", [{ value: 2 }]);
  const startMs = performance.now();
  await engine.close();
  expect(performance.now() - startMs).toBeLessThan(8_000);
}, 15_000);
