import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { Sink_RecordFailure, Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { LogMessage, LogReader } from "../../src/core/log.ts";
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
const logL = { shard: 0, uid: "l" };
const down = {
  kind: "retry",
  scope: "sink",
  reason: "HTTP_500",
  why: "down",
  burnsAttempt: true,
} as const;

test("D3: what retention takes from a paused sink is counted as expired before it goes, exactly", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set({ ...a, isPaused: true });
  const engine = started(world.engine());
  for (const i of range(0, 10)) world.shard.append("l", [{ value: i }, { value: -i }]);
  await waitFor(async () => (await ledger(engine, a)).counts.pushed === 20);
  await engine.beforeTrim(logL, 5);
  expect((await ledger(engine, a)).counts).toMatchObject({ expired: 8, pending: 12, pushed: 20 });
  world.shard.trim("l", 4);
  // The booking is in the store: another owner knows it.
  await engine.close();
  const heir = started(world.engine());
  world.definitions.change("a", { isPaused: false });
  await waitFor(async () => (await ledger(heir, a)).counts.delivered === 12);
  expect((await ledger(heir, a)).counts).toMatchObject({ expired: 8, pending: 0, pushed: 20 });
  expect((await ledger(heir, a)).status.state).toBe(Sink_State.RUNNING);
});

test("D3: a sink in ERROR loses what is trimmed, with its open request, and goes on after it", async () => {
  const world = createWorld(new TestTarget());
  const versions = [version({ count: 4, scheduleMs: [20] })];
  const a = sink({ uid: "a", log: log("l"), versions });
  world.definitions.set(a);
  let isDown = true;
  world.target.answer = () => (isDown ? down : undefined);
  const engine = started(world.engine());
  for (const i of range(0, 20)) world.shard.append("l", [{ key: 1, value: i }]);
  await waitFor(async () => (await ledger(engine, a)).status.state === Sink_State.ERROR);
  await engine.beforeTrim(logL, 7);
  world.shard.trim("l", 6);
  expect((await ledger(engine, a)).counts).toMatchObject({ expired: 6, pending: 14, pushed: 20 });
  isDown = false;
  await waitFor(async () => (await ledger(engine, a)).counts.delivered === 14);
  expect(world.target.values("a")).toEqual(range(6, 20));
  expect((await ledger(engine, a)).counts).toMatchObject({ expired: 6, pending: 0 });
});

/** An archive in memory, which has everything from `first` on that was archived, and the reader across. */
function archived(world: ReturnType<typeof createWorld>) {
  const files: LogMessage[] = [];
  const state = { isTaking: true };
  const { reader } = world.shard;
  const firstKept = () => files[0]?.sequence;
  const across: LogReader = {
    ...reader,
    async read(log, options) {
      const { firstSequence } = await reader.info(log);
      const old = files.filter(
        ({ sequence }) => sequence >= options.fromSequence && sequence < firstSequence,
      );
      return old.length > 0 ? old.slice(0, options.maxMessages) : await reader.read(log, options);
    },
    async info(log) {
      const info = await reader.info(log);
      return { ...info, firstSequence: Math.min(info.firstSequence, firstKept() ?? Infinity) };
    },
  };
  return {
    state,
    take() {
      for (const message of world.shard.messages) {
        if (message.sequence > (files.at(-1)?.sequence ?? 0)) files.push(message);
      }
    },
    remove: (below: number) => files.splice(0, files.filter((m) => m.sequence < below).length),
    options: {
      reader: across,
      kept: { isKept: () => state.isTaking, keptFrom: async () => firstKept() },
    },
  };
}

test("D3, N16: a paused sink that lets records expire loses only what neither log nor archive holds", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set({ ...a, isPaused: true });
  const archive = archived(world);
  const engine = world.engine(archive.options);
  void engine.start();
  for (const i of range(0, 10)) world.shard.append("l", [{ value: i }, { value: i + 100 }]);
  await waitFor(async () => (await ledger(engine, a)).counts.pushed === 20);
  archive.take();
  await engine.beforeTrim(logL, 9);
  world.shard.trim("l", 8);
  expect((await ledger(engine, a)).counts).toMatchObject({ expired: 0, pending: 20 });
  expect(engine.lowestKept("l")).toBe(Number.POSITIVE_INFINITY);
  // The archive deletes its first file: now that is lost, and booked before.
  await engine.beforeSweep(logL, 4);
  archive.remove(4);
  expect((await ledger(engine, a)).counts).toMatchObject({ expired: 6, pending: 14, pushed: 20 });
  // What the log still has is not lost by what the archive deletes.
  await engine.beforeSweep(logL, 11);
  expect((await ledger(engine, a)).counts).toMatchObject({ expired: 16, pending: 4 });
  archive.remove(11);
  await engine.close();
  const heir = started(world.engine(archive.options));
  world.definitions.change("a", { isPaused: false });
  await waitFor(async () => (await ledger(heir, a)).counts.delivered === 4);
  expect(world.target.values("a")).toEqual([8, 108, 9, 109]);
  expect((await ledger(heir, a)).counts).toMatchObject({ expired: 16, pending: 0, pushed: 20 });
  expect((await ledger(heir, a)).status.state).toBe(Sink_State.RUNNING);
});

