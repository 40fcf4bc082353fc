/**
 * The task that moves a stream from one sink to another. The owner of the old sink ends it at a
 * sequence above everything that it planned, in the cursor itself, so no later owner goes beyond; then
 * the new sink is made to begin there. Every step may be repeated after a crash and gives the same.
 */
import { setTimeout as delay } from "node:timers/promises";
import { clone } from "@bufbuild/protobuf";
import { type Sink, SinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import { Task_State } from "#gen/tributary/management/v1/task_pb.js";
import { runAsAuthor } from "../core/author.ts";
import { fail, notFound } from "../core/errors.ts";
import { streamOf } from "../core/names.ts";
import type { Queries } from "../db/client.ts";
import { alreadyExists } from "./catalog.ts";
import { createSink } from "./create-sink.ts";
import { reportMigration } from "./migration-report.ts";
import { type MigrationInput, migrationInputOf, migrationPositionOf } from "./migration-view.ts";
import { openSealedSink } from "./sealed-sink.ts";
import type { SinkCatalog } from "./sink-catalog.ts";
import { findSink, loadSink, type SavedSink, updateSinkRow } from "./sink-store.ts";
import type { TaskHandler, TaskWork } from "./task-runner.ts";
import type { TaskRow } from "./task-store.ts";

const LOOK_EVERY_MS = 250;

/** Does migrations. */
export function createMigrator(catalog: SinkCatalog): TaskHandler {
  return {
    run: (task, work) =>
      runAsAuthor(migrationInputOf(task).author, () => migrate(catalog, task, work)),
    ended: (queries, task, state) => settle(catalog, queries, { task, state }),
  };
}

async function migrate(catalog: SinkCatalog, task: TaskRow, work: TaskWork): Promise<void> {
  const input = migrationInputOf(task);
  const { database, masterKey, moves } = catalog;
  const source = await loadSource(catalog, input);
  const target = await database.inProject(input.target, (queries) =>
    findSink(queries, input.target),
  );
  if (target && target.uid !== input.targetUid) throw alreadyExists(input.target, "sink_id");
  // As long as there is no new sink, the end may be another one than an earlier attempt saw.
  const known = target ? target.startSequence : await moves.handOver(source.definition);
  const sequence = migrationPositionOf(task)?.sequence ?? known;
  if (!target) {
    const owner = { projectUid: task.projectUid, sinkUid: input.targetUid };
    const sink = openSealedSink(masterKey, owner, task.sealed!);
    await work.save({ position: { sequence: known, waiting: "the new sink" }, done: 0, total: 0 });
    const { branch } = source.definition.log;
    const made = Object.assign(clone(SinkSchema, sink), { branch });
    await createTarget(catalog, input, { sink: made, sequence: known, signal: work.signal });
  }
  const end = target ? sequence : known;
  await endSource(catalog, input, end);
  await drain(catalog, source, { task, work, sequence: end });
  const report = await reportMigration(catalog, input, { sequence: end, signal: work.signal });
  const position = { sequence: end, waiting: "", report };
  await work.save({ position, done: 1, total: 1 });
}

async function loadSource(
  { database, masterKey }: SinkCatalog,
  { source, sourceUid }: MigrationInput,
): Promise<SavedSink> {
  const saved = await database.inProject(source, (queries) => loadSink(queries, masterKey, source));
  if (saved.row.uid !== sourceUid) throw notFound(source);
  return saved;
}

async function createTarget(
  catalog: SinkCatalog,
  { target, targetUid }: MigrationInput,
  { sink, sequence, signal }: { sink: Sink; sequence: number; signal: AbortSignal },
): Promise<void> {
  const parent = streamOf(target)!;
  const sinkId = target.slice(`${parent}/sinks/`.length);
  const identity = { parent, sinkId, uid: targetUid };
  await createSink(catalog, { ...identity, sink, handedOverAt: sequence, skipTest: true }, signal);
}

/** Says in the definition that the old sink has ended: now the new one keeps what it needs. */
async function endSource(
  { database, refresh, now }: SinkCatalog,
  input: MigrationInput,
  sequence: number,
): Promise<void> {
  await database.inProject(input.source, async (queries) => {
    const row = await findSink(queries, input.source);
    if (row?.uid !== input.sourceUid || row.endSequence === sequence) return;
    await updateSinkRow(queries, row.uid, {
      endSequence: sequence,
      version: row.version + 1,
      updateTime: new Date(now()),
    });
  });
  await refresh();
}

/** Waits until the old sink has settled all that is its own. */
async function drain(
  { statuses }: SinkCatalog,
  { definition }: SavedSink,
  { work, sequence }: { task: TaskRow; work: TaskWork; sequence: number },
): Promise<void> {
  for (let waiting = ""; ; ) {
    work.signal.throwIfAborted();
    const status = (await statuses.statuses([definition])).get(definition.uid);
    if (Number(status?.settledSequence ?? 0n) >= sequence - 1) return;
    const cause = status?.cause ? `: ${status.cause}` : "";
    const now = `the old sink has records to settle${cause}`;
    if (now !== waiting) {
      waiting = now;
      const done = 0;
      const total = Number(status?.counts?.pending ?? 0n);
      await work.save({ position: { sequence, waiting }, done, total });
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: work.signal });
  }
}

/** A migration that made no new sink leaves the old one as it was. */
async function settle(
  { moves, masterKey }: SinkCatalog,
  queries: Queries,
  { task, state }: { task: TaskRow; state: Task_State },
): Promise<void> {
  if (state === Task_State.SUCCEEDED) return;
  const input = migrationInputOf(task);
  const target = await findSink(queries, input.target);
  const source = await findSink(queries, input.source);
  if (source?.uid !== input.sourceUid) return;
  if (target?.uid !== input.targetUid) {
    const { definition } = await loadSink(queries, masterKey, input.source);
    await moves.takeBack(definition);
    return;
  }
  const { startSequence: endSequence } = target;
  await updateSinkRow(queries, source.uid, { endSequence, version: source.version + 1 });
}

/** Fails with WRONG_STATE for a sink that was moved before. */
export function requireMovable({ row }: SavedSink): void {
  if (row.endSequence === 0) return;
  throw fail("WRONG_STATE", `${row.name} was moved at sequence ${row.endSequence} already`);
}
