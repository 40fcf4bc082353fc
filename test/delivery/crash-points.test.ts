import { expect, test } from "vitest";
import { Sink_RecordFailure } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../../src/core/definitions.ts";
import { DELIVERY_POINTS, type DeliveryPoint } from "../../src/delivery/crash-points.ts";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { waitFor } from "../support/wait-for.ts";
import { createMortalEngine } from "./mortal-engine.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

interface Value {
  readonly key: number;
  readonly n: number;
  readonly isBad: boolean;
}

/** What only one kind of sink passes. */
const ONLY: Partial<Record<DeliveryPoint, "cursor in the target" | "cursor in the store">> = {
  resumed: "cursor in the target",
};

const DOWN = {
  kind: "retry",
  scope: "sink",
  reason: "HTTP_503",
  why: "down",
  burnsAttempt: true,
} as const;

/** Records of a request, and bytes of a cursor, whatever happens (D5). */
const COUNT = 4;
const CURSOR_BYTES_MAX = 4_096;

function open(keepsCursor: boolean) {
  const target = new TestTarget({ keepsCursor, concurrency: keepsCursor ? 1 : 2 });
  const world = createWorld(target);
  world.definitions.partitions = 2;
  const base = { count: COUNT, scheduleMs: [1] };
  const holding = sink({ uid: "holding", log: log("l"), versions: [version(base)] });
  const onRecordFailure = Sink_RecordFailure.BLOCK_KEY;
  const blocking = sink({
    uid: "blocking",
    log: log("l"),
    versions: [version({ ...base, onRecordFailure })],
  });
  // A log that is trimmed: one of its sinks needs what goes, and is stopped.
  const trimmed = sink({ uid: "trimmed", log: log("t"), versions: [version(base)] });
  const stopped = sink({ uid: "stopped", log: log("t"), isPaused: true });
  // One whose destination is down, through the lives of all owners.
  const dead = sink({
    uid: "dead",
    log: log("l"),
    versions: [version({ ...base, scheduleMs: [20] })],
  });
  world.definitions.set(dead, holding, blocking, trimmed, stopped);
  let isFixed = false;
  let isDeadBack = false;
  let attempt = 0;
  target.answer = (request, name) => {
    if (name === "dead") return isDeadBack ? undefined : DOWN;
    const values = request.rows.map((r) => JSON.parse(new TextDecoder().decode(r.json)) as Value);
    if (isFixed || name === "trimmed" || !values.some((value) => value.isBad)) return undefined;
    const base = { kind: "retry", reason: "BAD", why: "bad", burnsAttempt: true } as const;
    if (values.length > 1 && attempt++ % 2 === 0) return { ...base, scope: "request" };
    return {
      kind: "rows",
      outcomes: values.map(({ isBad }) =>
        isBad ? { kind: "reject", reason: "BAD", why: "bad" } : { kind: "delivered" },
      ),
    };
  };
  let n = 0;
  const push = (logUid: string, isBad = false) => {
    const partition = n % 2;
    // Keys of a partition; the bad ones have few keys, so that others go on.
    const key = (isBad ? 0 : n % 8) * 2 + partition;
    world.shard.append(logUid, [{ key, value: { key, n: n++, isBad } }], { partition });
  };
  const pushed = { l: 0, t: 0 };
  return {
    target,
    world,
    sinks: { holding, blocking, trimmed, stopped, dead },
    pushed,
    fix: () => {
      isFixed = true;
    },
    bringBack: () => {
      isDeadBack = true;
    },
    push() {
      for (let i = 0; i < 6; i++) push("l", i === 1);
      for (let i = 0; i < 3; i++) push("t");
      pushed.l += 6;
      pushed.t += 3;
    },
  };
}

type Stage = ReturnType<typeof open>;

