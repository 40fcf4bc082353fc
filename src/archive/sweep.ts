/** Deletes files of archives: those whose retention has ended, and all of logs that are gone. */
import type { ArchiveRow, FileRow } from "./archive-store.ts";
import { type ArchivedLog, type ArchiverTools, fileName } from "./log-archiver.ts";

/** A time before which everything is, for Postgres as well. */
const END_OF_TIME = new Date("9999-01-01T00:00:00Z");

const NO_BOUND = Number.POSITIVE_INFINITY;

/** What is to be swept. */
export interface SweepInput {
  readonly targets: Iterable<ArchivedLog>;
  /** First sequence of a log that must stay. */
  readonly neededFrom: (logUid: string) => number;
  /** Awaited before what stands below a sequence of a log is deleted; when it rejects, nothing goes now. */
  readonly beforeDelete: (log: ArchivedLog["log"], sequence: number) => Promise<void>;
  /** Whether logs that are gone are this node's to look for. */
  readonly isSweeping: boolean;
}

/**
 * Deletes what is due. A file leaves the manifest before it is deleted, and its row goes after it, so
 * nothing is left behind by a crash. What fails is tried again by the next call.
 */
export async function sweepArchives(
  tools: ArchiverTools,
  { targets, neededFrom, beforeDelete, isSweeping }: SweepInput,
): Promise<void> {
  const now = new Date(tools.now());
  for (const { log, archive } of targets) {
    if (!Number.isFinite(archive.retentionMs)) continue;
    const before = new Date(now.getTime() - archive.retentionMs);
    const limits = { before, below: neededFrom(log.uid), now };
    const due = await tools.store.lastDue(log.uid, limits);
    const isAllowed =
      due === undefined || (await mayDelete(tools, () => beforeDelete(log, due + 1)));
    if (!isAllowed) continue;
    // What became due meanwhile was not booked.
    const files = await tools.store.expire(log.uid, { ...limits, below: (due ?? -1) + 1 });
    const row = files.length > 0 ? await tools.store.find(log.uid) : undefined;
    if (row) await removeFiles(tools, row, files);
  }
  if (!isSweeping) return;
  for (const row of await tools.store.orphans()) {
    const files = await tools.store.expire(row.logUid, {
      before: END_OF_TIME,
      below: NO_BOUND,
      now,
    });
    await removeFiles(tools, row, files);
    if (files.length > 0) continue;
    // The file that was under way may be there, though the manifest never took it.
    await removePlanned(tools, row);
    await tools.store.drop(row.logUid);
    tools.logger.info("the archive of a log that is gone was deleted", { folder: row.folder });
  }
}

/** One log whose files must stay for now holds no other up. */
async function mayDelete({ logger }: ArchiverTools, ask: () => Promise<void>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (error) {
    logger.debug("files of an archive stay for now", { error: String(error) });
    return false;
  }
}

async function removeFiles(
  { store, openPlace, logger }: ArchiverTools,
  row: ArchiveRow,
  files: readonly FileRow[],
): Promise<void> {
  if (files.length === 0) return;
  const place = await openPlace(row);
  try {
    for (const { name } of files) await place.remove(name);
  } finally {
    place.close();
  }
  await store.forget(files);
  logger.info("files of an archive were deleted", { folder: row.folder, count: files.length });
}

async function removePlanned({ openPlace }: ArchiverTools, row: ArchiveRow): Promise<void> {
  if (row.plannedSequence === null) return;
  const place = await openPlace(row);
  try {
    await place.remove(fileName(row, row.plannedSequence));
  } finally {
    place.close();
  }
}
