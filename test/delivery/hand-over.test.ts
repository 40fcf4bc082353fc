import { expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { waitFor } from "../support/wait-for.ts";
import { createMortalEngine } from "./mortal-engine.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

for (const keepsCursor of [false, true]) {
  const kind = keepsCursor ? "with its cursor in the target" : "with its cursor in the store";

  function open() {
    const target = new TestTarget({ keepsCursor, count: 5 });
    const world = createWorld(target);
    const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 5 })] });
    world.definitions.set(a);
    const push = (from: number, to: number) => {
      for (const i of range(from, to)) {
        world.shard.append("l", [{ value: i }], { partition: i % 2 });
      }
    };
    return { target, world, a, push };
  }

  test(`N06: a sink that was handed over delivers what stands below the sequence, and no later owner more, ${kind}`, async () => {
    const { target, world, a, push } = open();
    const first = world.engine();
    await first.start();
    push(0, 23);
    // While requests are under way: what was planned lies below the end.
    const end = await first.held.handOver(a);
    push(23, 40);
    await waitFor(async () => (await ledger(first, a)).counts.pending === 0);
    expect(await first.held.handOver(a)).toBe(end);
    const own = range(0, end - 1);
    expect(new Set(target.values("a"))).toEqual(new Set(own));
    expect((await ledger(first, a)).counts).toMatchObject({
      delivered: own.length,
      pushed: own.length,
    });
    expect((await ledger(first, a)).status.settledSequence).toBe(BigInt(end - 1));
    // Until another sink goes on there, retention keeps what comes after.
    expect(first.lowestNeeded("l")).toBe(end);
    world.definitions.change("a", { endSequence: end });
    expect(first.lowestNeeded("l")).toBe(Number.POSITIVE_INFINITY);
    await first.close();
    const second = world.engine();
    await second.start();
    push(40, 50);
    await waitFor(async () => second.lowestNeeded("l") === Number.POSITIVE_INFINITY);
    expect(await second.held.handOver(a)).toBe(end);
    expect(target.values("a")).toHaveLength(own.length);
    await second.close();
  });

  test(`N06: an owner that takes over an ended sink settles it up to its end, also where no record is left, ${kind}`, async () => {
    const { target, world, a, push } = open();
    const first: ReturnType<typeof createMortalEngine> = createMortalEngine(world, {
      stepsLeft: Number.POSITIVE_INFINITY,
      overrides: { at: (point) => void (point === "handed-over" && first.kill()) },
    });
    await first.engine.start();
    push(0, 3);
    await waitFor(async () => (await ledger(first.engine, a)).counts.delivered === 3);
    // The end stands above the newest record of the sink.
    for (const i of range(0, 5)) world.shard.append("other", [{ value: i }]);
    void first.engine.held.handOver(a);
    await first.died;
    const second = world.engine();
    await second.start();
    await waitFor(async () => (await ledger(second, a)).status.settledSequence === 8n);
    expect(await second.held.handOver(a)).toBe(9);
    expect(new Set(target.values("a"))).toEqual(new Set([0, 1, 2]));
    await second.close();
  });

  test(`N06: a hand-over whose owner loses its shard meanwhile is no refusal: the next owner does it, ${kind}`, async () => {
    const { world, a, push } = open();
    let losses = 1;
    const at = (point: string) => {
      if (point === "handing-over" && losses-- > 0) world.shard.loseOwnership();
    };
    const first = world.engine({ at });
    await first.start();
    push(0, 10);
    await waitFor(async () => (await ledger(first, a)).counts.delivered === 10);
    const error = await first.held.handOver(a).catch((cause: unknown) => cause);
    expect(reasonOf(error)).toBe("LOG_UNAVAILABLE");
    const second = world.engine({ at });
    await second.start();
    losses = 1;
    // Who does not own it asks who does.
    expect(await second.held.handOver(a)).toBe(11);
    expect(losses).toBeLessThan(1);
    await Promise.all([first.close(), second.close()]);
  });

  test(`N06: a hand-over that came to nothing leaves no gap, ${kind}`, async () => {
    const { target, world, a, push } = open();
    const engine = world.engine();
    await engine.start();
    push(0, 10);
    await engine.held.handOver(a);
    push(10, 30);
    await waitFor(async () => (await ledger(engine, a)).counts.delivered === 10);
    await engine.held.takeBack(a);
    await engine.held.takeBack(a);
    push(30, 40);
    await waitFor(async () => (await ledger(engine, a)).counts.delivered === 40);
    const even = target.values("a").filter((n) => Number(n) % 2 === 0);
    expect(even).toEqual(range(0, 40).filter((n) => n % 2 === 0));
    expect(target.values("a")).toHaveLength(40);
    expect((await ledger(engine, a)).counts).toMatchObject({ pushed: 40, pending: 0 });
    await engine.close();
  });
}
