import { afterEach, expect, test } from "vitest";
import { Sink_RecordFailure, Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import { fail } from "../../src/core/errors.ts";
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

test("delivers what was stored before and what comes afterwards, in order, in batches", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  for (const i of range(0, 25)) world.shard.append("l", [{ key: i % 3, value: i }]);
  world.definitions.set(a);
  const engine = started(world.engine());
  await waitFor(() => world.target.values("a").length === 25);
  for (const i of range(25, 40)) world.shard.append("l", [{ key: i % 3, value: i }]);
  await waitFor(() => world.target.values("a").length === 40);
  expect(world.target.values("a")).toEqual(range(0, 40));
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === 40);
  const { counts, status } = await ledger(engine, a);
  expect(counts).toMatchObject({ pushed: 40, delivered: 40, pending: 0, expired: 0 });
  expect(status.state).toBe(Sink_State.RUNNING);
});

test("E04: a failing destination turns to ERROR with cause and next attempt, and back by itself", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ scheduleMs: [30] })] });
  world.definitions.set(a);
  let isDown = true;
  world.target.answer = () =>
    isDown
      ? {
          kind: "retry",
          scope: "sink",
          reason: "HTTP_500",
          why: "answered 500",
          burnsAttempt: true,
        }
      : undefined;
  const engine = started(world.engine());
  world.shard.append("l", [{ value: 1 }, { value: 2 }]);
  const status = await waitFor(async () => {
    const { status } = await ledger(engine, a);
    return status.state === Sink_State.ERROR && status;
  });
  expect(status).toMatchObject({ reason: "HTTP_500", cause: "answered 500" });
  expect(status.nextAttemptTime).toBeDefined();
  isDown = false;
  await waitFor(async () => (await ledger(engine, a)).status.state === Sink_State.RUNNING);
  const ids = new Set(world.target.received.map((r) => r.id));
  expect(ids.size).toBe(1);
  expect(world.target.values("a")).toEqual([1, 2]);
});

test("N03: our own log away for a moment is no failed attempt: it is tried until it is back, whatever the sink's schedule", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ scheduleMs: [3_600_000] })] });
  world.definitions.set(a);
  let away = 3;
  world.target.before = async () => {
    if (away-- > 0) throw fail("LOG_UNAVAILABLE", "the log cannot be read now");
  };
  world.shard.append("l", [{ value: 1 }, { value: 2 }]);
  const engine = started(world.engine());
  await waitFor(() => world.target.values("a").length === 2);
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === 2);
  const { status } = await ledger(engine, a);
  expect(status).toMatchObject({ state: Sink_State.RUNNING });
});

test("halves a refused request until one record remains, holds it and goes on", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  world.target.answer = (request) =>
    request.rows.some((row) => new TextDecoder().decode(row.json) === "5")
      ? { kind: "retry", scope: "request", reason: "HTTP_400", why: "no fives", burnsAttempt: true }
      : undefined;
  world.shard.append(
    "l",
    range(0, 10).map((value) => ({ key: 1, value })),
  );
  const engine = started(world.engine());
  await waitFor(
    async () =>
      (await ledger(engine, a)).counts.pending === 0 && world.target.values("a").length === 9,
  );
  expect(world.target.values("a")).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9]);
  expect((await ledger(engine, a)).counts).toMatchObject({ delivered: 9, held: 1, pushed: 10 });
  const page = await engine.held.list(a, { size: 10 });
  expect(page.entries.map((e) => [e.copy.reason, new TextDecoder().decode(e.copy.json)])).toEqual([
    ["HTTP_400", "5"],
  ]);
  world.target.answer = () => undefined;
  expect(await engine.held.replay(a, [])).toBe(1);
  expect((await engine.held.list(a, { size: 10 })).entries).toEqual([]);
  expect((await ledger(engine, a)).counts).toMatchObject({ delivered: 10, held: 0, pending: 0 });
});

