/**
 * The side of a staged table export that fills the table: one transaction of COPYs, closed by a mark of
 * how far the staging was imported. The mark stands among the cursors, so whoever imports the same rows
 * again, also another node after a crash, finds them done.
 */
import type { PostgresSink } from "#gen/tributary/management/v1/sink_pb.js";
import { Field_Type } from "#gen/tributary/management/v1/stream_pb.js";
import type { ConfigOf, RejectedPlace, SinkEnvironment } from "../sink.ts";
import { SinkFault } from "../sink-fault.ts";
import {
  type StagedBatch,
  type StagedChunk,
  type StagedColumn,
  type StagingLimits,
  TargetBehind,
} from "../staging.ts";
import { checkPostgres } from "./check.ts";
import { type Column, settleKey } from "./columns.ts";
import { type CopyPart, Fenced } from "./copy-query.ts";
import { DELIVERY } from "./cursor-statements.ts";
import { claimCursor, createCursorTable, readState } from "./cursor-table.ts";
import { parseDatabaseUrl } from "./database-url.ts";
import { isDataError, sqlStateOf, toSinkFault } from "./fault.ts";
import { TooManyBadRows } from "./good-rows.ts";
import { importGoodRows } from "./import-good-rows.ts";
import { destinationOf } from "./open-sink.ts";
import { createStagedLines } from "./staged-lines.ts";
import { buildImport } from "./statements.ts";
import { prepareTable } from "./table.ts";
import { acquireTarget, type Session } from "./target.ts";
import { createTombstones, tombstonesOf } from "./tombstones.ts";

/** Partitions are counted from 0: this row of the cursors is the staging's. */
const IMPORT_PARTITION = -1;
/** Times that another node may come first. */
const ATTEMPTS_MAX = 3;

/** Conditions where nothing is said. */
const DEFAULTS: StagingLimits = { timeMs: 300_000, bytes: 5 * 1024 * 1024, count: 1_000 };

/** The conditions of a sink that stages. */
export function stagingLimits({ staging }: PostgresSink): StagingLimits | undefined {
  if (!staging) return undefined;
  const { time } = staging;
  return {
    timeMs: time ? Number(time.seconds) * 1_000 + time.nanos / 1e6 : DEFAULTS.timeMs,
    bytes: Number(staging.size) || DEFAULTS.bytes,
    count: Number(staging.count) || DEFAULTS.count,
  };
}

/** As StagingDriver.import. */
export async function importStaged(
  { config: saved, newest }: { config: ConfigOf<"postgres">; newest: ConfigOf<"postgres"> },
  env: SinkEnvironment,
  { batch, signal }: { readonly batch: StagedBatch; readonly signal: AbortSignal },
): Promise<readonly RejectedPlace[]> {
  const config = settleKey(saved, env.schema);
  const [fault] = checkPostgres(config, env.schema);
  if (fault) throw new SinkFault("CONFIG_INVALID", `${fault.field} ${fault.description}`);
  const { address, guard, scope } = destinationOf(wayTo(config, newest), env);
  const target = acquireTarget(address, guard, scope);
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await target.use(signal, (session) => importInto(session, { config, env, batch }));
      } catch (error) {
        if (!(error instanceof Fenced) || attempt === ATTEMPTS_MAX) throw error;
      }
    }
  } catch (error) {
    if (error instanceof Fenced) {
      throw new SinkFault("CONFLICT", "another node imports the same rows", { cause: error });
    }
    if (error instanceof TooManyBadRows) {
      const why = "Postgres refuses many of the staged rows";
      throw new SinkFault("ROWS_REFUSED", why, { cause: error });
    }
    throw isDataError(error) ? refusedFault(error) : toSinkFault(error);
  } finally {
    await target.release();
  }
}

/** An old version's database is reached as the newest one says, which may know a newer password. */
function wayTo(config: PostgresSink, newest: PostgresSink): PostgresSink {
  const [old, now] = [parseDatabaseUrl(config.databaseUrl), parseDatabaseUrl(newest.databaseUrl)];
  if (typeof old === "string" || typeof now === "string") return config;
  const isSame = old.host === now.host && old.port === now.port && old.database === now.database;
  return isSame ? newest : config;
}

