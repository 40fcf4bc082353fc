import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Alert_Kind as Kind } from "#gen/tributary/management/v1/alert_pb.js";
import { type LogLoss, LogLossSchema } from "#gen/tributary/management/v1/log_loss_pb.js";
import { bodyOf } from "../../src/watch/alert-messages.ts";
import { alertFromRow, listAlertRows } from "../../src/watch/alert-store.ts";
import { startAlertWatch } from "../../src/watch/alert-watch.ts";
import { openArchiveWorld } from "../archive/archive-world.ts";
import { quietLogger } from "../support/quiet-logger.ts";

const stream = "projects/a/streams/s";
const branch = `${stream}/branches/main`;

/** The stream `s` of project `a`, which has an archive and no sink, and a watch whose time the test moves. */
async function openWorld() {
  const world = await openArchiveWorld("/nonexistent");
  const { database, snapshot } = world;
  let nowMs = Date.parse("2026-05-01T00:00:00Z");
  let uids = 0;
  const losses: LogLoss[] = [];
  let opened = 0;
  const watch = startAlertWatch({
    database,
    logger: quietLogger,
    definitions: snapshot,
    makeUid: () => `alert${++uids}`,
    isOwner: () => true,
    statuses: async () => new Map(),
    lossesOf: () => losses,
    onOpened: () => opened++,
    now: () => nowMs,
    everyMs: 3_600_000,
  });
  const projectUid = snapshot.project("projects/a")!.uid;
  const page = { size: 10, after: undefined } as never;
  return {
    ...world,
    losses,
    watch,
    now: () => new Date(nowMs),
    pass: (ms: number) => (nowMs += ms),
    openedSoFar: () => opened,
    rows: (isOpen: boolean) =>
      database.inProject("projects/a", (queries) =>
        listAlertRows(queries, projectUid, { page, resource: stream, isOpen }),
      ),
  };
}

test("B07: stored records that are missing from a branch without sinks are told of the branch, once, and of its sinks when it has some", async () => {
  const { watch, losses, rows, openedSoFar, ops } = await openWorld();
  await watch.look();
  expect(await rows(true)).toEqual([]);
  losses.push(create(LogLossSchema, { message: "3 stored batches are missing." }));
  await watch.look();
  await watch.look();
  const [row] = await rows(true);
  expect(openedSoFar()).toBe(1);
  expect(alertFromRow(row!)).toMatchObject({
    kind: Kind.MISSING,
    sink: "",
    branch,
    reason: "RECORDS_MISSING",
    message: "3 stored batches are missing.",
  });
  expect(JSON.parse(bodyOf(row!))).toMatchObject({
    type: "branch.records_missing",
    data: { branch },
  });
  await ops.sinks.createSink({
    parent: stream,
    sinkId: "k",
    sink: { config: { case: "file", value: { directory: "out" } } },
  });
  await watch.look();
  expect(await rows(true)).toEqual([]);
  watch.close();
});

test("F01: an archive that has failed for a minute is told, and is over when it takes records again", async () => {
  const { watch, store, rows, now, pass, target } = await openWorld();
  const { log, stream: archived } = target();
  const own = { uid: log.uid, streamUid: archived.uid };
  await store.open(own, async () => ({ folder: "f", nextSequence: 1 }));
  await store.setCause(log.uid, "ENOSPC: no space left on device", now());
  await watch.look();
  expect(await rows(true)).toEqual([]);
  pass(61_000);
  await watch.look();
  await watch.look();
  expect((await rows(true)).map(alertFromRow)).toMatchObject([
    {
      kind: Kind.ARCHIVE,
      branch,
      reason: "ARCHIVE_FAILING",
      message: expect.stringContaining("takes no records: ENOSPC: no space left on device"),
    },
  ]);
  await store.setCause(log.uid, "", now());
  await watch.look();
  expect(await rows(true)).toEqual([]);
  expect((await rows(false)).map(({ endTime }) => endTime)).toEqual([now()]);
  watch.close();
});
