/** What makes delivery pass each of its crash points, again and again, and what must hold of it at the end. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveryPoint } from "../../../src/delivery/crash-points.ts";
import { call, countsOf, createSink, createStream, push, type SinkView } from "../api.ts";
import { checkHistory, type Verdict } from "../history.ts";
import { createMigration, type MigrationView, whenMigrated } from "../moves.ts";
import { type Receiver, startReceiver } from "../receiver.ts";
import { acceptedRows, createLoadWebhook } from "../rig.ts";
import { type Target, waitFor } from "../server.ts";
import { checkLedgers, type Scene } from "./scene.ts";

const TRIM_POINTS: readonly DeliveryPoint[] = ["expiring", "expired", "trim-marked"];
const MOVE_POINTS: readonly DeliveryPoint[] = ["handing-over", "handed-over"];
/** How often a bad record is refused before its receiver takes it. */
const REFUSALS = 2;
/** One call of these is more than a quarter of what the log of the trimmed stream may hold. */
const LARGE = { records: 4, bytes: 100_000 };

/** What came of it. */
export interface PointsOutcome {
  /** Receivers that refuse bad records at first: one sink holds them, one also parks their keys. */
  readonly holding: Verdict;
  readonly blocking: Verdict;
  /** What is wrong with ledgers and migrations. */
  readonly faults: readonly string[];
}

/** The acts of a scene. */
export interface PointActs {
  /** One step towards passing this point; what fails is tried again by the next. */
  act(point: DeliveryPoint): Promise<void>;
  /** After the load has ended and its sinks are whole. */
  finish(pushed: number): Promise<PointsOutcome>;
  close(): Promise<void>;
}

/** Makes the sinks and streams that pass points which a plain load does not. */
export async function openPointActs(target: Target, scene: Scene): Promise<PointActs> {
  const [picky, blocked, rest] = await Promise.all([
    startReceiver(refuseAtFirst()),
    startReceiver(refuseAtFirst()),
    startReceiver(),
  ]);
  const holding = await createPickySink(target, scene.stream, picky, { id: "holding" });
  const blocking = await createPickySink(target, scene.stream, blocked, {
    id: "blocking",
    onRecordFailure: "BLOCK_KEY",
  });
  const trimmed = await openTrimmed(target, rest);
  const moves = openMoves(target, rest);
  let versions = 0;
  const sinks = (method: string, request: object) =>
    call(target, `management.v1.SinkService/${method}`, request);
  const replay = () =>
    Promise.all([holding, blocking].map(({ name }) => sinks("ReplayHeldRecords", { name })));
  return {
    async act(point) {
      const acts: Promise<unknown>[] = [];
      if (TRIM_POINTS.includes(point)) acts.push(trimmed.push());
      else if (MOVE_POINTS.includes(point)) acts.push(moves.begin());
      else if (point === "version-applied") {
        const filter = { cel: `record.n != -${++versions}` };
        const sink = { name: holding.name, filter };
        acts.push(sinks("UpdateSink", { sink, updateMask: "filter" }));
      } else acts.push(replay());
      await Promise.allSettled(acts);
    },
    async finish(pushed) {
      await untilStill(async () => {
        await replay().catch(() => undefined);
        const counts = await Promise.all(
          [holding, blocking].map(({ name }) => countsOf(target, name)),
        );
        return counts.reduce((sum, count) => sum + count.held! + count.pending!, 0);
      });
      const ledgers = await checkLedgers(target, [holding, blocking], { pushed, timeoutMs: 5_000 });
      const { history } = scene.load;
      return {
        holding: checkHistory(history, acceptedRows(picky)),
        blocking: checkHistory(history, acceptedRows(blocked)),
        faults: [...ledgers, ...(await trimmed.judge()), ...(await moves.judge())],
      };
    },
    close: async () => {
      await Promise.all([picky, blocked, rest].map((receiver) => receiver.close()));
    },
  };
}