interface ImportJob {
  readonly config: PostgresSink;
  readonly env: SinkEnvironment;
  readonly batch: StagedBatch;
}

async function importInto(session: Session, job: ImportJob): Promise<readonly RejectedPlace[]> {
  const { run, copy } = session;
  const { config, env, batch } = job;
  await createCursorTable(run);
  const claimed = await claimCursor(run, env, { partition: IMPORT_PARTITION, epoch: 0 });
  const done = sequenceOf(claimed.requestId, batch);
  if (done < batch.imported && isOurs(claimed.requestId, batch)) {
    const kept = await readState(run, env.sinkUid, IMPORT_PARTITION);
    throw new TargetBehind(done, kept?.requestId ? kept.updatedMs : undefined);
  }
  const chunks = batch.chunks.filter((chunk) => chunk.sequence > done);
  const last = chunks.at(-1);
  // Rows that an import refused whose answer never came are told again.
  const before = chunks.length < batch.chunks.length ? (claimed.kept?.rejects ?? []) : [];
  if (!last) return before;
  const groups = groupByColumns(chunks);
  for (const { columns } of groups) {
    await prepareTable(run, config, columns);
    await createTombstones(run, tombstonesOf(config, { schema: env.schema, columns }));
  }
  const mark = `${batch.identity}:${last.sequence}`;
  const partition = String(IMPORT_PARTITION);
  const values = [env.sinkUid, partition, "0", mark, claimed.requestId, Buffer.alloc(0)];
  const fence = { text: DELIVERY.fence, values };
  const parts = groups.map(({ columns, isReplay, chunks: together }) => ({
    statements: buildImport(config, { columns, schema: env.schema, isReplay }),
    lines: createStagedLines(together),
  }));
  try {
    await copy({
      fence,
      parts: parts.map(({ statements, lines }): CopyPart => ({ ...statements, feed: lines.feed })),
    });
    return before;
  } catch (error) {
    if (!isDataError(error) || !batch.isRefusalAllowed) throw error;
    const refused = await importGoodRows(session, { sinkUid: env.sinkUid, fence, parts });
    return [...before, ...refused];
  }
}

/** How far this staging was imported, as the target remembers it; a restored one only as far as it is the same. */
function sequenceOf(mark: string | null, { identity, former }: StagedBatch): number {
  const [, name, text] = /^(.*):(\d+)$/.exec(mark ?? "") ?? [];
  const sequence = Number(text ?? 0);
  if (name === identity) return sequence;
  const before = former.find((other) => other.identity === name);
  return before ? Math.min(sequence, before.lastSequence) : 0;
}

/** Whether the mark, or that there is none, says how far this staging was imported. */
function isOurs(mark: string | null, { identity, former }: StagedBatch): boolean {
  const name = mark?.slice(0, mark.lastIndexOf(":"));
  return mark === null || name === identity || former.some((other) => other.identity === name);
}

interface Group {
  readonly isReplay: boolean;
  readonly columns: readonly Column[];
  readonly chunks: StagedChunk[];
}

/** Chunks in their order; those with the same columns that follow each other are copied together. */
function groupByColumns(chunks: readonly StagedChunk[]): Group[] {
  const groups: (Group & { readonly text: string })[] = [];
  for (const chunk of chunks) {
    const { isReplay } = chunk;
    const text = JSON.stringify([isReplay, chunk.columns]);
    const group = groups.at(-1);
    if (group?.text === text) group.chunks.push(chunk);
    else groups.push({ text, isReplay, columns: chunk.columns.map(columnOf), chunks: [chunk] });
  }
  return groups;
}

function columnOf({ name, sqlType, isNullable, isStored }: StagedColumn): Column {
  const type = Field_Type.STRING;
  return { name, sqlType, isNullable, isStored, source: "field", type };
}

function refusedFault(error: unknown): SinkFault {
  const { message } = error as Error;
  const why = `Postgres refuses a staged row: ${message} (SQLSTATE ${sqlStateOf(error)})`;
  return new SinkFault("ROWS_REFUSED", why, { cause: error });
}
