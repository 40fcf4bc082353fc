import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import { Sink_RecordFailure } from "#gen/tributary/management/v1/sink_pb.js";
import { waitFor } from "../support/wait-for.ts";
import { createMortalEngine } from "./mortal-engine.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

interface Value {
  readonly key: number;
  readonly n: number;
  readonly isBad: boolean;
  /** Only where a mapping asks for it. */
  readonly isMapped?: boolean;
  /** Only where a filter asks for it. */
  readonly isOut?: boolean;
}

const path = (name: string) => ({ name, value: { case: "path", value: { path: name } } }) as const;
/** Few parked keys make pages, so that these are written and read all the time. */
const ENGINE = { freshKeysMax: 2 };
/** Gives records as they are, and none of those that lack `isMapped`. */
const MAPPING = { columns: ["key", "n", "isBad", "isMapped"].map(path) };
/** `isOut` is not mapped, so a filter that were asked too late would let all pass. */
const FILTER = create(FilterSchema, {
  condition: {
    case: "fields",
    value: {
      terms: [{ field: "isOut", value: { kind: { case: "boolValue", value: false } } }],
    },
  },
});

const scenario = fc.record({
  lives: fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 5 }),
  messages: fc.array(
    fc.record({
      partition: fc.integer({ min: 0, max: 2 }),
      records: fc.array(
        fc.record({
          key: fc.nat(5),
          isBad: fc.integer({ min: 0, max: 19 }),
          isMapped: fc.integer({ min: 0, max: 19 }),
          isOut: fc.boolean(),
        }),
        { minLength: 1, maxLength: 12 },
      ),
    }),
    { minLength: 1, maxLength: 25 },
  ),
  isBlocking: fc.boolean(),
  isMapping: fc.boolean(),
  isFiltering: fc.boolean(),
  concurrency: fc.constantFrom(1, 3),
  faults: fc.array(fc.constantFrom("ok", "ok", "sink", "request"), { minLength: 1, maxLength: 7 }),
  batch: fc.integer({ min: 1, max: 15 }),
  /** Lives in which all that is held is replayed, when a bad record is taken at last. */
  healing: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 2 }),
});

type Input = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

async function live(input: Input, keepsCursor: boolean) {
  const isPipelined = keepsCursor && input.concurrency > 1;
  const target = new TestTarget(
    keepsCursor ? { keepsCursor, isPipelined } : { concurrency: input.concurrency },
  );
  const world = createWorld(target);
  world.definitions.partitions = 3;
  const a = sink({
    uid: "a",
    log: log("l"),
    versions: [
      version({
        count: input.batch,
        scheduleMs: [1],
        mapping: input.isMapping ? MAPPING : undefined,
        filter: input.isFiltering ? FILTER : undefined,
        onRecordFailure: input.isBlocking ? Sink_RecordFailure.BLOCK_KEY : Sink_RecordFailure.HOLD,
      }),
    ],
  });
  world.definitions.set(a);
  let attempt = 0;
  const sick = { is: true };
  target.answer = (request) => {
    const fault = [...input.faults, "ok"][attempt++ % (input.faults.length + 1)];
    const base = { kind: "retry", reason: "DOWN", why: "down", burnsAttempt: true } as const;
    if (fault === "sink") return { ...base, scope: "sink" };
    const values = request.rows.map((r) => JSON.parse(new TextDecoder().decode(r.json)) as Value);
    if (!sick.is || !values.some((v) => v.isBad)) return undefined;
    if (fault === "request" && values.length > 1) return { ...base, scope: "request" };
    return {
      kind: "rows",
      outcomes: values.map((v) =>
        v.isBad ? { kind: "reject", reason: "BAD", why: "bad" } : { kind: "delivered" },
      ),
    };
  };
  const values: Value[] = [];
  const push = (message: (typeof input.messages)[0]) => {
    const records = message.records.map(({ key, isBad, isMapped, isOut }) => {
      const value = {
        // A key belongs to one partition.
        key: key * 3 + message.partition,
        n: values.length,
        isBad: isBad === 0,
        ...(input.isMapping && isMapped !== 0 && { isMapped: true }),
        ...(input.isFiltering && { isOut }),
      };
      values.push(value);
      return { key: value.key, value };
    });
    world.shard.append("l", records, { partition: message.partition });
  };
  const half = input.messages.length >> 1;
  for (const message of input.messages.slice(0, half)) push(message);
  let late = input.messages.slice(half);
  for (const stepsLeft of input.lives) {
    const mortal = createMortalEngine(world, { stepsLeft, overrides: ENGINE });
    void mortal.engine.start();
    for (const message of late.splice(0, 3)) push(message);
    await Promise.race([mortal.died, new Promise((resolve) => setTimeout(resolve, 15))]);
    mortal.kill();
  }
  const last = world.engine(ENGINE);
  void last.start();
  for (const message of late) push(message);
  late = [];
  const isDone = async () => {
    const { counts } = await ledger(last, a);
    const { delivered, filtered, held, pending, expired } = counts;
    expect(delivered + filtered + held + pending + expired).toBe(counts.pushed);
    const waiting = input.isBlocking ? waitingBehindBad(input, values) : 0;
    return counts.pushed === values.length && counts.pending === waiting;
  };
  await waitFor(isDone, { timeoutMs: 5_000, everyMs: 3 });
  const isHealed = input.isBlocking && !input.isMapping && input.healing.length > 0;
  if (!isHealed) return { world, a, last, values, isHealed };
  await last.close();
  sick.is = false;
  return { world, a, last: await heal({ world, a }, input), values, isHealed };
}