/** One owner's life: it does all that passes points, again and again, until it dies at the one named. */
async function liveUntil(stage: Stage, point: DeliveryPoint): Promise<void> {
  const { world, sinks } = stage;
  const mortal: ReturnType<typeof createMortalEngine> = createMortalEngine(world, {
    stepsLeft: Number.POSITIVE_INFINITY,
    overrides: { at: (reached) => void (reached === point && mortal.kill()) },
  });
  const { engine, isDead, died } = mortal;
  void engine.start();
  const endMs = performance.now() + 20_000;
  const unlessDead = async (work: () => Promise<unknown>) => {
    const timeout = new Promise((resolve) => setTimeout(resolve, 500).unref());
    if (!isDead()) await Promise.race([work().catch(() => undefined), died, timeout]);
  };
  while (!isDead()) {
    if (performance.now() > endMs) throw new Error(`${point} was never passed`);
    stage.push();
    await unlessDead(() => new Promise((resolve) => setTimeout(resolve, 5)));
    changeVersion(stage);
    await unlessDead(() => engine.held.discard(sinks.blocking, []));
    await unlessDead(() => engine.held.handOver(sinks.holding));
    await unlessDead(() => engine.held.takeBack(sinks.holding));
    await unlessDead(() => trim(stage, engine, isDead));
  }
  mortal.kill();
}

/** The next version of a sink, from the end of the log on. */
function changeVersion({ world, sinks }: Stage): void {
  const known = world.definitions.sinkByUid(sinks.holding.uid)!;
  const number = known.versions.length + 1;
  const fromSequence = (world.shard.messages.at(-1)?.sequence ?? 0) + 1;
  const next = version({ version: number, fromSequence, url: `v${number}`, count: COUNT });
  world.definitions.change(known.uid, { versions: [...known.versions, next] });
}

/** As the keeper of retention does: only what no running sink needs. */
async function trim({ world }: Stage, engine: Delivery, isDead: () => boolean): Promise<void> {
  const sequence = engine.lowestNeeded("t");
  if (!Number.isFinite(sequence) || sequence <= 1) return;
  await engine.beforeTrim({ shard: 0, uid: "t" }, sequence);
  if (!isDead()) world.shard.trim("t", sequence - 1);
}

/** D1, D2 and D3 at the end, when all that was refused was delivered by a replay. */
async function judge({ target, sinks, pushed }: Stage, last: Delivery): Promise<void> {
  const of = (name: string) => (target.stored.get(name) ?? []).map((row) => row.value as Value);
  const countsOf = async (definition: SinkDefinition) => (await ledger(last, definition)).counts;
  for (const definition of Object.values(sinks)) {
    const { pushed: all, ...rest } = await countsOf(definition);
    expect(Object.values(rest).reduce((sum, count) => sum + count, 0)).toBe(all);
    expect(all).toBe(definition.log.uid === "l" ? pushed.l : pushed.t);
  }
  const holding = await countsOf(sinks.holding);
  expect(holding).toMatchObject({ delivered: pushed.l, expired: 0, pending: 0, held: 0 });
  expect(new Set(of("holding").map(({ n }) => n)).size).toBe(pushed.l);
  expect(new Set(of("trimmed").map(({ n }) => n)).size).toBe(pushed.t);
  for (const name of ["blocking", "dead"]) judgeOrder(target, name);
}

/** D2: no record is first attempted before an earlier one of its key. */
function judgeOrder(target: TestTarget, name: string): void {
  const newest = new Map<number, number>();
  const seen = new Set<number>();
  for (const { sink, values, isReplay } of target.received) {
    if (sink !== name) continue;
    for (const { key, n } of values as Value[]) {
      if (seen.has(n) || isReplay) continue;
      seen.add(n);
      expect(n).toBeGreaterThan(newest.get(key) ?? -1);
      newest.set(key, n);
    }
  }
}

/** D5: requests, cursors and copies are as small as if nobody had ever died. */
async function judgeBounds({ target, world, sinks }: Stage): Promise<void> {
  const turns = target.received.filter(({ isReplay }) => !isReplay);
  expect(Math.max(...turns.map(({ values }) => values.length))).toBeLessThanOrEqual(COUNT);
  const cursors = await world.cursors.list("cursor");
  expect(cursors).toHaveLength(Object.keys(sinks).length);
  for (const { value } of cursors) expect(value.byteLength).toBeLessThan(CURSOR_BYTES_MAX);
  expect(await world.cursors.keys("parked")).toEqual([]);
  await waitFor(async () => (await world.held.keys("held")).length === 0);
}

