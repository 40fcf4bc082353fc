/**
 * Writes the archive of one log while this node owns its shard. A file is planned in the database before
 * it is stored, with the range of its records and the schema of its columns: so a repeat, also by the
 * next owner, stores the same bytes under the same name, and the manifest takes it once.
 */
import { createHash } from "node:crypto";
import type { ArchiveDefinition, LogDefinition, StreamDefinition } from "../core/definitions.ts";
import type { LogMessage, LogReader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { columnsOf } from "../sinks/parquet/column.ts";
import type { ParquetMaker } from "../sinks/parquet/thread.ts";
import type { ArchiveRow, ArchiveStore, PlannedFile } from "./archive-store.ts";
import type { ArchiveJob } from "./file-job.ts";
import type { ArchivePlace } from "./place.ts";

/** Messages of one read, and of one file at most. */
const READ_MESSAGES = 500;
const FILE_MESSAGES_MAX = 20_000;
const OFF_MS = 5_000;
const JOB_TIMEOUT_MS = 120_000;

/** What writing archives needs. */
export interface ArchiverTools {
  readonly store: ArchiveStore;
  /** The log alone, without archives. */
  readonly log: LogReader;
  readonly openPlace: (row: ArchiveRow) => Promise<ArchivePlace>;
  readonly make: ParquetMaker<ArchiveJob>;
  readonly logger: Logger;
  readonly now: () => number;
}

/** The log that is written. */
export interface ArchivedLog {
  readonly stream: StreamDefinition;
  readonly archive: ArchiveDefinition;
  readonly log: LogDefinition;
}

/** What a step came to: a file was written (there may be more), or when to look again. */
export type ArchiveStep =
  | { readonly kind: "written"; readonly nextSequence: number }
  | { readonly kind: "waiting"; readonly nextSequence: number; readonly dueMs: number };

/** Writes the next file of a log if it is due. Rejects when something could not be reached. */
export async function archiveStep(
  tools: ArchiverTools,
  target: ArchivedLog,
  signal: AbortSignal,
): Promise<ArchiveStep> {
  const { stream, log } = target;
  const row = await tools.store.open({ uid: log.uid, streamUid: stream.uid }, async () => ({
    folder: folderOf(target),
    nextSequence: (await tools.log.info(log)).firstSequence,
  }));
  // The definition in memory is behind: the archive was cleared.
  if (!row) return { kind: "waiting", nextSequence: 0, dueMs: tools.now() + OFF_MS };
  const from = row.nextSequence;
  const batch = await readBatch(tools, target, { row, signal });
  if ("dueMs" in batch) return { kind: "waiting", nextSequence: from, dueMs: batch.dueMs };
  const { to, schemaVersion, messages } = batch;
  const file = { logUid: log.uid, from, to, schemaVersion };
  if (row.plannedSequence === null && !(await tools.store.plan(file))) {
    return { kind: "waiting", nextSequence: from, dueMs: tools.now() };
  }
  signal.throwIfAborted();
  if (messages.length === 0) await tools.store.skip(file);
  else await storeFile(tools, target, { row, file, messages });
  return { kind: "written", nextSequence: to + 1 };
}

/** What the names of a log's files begin with. */
function folderOf({ stream, log }: ArchivedLog): string {
  const [, project, , id] = stream.name.split("/");
  return `${project}/${id}/${log.branch}-${log.uid}/`;
}

interface Batch {
  readonly to: number;
  readonly schemaVersion: number;
  readonly messages: readonly LogMessage[];
}

/** The messages of the file that was planned, or of the next one; or when that is due. */
async function readBatch(
  { log: reader, now }: ArchiverTools,
  { stream, archive, log }: ArchivedLog,
  { row, signal }: { readonly row: ArchiveRow; readonly signal: AbortSignal },
): Promise<Batch | { readonly dueMs: number }> {
  const planned = row.plannedSequence ?? undefined;
  const messages: LogMessage[] = [];
  let bytes = 0;
  const isFull = () =>
    planned === undefined && (bytes >= archive.fileBytes || messages.length >= FILE_MESSAGES_MAX);
  for (let fromSequence = row.nextSequence; !isFull(); ) {
    const some = await reader.read(log, {
      fromSequence,
      maxMessages: READ_MESSAGES,
      maxBytes: Math.min(archive.fileBytes, 4 * 1024 * 1024),
      signal,
    });
    if (some.length === 0) break;
    for (const message of some) {
      if (planned === undefined ? isFull() : message.sequence > planned) break;
      messages.push(message);
      bytes += message.data.length;
    }
    fromSequence = some.at(-1)!.sequence + 1;
    if (planned !== undefined && fromSequence > planned) break;
  }
  if (planned !== undefined) {
    const schemaVersion = row.plannedSchemaVersion ?? stream.schemaVersion;
    return { to: planned, schemaVersion, messages };
  }
  const [first] = messages;
  if (!first) return { dueMs: Number.POSITIVE_INFINITY };
  const dueMs = first.timeMs + archive.fileMs;
  if (!isFull() && dueMs > now()) return { dueMs };
  return { to: messages.at(-1)!.sequence, schemaVersion: stream.schemaVersion, messages };
}

async function storeFile(
  { store, make, openPlace, logger, now }: ArchiverTools,
  { stream, log }: ArchivedLog,
  { row, file, messages }: { row: ArchiveRow; file: PlannedFile; messages: readonly LogMessage[] },
): Promise<void> {
  const versions = [stream, ...stream.history];
  const version = versions.find((each) => each.schemaVersion === file.schemaVersion) ?? stream;
  const job: ArchiveJob = {
    logUid: log.uid,
    logName: `${stream.name}/branches/${log.branch}`,
    fields: columnsOf(version.schema),
    messages: messages.map(({ sequence, partition, generation, timeMs, data }) => ({
      sequence,
      partition,
      generation,
      timeMs,
      data,
    })),
  };
  const { bytes, rows } = await make(job, AbortSignal.timeout(JOB_TIMEOUT_MS));
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = fileName(row, file.to);
  const place = await openPlace(row);
  try {
    await place.put(name, body);
  } finally {
    place.close();
  }
  const times = messages.map(({ timeMs }) => timeMs);
  const isNew = await store.commit({
    logUid: log.uid,
    fromSequence: file.from,
    toSequence: file.to,
    name,
    records: rows,
    bytes: body.length,
    sha256: createHash("sha256").update(body).digest(),
    firstTime: new Date(Math.min(...times)),
    lastTime: new Date(Math.ceil(Math.max(...times))),
    createTime: new Date(now()),
  });
  logger.debug("a file of an archive was written", { name, bytes: body.length, isNew });
}

/** Name of the file that begins where an archive ends. */
export function fileName(
  { folder, nextSequence }: Pick<ArchiveRow, "folder" | "nextSequence">,
  to: number,
): string {
  return `${folder}${pad(nextSequence)}-${pad(to)}.parquet`;
}

function pad(sequence: number): string {
  return String(sequence).padStart(16, "0");
}