for (const action of ["replay", "discard"] as const) {
  test(`BLOCK_KEY: a held record's key waits and resumes in order after ${action}`, async () => {
    const world = createWorld(new TestTarget());
    const versions = [version({ onRecordFailure: Sink_RecordFailure.BLOCK_KEY })];
    const a = sink({ uid: "a", log: log("l"), versions });
    world.definitions.set(a);
    let isStrict = true;
    world.target.answer = (request) => ({
      kind: "rows",
      outcomes: request.rows.map((row) =>
        isStrict && new TextDecoder().decode(row.json) === '"k1-2"'
          ? { kind: "reject", reason: "BAD", why: "bad" }
          : { kind: "delivered" },
      ),
    });
    const engine = started(world.engine());
    for (const i of range(0, 6)) {
      world.shard.append("l", [
        { key: 1, value: `k1-${i}` },
        { key: 2, value: `k2-${i}` },
      ]);
    }
    await waitFor(
      () => world.target.values("a").filter((v) => String(v).startsWith("k2")).length === 6,
    );
    await waitFor(async () => (await ledger(engine, a)).counts.held === 1);
    expect(world.target.values("a").filter((v) => String(v).startsWith("k1"))).toEqual([
      "k1-0",
      "k1-1",
    ]);
    expect((await ledger(engine, a)).counts).toMatchObject({ delivered: 8, held: 1, pending: 3 });
    isStrict = false;
    expect(await engine.held[action](a, [])).toBe(1);
    world.shard.append("l", [{ key: 1, value: "k1-6" }]);
    await waitFor(() => world.target.values("a").includes("k1-6"));
    const k1 = world.target.values("a").filter((v) => String(v).startsWith("k1"));
    const held = action === "replay" ? ["k1-2"] : [];
    expect(k1).toEqual(["k1-0", "k1-1", ...held, "k1-3", "k1-4", "k1-5", "k1-6"]);
    await waitFor(async () => (await ledger(engine, a)).counts.pending === 0);
    expect((await ledger(engine, a)).counts).toMatchObject({
      delivered: action === "replay" ? 13 : 12,
      discarded: action === "replay" ? 0 : 1,
      held: 0,
      pushed: 13,
    });
  });
}

test("versions apply at their sequence, and a request never mixes them", async () => {
  const world = createWorld(new TestTarget());
  for (const i of range(0, 10)) world.shard.append("l", [{ value: i }]);
  const versions = [
    version({ version: 1, url: "old" }),
    version({ version: 2, url: "new", fromSequence: 5 }),
  ];
  world.definitions.set(sink({ uid: "a", log: log("l"), versions }));
  started(world.engine());
  await waitFor(() => world.target.values("a").length === 10);
  expect(world.target.received.map((r) => [r.version, r.values])).toEqual([
    ["old", [0, 1, 2, 3]],
    ["new", [4, 5, 6, 7, 8, 9]],
  ]);
});

test("D4: a hanging sink delays no other of the same log", async () => {
  const world = createWorld(new TestTarget());
  world.target.before = (uid) =>
    uid === "slow" ? new Promise(() => undefined) : Promise.resolve();
  world.definitions.set(sink({ uid: "slow", log: log("l") }), sink({ uid: "fast", log: log("l") }));
  const engine = world.engine();
  void engine.start();
  for (const i of range(0, 200)) world.shard.append("l", [{ value: i }]);
  await waitFor(() => world.target.values("fast").length === 200);
  expect(world.target.values("slow")).toEqual([]);
  void engine.close();
});

