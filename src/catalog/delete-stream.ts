/** Deleting streams, and bringing them back. */
import type { Stream } from "#gen/tributary/management/v1/stream_pb.js";
import type {
  DeleteStreamRequest,
  UndeleteStreamRequest,
} from "#gen/tributary/management/v1/stream_service_pb.js";
import { notFound } from "../core/errors.ts";
import type { Queries } from "../db/client.ts";
import { bringBack } from "./bring-back.ts";
import { type Catalog, checkEtag, checkName } from "./catalog.ts";
import { readSinks } from "./definition-store.ts";
import { keepDeleted, lockNewestDeleted } from "./deleted-store.ts";
import type { LogPlace } from "./log-purger.ts";
import { logsOfStream, takeUnreadyBranches } from "./log-store.ts";
import { sinkUidsOf } from "./sink-store.ts";
import {
  deleteStream as deleteRow,
  findStream,
  lockStream,
  streamFromRow,
} from "./stream-store.ts";

/** How long the deletion waits for imports of what sinks have staged. */
const FLUSH_MS = 20_000;

/**
 * Deletes a stream with what belongs to it, and keeps all of it for 7 days: its name is free at once.
 * A branch that was still being copied is gone for good. What was accepted until then is counted when
 * it resolves, unless counting is behind: then it follows. Fails with RESOURCE_NOT_FOUND and ETAG_STALE.
 */
export async function deleteStream(
  catalog: Catalog,
  { name, etag }: DeleteStreamRequest,
): Promise<void> {
  const { database, purger, refresh, now } = catalog;
  await flushStaged(catalog, name, etag);
  const { unready, kept } = await database.inProject(name, async (queries) => {
    const row = await lockStream(queries, name);
    if (!row) throw notFound(name);
    checkEtag(etag, row);
    const unready = await takeUnreadyBranches(queries, row.uid);
    await purger.note(queries, unready);
    const kept = await logsOfStream(queries, row.uid);
    await keepDeleted(queries, "stream", { ...row, time: new Date(now()) });
    await deleteRow(queries, row.uid);
    return { unready, kept };
  });
  await refresh();
  await purger.purge(unready);
  await settleUsage(catalog, name, kept);
}

/** Waits for what the logs hold to be counted. Never fails: the stream is deleted, and counting goes on. */
async function settleUsage(
  { waitForCount, logger }: Catalog,
  stream: string,
  logs: readonly LogPlace[],
): Promise<void> {
  try {
    for (const log of logs) if ((await waitForCount?.(log)) === false) return;
  } catch (error) {
    logger.debug("the usage of a deleted stream is counted later", { stream, error });
  }
}

/** Imports what the stream's sinks have staged, as far as it can be; the rest is staged if they come back. */
async function flushStaged(
  { database, masterKey, logger, staged }: Catalog,
  name: string,
  etag: string,
): Promise<void> {
  const sinks = await database.inProject(name, async (queries) => {
    const row = await findStream(queries, name);
    if (!row) throw notFound(name);
    checkEtag(etag, row);
    const uids = await sinkUidsOf(queries, row.uid);
    return uids.length > 0
      ? await readSinks(queries, uids, { masterKey, onSealed: () => undefined })
      : [];
  });
  if (!staged) return;
  const signal = AbortSignal.timeout(FLUSH_MS);
  for (const { status } of await Promise.allSettled(sinks.map((s) => staged.flush(s, signal)))) {
    if (status === "rejected") logger.warn("staged rows wait for an undeletion", { stream: name });
  }
}

/**
 * Brings back the stream of this name that was deleted last, or the one of this uid. Fails as
 * `bringBack` does, and with RESOURCE_NOT_FOUND when there is none.
 */
export async function undeleteStream(
  catalog: Catalog,
  { name, uid }: UndeleteStreamRequest,
): Promise<Stream> {
  checkName(name, "stream");
  const find = async (queries: Queries) => {
    const row = await lockNewestDeleted(queries, name, uid);
    if (!row) throw notFound(`a deleted stream ${uid === "" ? name : `${name} of uid ${uid}`}`);
    return row;
  };
  await bringBack(catalog, name, find);
  const row = await catalog.database.inProject(name, (queries) => findStream(queries, name));
  if (!row) throw notFound(name);
  return streamFromRow(row);
}