/** D4: all the others were brought everything while the destination of one was down; then it is brought all. */
async function judgeDead(stage: Stage, last: Delivery): Promise<void> {
  const { sinks, target, pushed } = stage;
  expect(target.values("dead")).toEqual([]);
  const before = (await ledger(last, sinks.dead)).counts;
  expect(before).toMatchObject({ delivered: 0, pending: pushed.l, pushed: pushed.l });
  stage.bringBack();
  await waitFor(async () => (await ledger(last, sinks.dead)).counts.pending === 0, {
    timeoutMs: 20_000,
  });
  const values = (target.values("dead") as Value[]).map(({ n }) => n);
  expect(new Set(values).size).toBe(pushed.l);
}

for (const kind of ["cursor in the target", "cursor in the store"] as const) {
  const points = DELIVERY_POINTS.filter((point) => (ONLY[point] ?? kind) === kind);
  test(`D1 to D5: owners that die at each named point leave nothing missing and every ledger exact, ${kind}`, async () => {
    const stage = open(kind === "cursor in the target");
    const { world, sinks, target } = stage;
    for (const point of points) await liveUntil(stage, point);
    const last = world.engine();
    await last.start();
    await waitFor(() =>
      last.held.takeBack(sinks.holding).then(
        () => true,
        () => false,
      ),
    );
    stage.fix();
    let standing: unknown;
    await waitFor(
      async () => {
        for (const definition of [sinks.holding, sinks.blocking]) {
          await last.held.replay(definition, []).catch(() => undefined);
        }
        const [holding, blocking, trimmed] = await Promise.all(
          [sinks.holding, sinks.blocking, sinks.trimmed].map((s) => ledger(last, s)),
        );
        const counts = [holding, blocking, trimmed].map((found) => found!.counts);
        standing = {
          counts,
          causes: [holding, blocking, trimmed].map((found) => found!.status?.cause),
        };
        return counts.every(({ pending, held }) => pending + held === 0);
      },
      { timeoutMs: 20_000, everyMs: 20 },
    ).catch(() => {
      throw new Error(`still open: ${JSON.stringify(standing)}`);
    });
    await judgeDead(stage, last);
    await judge(stage, last);
    await judgeBounds(stage);
    // Rows and cursor are one commit there.
    if (kind === "cursor in the target") {
      expect(target.stored.get("trimmed")).toHaveLength(stage.pushed.t);
    }
    await last.close();
  }, 120_000);
}

for (const recordFailure of ["HOLD", "BLOCK_KEY"] as const) {
  test(`D1, D3: a record whose copy was stored before its owner died, and that the destination takes now, is not held as well (${recordFailure})`, async () => {
    const target = new TestTarget({ keepsCursor: false });
    const world = createWorld(target);
    const onRecordFailure = Sink_RecordFailure[recordFailure];
    const versions = [version({ count: COUNT, scheduleMs: [1], onRecordFailure })];
    const a = sink({ uid: "a", log: log("l"), versions });
    world.definitions.set(a);
    const refused = { kind: "reject", reason: "BAD", why: "bad" } as const;
    target.answer = ({ rows }) => ({ kind: "rows", outcomes: rows.map(() => refused) });
    const mortal: ReturnType<typeof createMortalEngine> = createMortalEngine(world, {
      stepsLeft: Number.POSITIVE_INFINITY,
      overrides: { at: (reached) => void (reached === "held" && mortal.kill()) },
    });
    for (let n = 0; n < 3; n++) world.shard.append("l", [{ key: n, value: { n } }]);
    void mortal.engine.start();
    await mortal.died;
    target.answer = () => undefined;
    const last = world.engine();
    await last.start();
    await waitFor(async () => (await ledger(last, a)).counts.delivered === 3);
    expect((await ledger(last, a)).counts).toMatchObject({ held: 0, pending: 0, pushed: 3 });
    expect(await last.held.replay(a, [])).toBe(0);
    expect((await ledger(last, a)).counts).toMatchObject({ delivered: 3, held: 0, pushed: 3 });
    expect(target.values("a")).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
    await last.close();
  });
}