/** Replays all that is held, in lives that end soon, and then in one that goes on; gives that one. */
async function heal(
  { world, a }: { world: ReturnType<typeof createWorld>; a: ReturnType<typeof sink> },
  { healing }: Input,
) {
  for (const stepsLeft of healing) {
    const mortal = createMortalEngine(world, { stepsLeft, overrides: ENGINE });
    void mortal.engine.start();
    const replaying = waitFor(() => mortal.engine.isOwner(0), { everyMs: 1 })
      .then(() => mortal.engine.held.replay(a, []))
      .catch(() => undefined);
    const soon = new Promise((resolve) => setTimeout(resolve, 30));
    await Promise.race([mortal.died, replaying.then(() => soon), soon]);
    mortal.kill();
  }
  const last = world.engine(ENGINE);
  void last.start();
  await waitFor(() => last.isOwner(0), { everyMs: 1 });
  const isHealed = async () => {
    const { counts } = await ledger(last, a);
    if (counts.held === 0 && counts.pending === 0 && counts.pushed > 0) return true;
    await last.held.replay(a, []).catch(() => 0);
    return false;
  };
  await waitFor(isHealed, { timeoutMs: 5_000, everyMs: 3 });
  return last;
}

/** Every key's records were stored first in the order in which they were pushed. */
function checkStoredOrder(stored: readonly Value[]) {
  const newest = new Map<number, number>();
  const seen = new Set<number>();
  for (const { key, n } of stored) {
    if (seen.has(n)) continue;
    seen.add(n);
    expect(n).toBeGreaterThan(newest.get(key) ?? -1);
    newest.set(key, n);
  }
}

/** Records of keys that have a bad record before them: BLOCK_KEY keeps them waiting. */
function waitingBehindBad(input: Input, values: readonly Value[]): number {
  const blocked = new Set<number>();
  let count = 0;
  for (const value of values) {
    if (blocked.has(value.key)) count += 1;
    else if (isHeld(input, value)) blocked.add(value.key);
  }
  return count;
}

/** Whether a record that is not filtered is held. */
function isHeld({ isMapping }: Input, { isBad, isMapped, isOut }: Value): boolean {
  return !isOut && (isBad || (isMapping && !isMapped));
}

/** A first attempt comes after the first attempts of all earlier records of its key (D2). */
function checkOrder(world: Awaited<ReturnType<typeof live>>["world"]) {
  const newest = new Map<number, number>();
  const seen = new Set<number>();
  for (const request of world.target.received) {
    for (const { key, n } of request.values as Value[]) {
      if (seen.has(n)) continue;
      seen.add(n);
      expect(n).toBeGreaterThan(newest.get(key) ?? -1);
      newest.set(key, n);
    }
  }
}

for (const keepsCursor of [false, true]) {
  const kind = keepsCursor ? "a sink that keeps the cursor" : "any other sink";
  test(`N04, N05, N07: kill -9 at any step: nothing lost, order per key kept, ledger exact, for ${kind}`, async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (input) => {
        const { world, a, last, values, isHealed } = await live(input, keepsCursor);
        try {
          const stored = (world.target.stored.get("a") ?? []).map((row) => row.value as Value);
          const { counts } = await ledger(last, a);
          const held = (await last.held.list(a, { size: 1000 })).entries;
          expect(held.length).toBe(counts.held);
          expect(counts.expired).toBe(0);
          const delivered = new Set(stored.map((v) => v.n));
          if (!input.isBlocking) {
            const passing = values.filter((v) => !v.isOut);
            expect(delivered.size).toBe(passing.filter((v) => !isHeld(input, v)).length);
            expect(counts.held).toBe(passing.filter((v) => isHeld(input, v)).length);
            expect(counts.filtered).toBe(values.length - passing.length);
          }
          expect(counts.delivered).toBe(delivered.size);
          checkOrder(world);
          if (isHealed) {
            expect(delivered.size).toBe(values.filter((v) => !v.isOut).length);
            checkStoredOrder(stored);
          } else if (keepsCursor) expect(stored.length).toBe(delivered.size);
          if (!keepsCursor) {
            const byId = new Map<string, string>();
            for (const request of world.target.received) {
              const text = JSON.stringify(request.values);
              expect(byId.get(request.id) ?? text).toBe(text);
              byId.set(request.id, text);
            }
          }
        } finally {
          await last.close();
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
  }, 120_000);
}