/**
 * Repeats a step until it leaves nothing, or nothing less for two minutes. Each key goes on by 37 records with
 * two replays, so a long run leaves much.
 */
async function untilStill(step: () => Promise<number>): Promise<void> {
  let [least, sinceMs] = [Number.POSITIVE_INFINITY, performance.now()];
  while (least > 0 && performance.now() - sinceMs < 120_000) {
    const left = await step().catch(() => least);
    if (left < least) [least, sinceMs] = [left, performance.now()];
    await sleep(500);
  }
}

function refuseAtFirst() {
  const refused = new Map<string, number>();
  const isBad = ({ key, n }: Record<string, unknown>) => {
    const times = refused.get(`${key}/${n}`) ?? 0;
    if (Number(n) % 37 !== 3 || times === REFUSALS) return false;
    refused.set(`${key}/${n}`, times + 1);
    return true;
  };
  return { kind: "refuse", isBad } as const;
}

const createPickySink = (
  target: Target,
  stream: string,
  receiver: Receiver,
  more: { id: string } & Record<string, unknown>,
) =>
  createSink(target, stream, {
    webhook: { url: receiver.url },
    retry: { schedule: ["0.5s", "1s"], timeout: "5s" },
    // The load has begun.
    start: { position: "EARLIEST" },
    ...more,
  });

/** A stream that is trimmed under a sink that runs and one that is stopped. */
async function openTrimmed(target: Target, receiver: Receiver) {
  const stream = await createStream(target, "trimmed", {
    fields: { pad: "STRING" },
    retention: { bytes: "1048576" },
  });
  const running = await createLoadWebhook(target, stream, { receiver });
  const stopped = await createSink(target, stream, {
    id: "stopped",
    webhook: { url: receiver.url },
  });
  await call(target, "management.v1.SinkService/PauseSink", { name: stopped.name });
  let pushed = 0;
  const countOf = (sink: SinkView) => countsOf(target, sink.name).catch(() => undefined);
  return {
    async push() {
      const pad = "x".repeat(LARGE.bytes);
      const answer = await push(target, stream, Array(LARGE.records).fill({ pad }));
      if (answer.ok) pushed += LARGE.records;
    },
    /** D3 of both; what runs loses nothing. */
    async judge(): Promise<string[]> {
      let seen = "";
      const isRight = async () => {
        const [through, rest] = await Promise.all([countOf(running), countOf(stopped)]);
        seen = JSON.stringify({ pushed, through, rest });
        if (!through || !rest) return false;
        const { pushed: all, ...fates } = rest;
        const sum = Object.values(fates).reduce((total, count) => total + count, 0);
        return (
          through.delivered === pushed && through.pushed === pushed && all === sum && all === pushed
        );
      };
      const wait = waitFor(isRight, { timeoutMs: 60_000, everyMs: 500 });
      return await wait.then(
        () => [],
        () => [`trimmed: ${seen}`],
      );
    },
  };
}

/** Migrations, each of a sink and a stream of its own. */
function openMoves(target: Target, receiver: Receiver) {
  const made: MigrationView[] = [];
  let number = 0;
  return {
    async begin() {
      const id = `moved-${++number}`;
      const stream = await createStream(target, id, { fields: { n: "LONG" } });
      const webhook = { url: receiver.url };
      const { name } = await createSink(target, stream, { id: "old", webhook });
      await push(target, stream, [{ n: 1 }, { n: 2 }, { n: 3 }]);
      made.push(await createMigration(target, name, { sinkId: "new", sink: { webhook } }));
    },
    async judge(): Promise<string[]> {
      const faults: string[] = [];
      for (const migration of made) {
        const done = await whenMigrated(target, migration, 60_000).catch((error) => ({
          state: String(error),
          report: undefined,
        }));
        const isWhole = done.state === "SUCCEEDED" && done.report?.complete === true;
        if (!isWhole) faults.push(`${migration.name}: ${JSON.stringify(done)}`);
      }
      return faults;
    },
  };
}
