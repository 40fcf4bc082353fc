import { expect, test } from "vitest";
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import { decodeSinkState, encodeSinkState } from "../../src/delivery/sink-state.ts";
import { waitFor } from "../support/wait-for.ts";
import { createWorld, ledger, log, sink, version } from "./test-engine.ts";
import { TestTarget } from "./test-target.ts";

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test("B21: a target that is ahead of a restored log is an error that names the range, and nothing is passed over", async () => {
  const target = new TestTarget({ keepsCursor: true, count: 5 });
  const before = createWorld(target);
  const a = sink({ uid: "a", log: log("l"), versions: [version({ count: 5 })] });
  before.definitions.set(a);
  const first = before.engine();
  await first.start();
  for (const i of range(0, 20)) before.shard.append("l", [{ value: i }]);
  await waitFor(async () => (await ledger(first, a)).counts.delivered === 20);
  await first.close();
  // The log and the cursors are as they were after 12 records; the target is not.
  const after = createWorld(target);
  after.definitions.set(a);
  for (const i of range(0, 12)) after.shard.append("l", [{ value: i }]);
  const stored = await before.cursors.get("cursor.a");
  const state = decodeSinkState(stored!.value);
  const epoch = state.epoch + 1_000;
  const value = encodeSinkState({
    ...state,
    epoch,
    position: 13,
    countedSequence: 12,
    pushed: 12,
    lanes: [],
    restored: { sequence: 12, epoch },
  });
  await after.cursors.writeMany([{ key: "cursor.a", value, expectedSequence: 0 }]);
  const second = after.engine();
  await second.start();
  // More than the target has, so that the sequences alone tell nothing.
  for (const i of range(0, 30)) after.shard.append("l", [{ value: `new ${i}` }]);
  const { status } = await waitFor(async () => {
    const found = await ledger(second, a);
    return found.status.reason === "LOG_BEHIND" ? found : undefined;
  });
  expect(status.cause).toMatch(/as of sequence 12.* sequences 13 to (19|20) are others now/);
  expect(status.state).toBe(Sink_State.ERROR);
  expect(target.values("a")).toEqual(range(0, 20));
  await second.close();
});