test("B10, E20, E21: pause stops, resume and restart go on, and nothing is lost or doubled", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ scheduleMs: [3_600_000] })] });
  world.definitions.set(a);
  const engine = started(world.engine());
  world.shard.append("l", [{ value: 0 }]);
  await waitFor(() => world.target.values("a").length === 1);
  world.definitions.change("a", { isPaused: true });
  for (const i of range(1, 20)) world.shard.append("l", [{ value: i }]);
  const paused = world.definitions.sinkByUid("a")!;
  await waitFor(async () => (await ledger(engine, paused)).counts.pushed === 20);
  expect((await ledger(engine, paused)).counts).toMatchObject({ delivered: 1, pending: 19 });
  expect((await ledger(engine, paused)).status.state).toBe(Sink_State.PAUSED);
  world.target.answer = () => ({
    kind: "retry",
    scope: "sink",
    reason: "HTTP_403",
    why: "no",
    burnsAttempt: true,
  });
  world.definitions.change("a", { isPaused: false });
  await waitFor(async () => (await ledger(engine, a)).status.state === Sink_State.ERROR);
  world.target.answer = () => undefined;
  world.definitions.change("a", { restarts: 1 });
  await waitFor(() => world.target.values("a").length === 20);
  expect(world.target.values("a")).toEqual(range(0, 20));
  await waitFor(async () => (await ledger(engine, a)).status.state === Sink_State.RUNNING);
});

test("a node that stops and another that starts deliver everything once", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  const first = world.engine();
  void first.start();
  for (const i of range(0, 50)) world.shard.append("l", [{ key: i % 5, value: i }]);
  await waitFor(() => world.target.values("a").length >= 10);
  await first.close();
  for (const i of range(50, 80)) world.shard.append("l", [{ key: i % 5, value: i }]);
  const second = started(world.engine());
  await waitFor(async () => (await ledger(second, a)).counts.delivered === 80);
  expect(world.target.values("a")).toEqual(range(0, 80));
});

test("1,000 idle sinks open nothing, and write nothing but their first cursor", async () => {
  const world = createWorld(new TestTarget());
  world.shard.append("other", [{ value: 1 }]);
  world.definitions.set(
    ...range(0, 1000).map((i) => sink({ uid: `s${i}`, log: log(`l${i}`), startSequence: 2 })),
  );
  const engine = started(world.engine());
  const all = [...world.definitions.sinks()];
  await waitFor(async () =>
    [...(await engine.statuses(all)).values()].every((s) => s.state === Sink_State.RUNNING),
  );
  expect(world.target.opened).toBe(0);
  expect(world.cursors.writes).toBe(1000);
  await engine.close();
  const heir = started(world.engine());
  await waitFor(async () =>
    [...(await heir.statuses(all)).values()].every((s) => s.state === Sink_State.RUNNING),
  );
  expect(world.target.opened).toBe(0);
  expect(world.cursors.writes).toBe(1000);
  world.shard.append("l500", [{ value: "now" }]);
  await waitFor(() => world.target.values("s500").length === 1);
  expect(world.target.opened).toBe(1);
});

test("staged rows are settled by a flush", async () => {
  const world = createWorld(new TestTarget({ isStaging: true }));
  const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 100, timeMs: 50 })] });
  world.definitions.set(a);
  const engine = started(world.engine());
  for (const i of range(0, 250)) world.shard.append("l", [{ value: i }]);
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === 250);
  expect(world.target.values("a")).toEqual(range(0, 250));
});

test("requests with disjoint keys run side by side, those that share a key do not", async () => {
  const world = createWorld(new TestTarget({ concurrency: 4, count: 1 }));
  world.definitions.set(sink({ uid: "a", log: log("l") }));
  world.target.before = () => new Promise((resolve) => setTimeout(resolve, 5));
  for (const i of range(0, 40)) world.shard.append("l", [{ key: i % 4, value: i }]);
  started(world.engine());
  await waitFor(() => world.target.values("a").length === 40);
  expect(world.target.inFlightMax).toBe(4);
  for (const key of range(0, 4)) {
    const values = world.target.values("a").filter((v) => (v as number) % 4 === key);
    expect(values).toEqual([...values].sort((x, y) => (x as number) - (y as number)));
  }
});

