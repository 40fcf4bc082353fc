/** Records of logs that are gone although nobody removed them, as they are kept. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { desc, inArray, lt, sql } from "drizzle-orm";
import { type LogLoss, LogLossSchema } from "#gen/tributary/management/v1/log_loss_pb.js";
import type { Queries } from "./client.ts";
import { logLosses } from "./schema.ts";

/** A row of `log_losses`. */
export type LogLossRow = typeof logLosses.$inferSelect;

const KEPT_MS = 30 * 24 * 3_600_000;
/** Of one log that are shown. */
const SHOWN_MAX = 10;
const READ_MAX = 10_000;

/** Keeps losses of logs whose project is there, each once, and forgets old ones. */
export async function insertLogLosses(
  queries: Queries,
  rows: readonly LogLossRow[],
  now: Date,
): Promise<void> {
  await queries
    .delete(logLosses)
    .where(lt(logLosses.createTime, new Date(now.getTime() - KEPT_MS)));
  for (const row of rows) {
    await queries.execute(sql`
      INSERT INTO tributary.log_losses (log_uid, witness, project_uid, first_sequence, last_sequence,
        batches, message, create_time)
      SELECT ${row.logUid}, ${row.witness}, p.uid, ${row.firstSequence}, ${row.lastSequence},
        ${row.batches}, ${row.message}, ${row.createTime.toISOString()}::timestamptz
      FROM tributary.projects p WHERE p.uid = ${row.projectUid}
      ON CONFLICT DO NOTHING`);
  }
}

/** Losses of these logs (of all when not given), newest first, by log: at most ten of each. */
export async function readLogLosses(
  queries: Queries,
  logUids?: readonly string[],
): Promise<Map<string, LogLoss[]>> {
  const rows = await queries
    .select()
    .from(logLosses)
    .where(logUids && inArray(logLosses.logUid, [...logUids]))
    .orderBy(desc(logLosses.createTime))
    .limit(READ_MAX);
  const byLog = new Map<string, LogLoss[]>();
  for (const row of rows) {
    const own = byLog.get(row.logUid) ?? [];
    byLog.set(row.logUid, own);
    if (own.length < SHOWN_MAX) own.push(logLossFromRow(row));
  }
  return byLog;
}

function logLossFromRow(row: LogLossRow): LogLoss {
  return create(LogLossSchema, {
    firstSequence: BigInt(row.firstSequence),
    lastSequence: BigInt(row.lastSequence),
    batches: BigInt(row.batches),
    findTime: timestampFromDate(row.createTime),
    message: row.message,
  });
}
