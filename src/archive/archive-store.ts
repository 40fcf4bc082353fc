/** Archives in the database: how far each is, and the manifest of its files. */
import { and, asc, eq, gte, inArray, isNotNull, isNull, lt, max, min, sql } from "drizzle-orm";
import type { Database, Queries } from "../db/client.ts";
import { archiveFiles, archives, branches, deletedRows, streams } from "../db/schema.ts";

/** A row of `archives`. */
export type ArchiveRow = typeof archives.$inferSelect;
/** A row of `archive_files`. */
export type FileRow = typeof archiveFiles.$inferSelect;

/** Files that are looked at at once. */
const FILES_MAX = 100;

/** What an archive reaches over: first and last sequence. */
export interface ArchiveSpan {
  readonly first: number;
  readonly last: number;
}

/** A file that is about to be made. */
export interface PlannedFile {
  readonly logUid: string;
  readonly from: number;
  readonly to: number;
  readonly schemaVersion: number;
}

/** Which files go. */
export interface ExpiryLimits {
  readonly before: Date;
  readonly below: number;
  readonly now: Date;
}

/** What the archiver and readers ask. All fail with DATABASE_UNAVAILABLE. */
export interface ArchiveStore {
  /** The archive of a log, made when missing with what `create` gives; the place is that of the stream now. */
  open(
    log: { readonly uid: string; readonly streamUid: string },
    create: () => Promise<{ readonly folder: string; readonly nextSequence: number }>,
  ): Promise<ArchiveRow | undefined>;
  find(logUid: string): Promise<ArchiveRow | undefined>;
  /** Notes a file before it is stored. False when another owner is ahead. */
  plan(file: PlannedFile): Promise<boolean>;
  /** Adds a stored file to the manifest, once. False when another owner has done so. */
  commit(file: Omit<FileRow, "projectUid" | "expireTime">): Promise<boolean>;
  /** Goes on behind a planned range that holds no record any more. */
  skip(file: Pick<PlannedFile, "logUid" | "from" | "to">): Promise<void>;
  /** Says why the archive cannot be written; empty when it can. */
  setCause(logUid: string, cause: string, time: Date): Promise<void>;
  /** The file that holds a sequence, or the next one behind it. */
  fileAt(logUid: string, sequence: number): Promise<FileRow | undefined>;
  /** First and last sequence of the files of a log. */
  span(logUid: string): Promise<ArchiveSpan | undefined>;
  /** The first file with a record stored at this time or later. */
  fileSince(logUid: string, time: Date): Promise<FileRow | undefined>;
  /** Last sequence of the files that `expire` would take out of the manifest; undefined for none. */
  lastDue(logUid: string, limits: ExpiryLimits): Promise<number | undefined>;
  /**
   * Takes files out of the manifest whose newest record is older than `before` and stands below a
   * sequence; gives those to delete.
   */
  expire(logUid: string, limits: ExpiryLimits): Promise<FileRow[]>;
  /** Archives of logs that are gone for good. */
  orphans(): Promise<ArchiveRow[]>;
  /** Forgets files that are deleted. */
  forget(files: readonly Pick<FileRow, "logUid" | "fromSequence">[]): Promise<void>;
  /** Forgets an archive without files. */
  drop(logUid: string): Promise<void>;
}

/** Makes the store. */
export function createArchiveStore(database: Database): ArchiveStore {
  const run = <T>(work: (queries: Queries) => Promise<T>) => database.acrossProjects(work);
  return {
    open: (log, create) => open(database, log, create),
    find: (logUid) => run((queries) => findArchive(queries, logUid)),
    plan: ({ logUid, from, to, schemaVersion }) =>
      run(async (queries) => {
        const planned = await queries
          .update(archives)
          .set({ plannedSequence: to, plannedSchemaVersion: schemaVersion })
          .where(
            and(
              eq(archives.logUid, logUid),
              eq(archives.nextSequence, from),
              isNull(archives.plannedSequence),
            ),
          )
          .returning();
        return planned.length > 0;
      }),
    commit: (file) => run((queries) => commit(queries, file)),
    skip: (range) =>
      run(async (queries) => {
        await advance(queries, range, {});
      }),
    setCause: (logUid, cause, time) =>
      run(async (queries) => {
        const causeTime =
          cause === "" ? null : sql`coalesce(${archives.causeTime}, ${time.toISOString()})`;
        await queries.update(archives).set({ cause, causeTime }).where(eq(archives.logUid, logUid));
      }),
    fileAt: (logUid, sequence) =>
      run((queries) => firstFile(queries, logUid, gte(archiveFiles.toSequence, sequence))),
    span: (logUid) => run((queries) => findSpan(queries, logUid)),
    fileSince: (logUid, time) =>
      run((queries) => firstFile(queries, logUid, gte(archiveFiles.lastTime, time))),
    lastDue: (logUid, limits) =>
      run(async (queries) => {
        const [found] = await queries
          .select({ last: max(archiveFiles.toSequence) })
          .from(archiveFiles)
          .where(isDue(logUid, limits));
        return found?.last ?? undefined;
      }),
    expire: (logUid, limits) => run((queries) => expire(queries, logUid, limits)),
    orphans: () =>
      run((queries) =>
        queries
          .select()
          .from(archives)
          .where(
            sql`NOT EXISTS (SELECT FROM ${branches} WHERE ${branches.uid} = ${archives.logUid})
              AND NOT EXISTS (SELECT FROM ${deletedRows} WHERE ${deletedRows.tableName} = 'branches'
                AND ${deletedRows.content} ->> 'uid' = ${archives.logUid})`,
          )
          .limit(FILES_MAX),
      ),
    forget: (files) =>
      run(async (queries) => {
        const [first] = files;
        if (!first) return;
        const sequences = files.map((file) => file.fromSequence);
        const isOne = inArray(archiveFiles.fromSequence, sequences);
        await queries.delete(archiveFiles).where(and(eq(archiveFiles.logUid, first.logUid), isOne));
      }),
    drop: (logUid) =>
      run(async (queries) => {
        await queries.delete(archives).where(eq(archives.logUid, logUid));
      }),
  };
}