test("D1, D3: a paused sink goes on across the border of archive and log in order, each record once, as does the next owner", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 3 })] });
  world.definitions.set({ ...a, isPaused: true });
  const archive = archived(world);
  const first = world.engine(archive.options);
  void first.start();
  for (const i of range(0, 40)) world.shard.append("l", [{ key: 1, value: i }]);
  await waitFor(async () => (await ledger(first, a)).counts.pushed === 40);
  archive.take();
  await first.beforeTrim(logL, 21);
  world.shard.trim("l", 20);
  let isDown = false;
  world.target.answer = (request) => {
    isDown ||= request.rows.some(({ place }) => place.sequence > 15);
    return isDown ? down : undefined;
  };
  world.definitions.change("a", { isPaused: false });
  await waitFor(() => isDown);
  await first.close();
  world.target.answer = () => undefined;
  const heir = started(world.engine(archive.options));
  await waitFor(async () => (await ledger(heir, a)).counts.delivered === 40);
  expect(world.target.values("a")).toEqual(range(0, 40));
  expect((await ledger(heir, a)).counts).toMatchObject({ expired: 0, pending: 0, pushed: 40 });
});

test("nothing may be trimmed that a running sink needs, or while a sink is not known", async () => {
  const world = createWorld(new TestTarget());
  world.definitions.set(sink({ uid: "a", log: log("l") }));
  world.target.before = () => new Promise(() => undefined);
  const engine = world.engine();
  void engine.start();
  world.shard.append("l", [{ value: 1 }]);
  await waitFor(() => world.target.inFlight === 1);
  await expect(engine.beforeTrim(logL, 2)).rejects.toThrow("needs");
  await expect(createWorld(new TestTarget()).engine().beforeTrim(logL, 2)).rejects.toThrow("owned");
  expect(engine.lowestNeeded("l")).toBe(1);
  void engine.close();
});

test("records that vanish unbooked stop the sink in ERROR, and only a restart counts them as expired", async () => {
  const world = createWorld(new TestTarget());
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set({ ...a, isPaused: true });
  const engine = started(world.engine());
  for (const i of range(0, 10)) world.shard.append("l", [{ value: i }]);
  await waitFor(async () => (await ledger(engine, a)).counts.pushed === 10);
  world.shard.trim("l", 4);
  world.definitions.change("a", { isPaused: false });
  await waitFor(async () => (await ledger(engine, a)).status.reason === "LOG_TRIMMED");
  const { status, counts } = await ledger(engine, a);
  expect(status.state).toBe(Sink_State.ERROR);
  expect(status.cause).toContain("4 before sequence 11");
  expect(counts).toMatchObject({ delivered: 6, expired: 0, pending: 4, pushed: 10 });
  world.shard.append("l", [{ value: 10 }]);
  await waitFor(async () => (await ledger(engine, a)).counts.pushed === 11);
  expect((await ledger(engine, a)).counts).toMatchObject({ delivered: 6, expired: 0, pending: 5 });
  world.definitions.change("a", { restarts: 1 });
  await waitFor(async () => (await ledger(engine, a)).status.state === Sink_State.RUNNING);
  await waitFor(async () => (await ledger(engine, a)).counts.expired === 4);
  expect((await ledger(engine, a)).counts).toMatchObject({ delivered: 7, pending: 0, pushed: 11 });
});

test("a target restored from a backup of before a trim stops its sink, naming the range", async () => {
  const target = new TestTarget({ keepsCursor: true });
  const world = createWorld(target);
  const a = sink({ uid: "a", log: log("l") });
  world.definitions.set(a);
  const first = world.engine();
  void first.start();
  for (const i of range(0, 10)) world.shard.append("l", [{ value: i }]);
  await waitFor(async () => (await ledger(first, a)).counts.delivered === 10);
  const backup = target.backup();
  for (const i of range(10, 20)) world.shard.append("l", [{ value: i }]);
  await waitFor(async () => (await ledger(first, a)).counts.delivered === 20);
  await first.beforeTrim(logL, 16);
  world.shard.trim("l", 15);
  await first.close();
  target.restore(backup);
  const second = started(world.engine());
  world.shard.append("l", [{ value: 20 }]);
  await waitFor(async () => (await ledger(second, a)).status.reason === "LOG_TRIMMED");
  expect((await ledger(second, a)).status.cause).toMatch(/sequences 1[01] to 15/);
  world.definitions.change("a", { restarts: 1 });
  await waitFor(async () => (await ledger(second, a)).counts.expired === 5);
  expect(target.values("a")).toEqual([...range(0, 10), ...range(15, 21)]);
  await waitFor(async () => (await ledger(second, a)).status.state === Sink_State.RUNNING);
});