test("a generation begins when the one before is settled", async () => {
  const world = createWorld(new TestTarget());
  world.definitions.set(sink({ uid: "a", log: log("l") }));
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  world.target.before = () => gate;
  const engine = started(world.engine());
  world.shard.append("l", [{ key: 1, value: "g1" }], { partition: 0, generation: 1 });
  world.shard.append("l", [{ key: 1, value: "g2" }], { partition: 3, generation: 2 });
  await waitFor(() => world.target.inFlight === 1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(world.target.inFlight).toBe(1);
  release();
  await waitFor(() => world.target.values("a").length === 2);
  expect(world.target.values("a")).toEqual(["g1", "g2"]);
  expect((await ledger(engine, world.definitions.sinkByUid("a")!)).counts.expired).toBe(0);
});

test("held records are commanded from a node that does not own the shard, and paged", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  world.target.answer = (request) => ({
    kind: "rows",
    outcomes: request.rows.map(() => ({ kind: "reject", reason: "BAD", why: "bad" })),
  });
  const owner = started(world.engine());
  await waitFor(() => owner.isOwner(0));
  const other = started(world.engine());
  for (const i of range(0, 5)) world.shard.append("l", [{ value: i }]);
  await waitFor(async () => (await ledger(other, a)).counts.held === 5);
  const first = await other.held.list(a, { size: 3 });
  const second = await other.held.list(a, { size: 3, before: first.next });
  expect([...first.entries, ...second.entries].map((e) => e.place.sequence)).toEqual([
    5, 4, 3, 2, 1,
  ]);
  expect(second.next).toBeUndefined();
  world.target.answer = () => undefined;
  expect(await other.held.replay(a, [{ sequence: 2, index: 0 }])).toBe(1);
  expect(await other.held.discard(a, [])).toBe(4);
  await waitFor(async () => (await ledger(other, a)).counts.discarded === 4);
  expect((await ledger(other, a)).counts).toMatchObject({ delivered: 1, held: 0, pending: 0 });
});

test("B01: a wish of the destination is honoured and burns no attempt", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ scheduleMs: [1] })] });
  world.definitions.set(a);
  const times: number[] = [];
  world.target.answer = () => {
    times.push(performance.now());
    if (times.length > 1) return undefined;
    return {
      kind: "retry",
      scope: "sink",
      reason: "HTTP_429",
      why: "slow",
      burnsAttempt: false,
      afterMs: 150,
    };
  };
  const engine = started(world.engine());
  world.shard.append("l", [{ value: 1 }]);
  await waitFor(() => times.length === 1);
  await waitFor(async () => (await ledger(engine, a)).status.reason === "HTTP_429");
  expect((await ledger(engine, a)).status.state).toBe(Sink_State.RUNNING);
  await waitFor(() => world.target.values("a").length === 1);
  expect(times[1]! - times[0]!).toBeGreaterThan(145);
});

test("a new version takes over what waits behind a version that cannot deliver", async () => {
  const world = createWorld(new TestTarget());
  const broken = version({ version: 1, url: "broken", scheduleMs: [3_600_000] });
  const a = sink({ uid: "a", log: log("l"), versions: [broken] });
  world.definitions.set(a);
  world.target.answer = () =>
    world.target.opened === 1
      ? { kind: "retry", scope: "sink", reason: "HTTP_500", why: "no", burnsAttempt: true }
      : undefined;
  const engine = started(world.engine());
  world.shard.append("l", [{ value: 1 }]);
  await waitFor(async () => (await ledger(engine, a)).status.nextAttemptTime !== undefined);
  const mended = version({ version: 2, url: "mended", fromSequence: 1 });
  world.definitions.change("a", { versions: [broken, mended] });
  await waitFor(() => world.target.values("a").length === 1);
  expect(world.target.received.at(-1)?.version).toBe("mended");
});