async function findArchive(queries: Queries, logUid: string): Promise<ArchiveRow | undefined> {
  return (await queries.select().from(archives).where(eq(archives.logUid, logUid)))[0];
}

/** The archive with the place and secret that its stream has now; undefined when the stream has none. */
async function open(
  database: Database,
  { uid, streamUid }: { readonly uid: string; readonly streamUid: string },
  create: () => Promise<{ readonly folder: string; readonly nextSequence: number }>,
): Promise<ArchiveRow | undefined> {
  const read = () =>
    database.acrossProjects(async (queries) => {
      const [stream] = await queries.select().from(streams).where(eq(streams.uid, streamUid));
      return { stream, row: await findArchive(queries, uid) };
    });
  const { stream, row } = await read();
  if (!stream?.archive || !stream.isArchived) return undefined;
  const { archive, sealedArchiveSecret } = stream;
  const made = row ?? (await create());
  return await database.acrossProjects(async (queries) => {
    const values = { archive, sealedArchiveSecret };
    await queries
      .insert(archives)
      .values({
        ...values,
        logUid: uid,
        streamUid,
        projectUid: stream.projectUid,
        folder: made.folder,
        nextSequence: made.nextSequence,
      })
      .onConflictDoUpdate({ target: archives.logUid, set: values });
    return await findArchive(queries, uid);
  });
}

type Range = Pick<PlannedFile, "logUid" | "from" | "to">;

async function advance(queries: Queries, { logUid, from, to }: Range, values: Partial<ArchiveRow>) {
  const isPlanned = and(
    eq(archives.logUid, logUid),
    eq(archives.nextSequence, from),
    eq(archives.plannedSequence, to),
  );
  const next = { nextSequence: to + 1, plannedSequence: null, plannedSchemaVersion: null };
  return await queries
    .update(archives)
    .set({ ...next, ...values })
    .where(isPlanned)
    .returning();
}

async function commit(
  queries: Queries,
  file: Omit<FileRow, "projectUid" | "expireTime">,
): Promise<boolean> {
  const { logUid, fromSequence: from, toSequence: to } = file;
  const [row] = await advance(queries, { logUid, from, to }, { cause: "", causeTime: null });
  if (!row) return false;
  await queries.insert(archiveFiles).values({ ...file, projectUid: row.projectUid });
  return true;
}

async function firstFile(queries: Queries, logUid: string, condition: ReturnType<typeof gte>) {
  const [file] = await queries
    .select()
    .from(archiveFiles)
    .where(and(eq(archiveFiles.logUid, logUid), isNull(archiveFiles.expireTime), condition))
    .orderBy(asc(archiveFiles.fromSequence))
    .limit(1);
  return file;
}

async function findSpan(queries: Queries, logUid: string): Promise<ArchiveSpan | undefined> {
  const [found] = await queries
    .select({ first: min(archiveFiles.fromSequence), last: max(archiveFiles.toSequence) })
    .from(archiveFiles)
    .where(and(eq(archiveFiles.logUid, logUid), isNull(archiveFiles.expireTime)));
  const { first, last } = found ?? {};
  return typeof first === "number" && typeof last === "number" ? { first, last } : undefined;
}

function isDue(logUid: string, { before, below }: ExpiryLimits) {
  return and(
    eq(archiveFiles.logUid, logUid),
    isNull(archiveFiles.expireTime),
    lt(archiveFiles.lastTime, before),
    lt(archiveFiles.toSequence, Math.min(below, Number.MAX_SAFE_INTEGER)),
  );
}

async function expire(queries: Queries, logUid: string, limits: ExpiryLimits): Promise<FileRow[]> {
  await queries.update(archiveFiles).set({ expireTime: limits.now }).where(isDue(logUid, limits));
  return await queries
    .select()
    .from(archiveFiles)
    .where(and(eq(archiveFiles.logUid, logUid), isNotNull(archiveFiles.expireTime)))
    .limit(FILES_MAX);
}
