import { create } from "@bufbuild/protobuf";
import { afterAll, expect, test } from "vitest";
import { FilterSchema } from "#gen/tributary/management/v1/filter_pb.js";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { waitFor } from "../support/wait-for.ts";
import { createMortalEngine } from "./mortal-engine.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

const replay = "projects/p/streams/l/sinks/a/replays/r1";
const engines: Delivery[] = [];
afterAll(() => Promise.all(engines.map((engine) => engine.close())));

const COUNT = 8;
const places = (...sequences: number[]) =>
  sequences.map((sequence) => ({
    ...{ place: { sequence, index: 0 }, reason: "BAD", why: "refused" },
  }));

/** A sink that has delivered eight records, of which the filter left out the last. */
function createCase({ keepsCursor }: { readonly keepsCursor: boolean }) {
  const world = createWorld(new TestTarget({ keepsCursor, count: 2 }));
  const term = { field: "isOut", value: { kind: { case: "boolValue", value: false } } } as const;
  const filter = create(FilterSchema, {
    condition: { case: "fields", value: { terms: [term] } },
  });
  const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 2, filter })] });
  world.definitions.set(a);
  for (let n = 1; n <= COUNT; n++) {
    world.shard.append("l", [{ key: n, value: { n, isOut: n === COUNT } }]);
  }
  const start = () => {
    const engine = world.engine();
    engines.push(engine);
    void engine.start();
    return engine;
  };
  const settled = (engine: Delivery) =>
    waitFor(async () => {
      const { counts } = await ledger(engine, a);
      return counts.pushed === world.shard.messages.length && counts.pending === 0;
    });
  return { world, a, start, settled };
}

for (const keepsCursor of [false, true]) {
  const kind = keepsCursor ? "with its cursor in the target" : "with its cursor in the store";
  test(`B04, D3: what a replay of stored records had refused is held once, counted, and can be replayed or discarded, ${kind}`, async () => {
    const { world, a, start, settled } = createCase({ keepsCursor });
    const engine = start();
    await settled(engine);
    const before = (await ledger(engine, a)).counts;
    expect(before).toMatchObject({ delivered: 7, filtered: 1, held: 0, pushed: 8 });
    const refused = { replay, sinkVersion: 1, rows: places(2, 3, 8) };
    for (let times = 0; times < 2; times++) await engine.held.holdRefused(a, refused);
    const counts = async () => (await ledger(engine, a)).counts;
    expect(await counts()).toMatchObject({ delivered: 5, filtered: 0, held: 3, pending: 0 });
    const { entries } = await engine.held.list(a, { size: 10 });
    const told = entries.map(({ place, copy }) => [place.sequence, copy.reason, copy.replay]);
    expect(told).toEqual([8, 3, 2].map((sequence) => [sequence, "BAD", replay]));
    // What is not there, and what its delivery has yet to settle, is left alone.
    await engine.held.holdRefused(a, { ...refused, rows: places(99) });
    const stored = world.target.values("a").length;
    expect(await engine.held.replay(a, [{ sequence: 3, index: 0 }])).toBe(1);
    expect(world.target.values("a")).toHaveLength(stored + 1);
    expect(await engine.held.discard(a, [])).toBe(2);
    const done = { delivered: 6, filtered: 0, held: 0, discarded: 2, pending: 0, pushed: 8 };
    expect(await counts()).toMatchObject(done);
    await engine.close();
    const next = start();
    await settled(next);
    expect((await ledger(next, a)).counts).toMatchObject(done);
  });

  test(`B04, D3: kill -9 at any step of that counts none twice and forgets none, ${kind}`, async () => {
    const { world, a, start, settled } = createCase({ keepsCursor });
    const engine = start();
    await settled(engine);
    await engine.close();
    for (let stepsLeft = 6; stepsLeft <= 24; stepsLeft++) {
      const mortal = createMortalEngine(world, { stepsLeft });
      void mortal.engine.start();
      const rows = places(1 + (stepsLeft % 7), 1 + ((stepsLeft + 3) % 7));
      const holding = waitFor(() => mortal.engine.isOwner(0) || mortal.isDead()).then(() =>
        mortal.engine.held.holdRefused(a, { replay, sinkVersion: 1, rows }),
      );
      await Promise.race([mortal.died, holding.catch(() => undefined)]);
      mortal.kill();
    }
    const last = start();
    await waitFor(() => last.isOwner(0));
    await last.held.holdRefused(a, { replay, sinkVersion: 1, rows: places(1, 2) });
    await settled(last);
    const { entries } = await last.held.list(a, { size: 100 });
    const { counts } = await ledger(last, a);
    expect(entries.length).toBeGreaterThanOrEqual(2);
    expect(counts.held).toBe(entries.length);
    expect(counts).toMatchObject({ delivered: 7 - entries.length, filtered: 1, pushed: COUNT });
    await last.held.discard(a, []);
    expect((await ledger(last, a)).counts).toMatchObject({ held: 0, discarded: entries.length });
  });
}