test("D3 property: over trims, pauses, failures and parked keys every record is settled once or pending", async () => {
  const scenario = fc.record({
    keepsCursor: fc.boolean(),
    isBlocking: fc.boolean(),
    batch: fc.integer({ min: 1, max: 6 }),
    steps: fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ push: fc.integer({ min: 1, max: 5 }) }) },
        { weight: 2, arbitrary: fc.record({ isDown: fc.boolean() }) },
        { weight: 2, arbitrary: fc.record({ isPaused: fc.boolean() }) },
        { weight: 3, arbitrary: fc.record({ trim: fc.integer({ min: 0, max: 100 }) }) },
        { weight: 1, arbitrary: fc.record({ isBad: fc.boolean() }) },
      ),
      { minLength: 3, maxLength: 25 },
    ),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async (input) => {
      const target = new TestTarget({ keepsCursor: input.keepsCursor });
      const world = createWorld(target);
      world.definitions.partitions = 2;
      const { BLOCK_KEY, HOLD } = Sink_RecordFailure;
      const onRecordFailure = input.isBlocking ? BLOCK_KEY : HOLD;
      const versions = [version({ count: input.batch, scheduleMs: [2], onRecordFailure })];
      const a = sink({ uid: "a", log: log("l"), versions });
      world.definitions.set(a);
      let isDown = false;
      let isBad = false;
      let n = 0;
      const bad = new Set<number>();
      target.answer = (request) => {
        if (isDown) return down;
        const values = request.rows.map((r) => Number(new TextDecoder().decode(r.json)));
        return {
          kind: "rows",
          outcomes: values.map((v) =>
            bad.has(v) ? { kind: "reject", reason: "BAD", why: "bad" } : { kind: "delivered" },
          ),
        };
      };
      const engine = world.engine();
      void engine.start();
      await waitFor(() => engine.isOwner(0), { everyMs: 1 });
      const now = () => world.definitions.sinkByUid("a")!;
      let trimmed = 0;
      for (const step of input.steps) {
        if ("push" in step) {
          const records = range(0, step.push).map(() => ({ key: n % 3, value: n++ }));
          if (isBad) bad.add(n - 1);
          world.shard.append("l", records, { partition: n % 2 });
        } else if ("isDown" in step) isDown = step.isDown;
        else if ("isBad" in step) isBad = step.isBad;
        else if ("isPaused" in step) world.definitions.change("a", { isPaused: step.isPaused });
        else {
          const { messages } = world.shard;
          const at = messages[Math.floor(((messages.length - 1) * step.trim) / 100)]?.sequence ?? 0;
          const isBooked = await engine.beforeTrim(logL, at + 1).then(
            () => true,
            () => false,
          );
          if (isBooked) world.shard.trim("l", at);
          if (isBooked) trimmed += 1;
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
        const { counts } = await ledger(engine, now());
        const { delivered, filtered, held, discarded, expired, pending, pushed } = counts;
        expect(delivered + filtered + held + discarded + expired + pending).toBe(pushed);
      }
      isDown = false;
      world.definitions.change("a", { isPaused: false, restarts: 1 });
      let last = {};
      await waitFor(
        async () => {
          const { counts, status } = await ledger(engine, now());
          const left = (await engine.held.list(a, { size: 1000 })).entries.length;
          last = { counts, status, left, trimmed };
          expect(status.reason).not.toBe("LOG_TRIMMED");
          const isSettled = counts.pending === 0 || (input.isBlocking && counts.held > 0);
          // What waits for a held record says nothing of what is still on its way to the target.
          const isCounted = new Set(target.values("a")).size === counts.delivered;
          return counts.pushed === n && isSettled && isCounted && left === counts.held;
        },
        { timeoutMs: 4_000, everyMs: 5 },
      ).catch((error: unknown) => {
        throw new Error(
          JSON.stringify(last, (_, v) => (typeof v === "bigint" ? Number(v) : v)),
          {
            cause: error,
          },
        );
      });
      if (input.keepsCursor)
        expect(new Set(target.values("a")).size).toBe(target.values("a").length);
      await engine.close();
    }),
    { numRuns: 60, endOnFailure: true },
  );
}, 120_000);
