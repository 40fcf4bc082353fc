/** The account of a project: credits and refunds, which are only ever added, and charges by day. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { sql } from "drizzle-orm";
import {
  type LedgerEntry,
  LedgerEntry_Kind,
  LedgerEntrySchema,
} from "#gen/tributary/management/v1/usage_pb.js";
import { fail } from "../core/errors.ts";
import { makePage, type PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import type { Account } from "./account.ts";

/** A line to add. */
export interface NewEntry {
  readonly uid: string;
  readonly kind: LedgerEntry_Kind;
  readonly amountMicros: bigint;
  readonly day: string | undefined;
  readonly records: bigint;
  readonly note: string;
  readonly principalId: string;
  /** Empty for none. */
  readonly requestId: string;
  readonly createTimeMs: number;
}

/** What a refund takes back. */
export interface RefundAsk {
  readonly day: string;
  readonly records: bigint;
}

type EntryRow = {
  uid: string;
  kind: number;
  amount_micros: string;
  stream_name: string | null;
  day: string | null;
  records: string;
  note: string;
  principal_id: string;
  time_ms: string;
};

const COLUMNS = sql`uid, kind, amount_micros, stream_name, to_char(day, 'YYYY-MM-DD') AS day,
  records, note, principal_id, round(extract(epoch FROM create_time) * 1000)::bigint AS time_ms`;

/** The line that an earlier call with the same request id made. */
export async function findEntry(
  queries: Queries,
  { projectUid }: Account,
  requestId: string,
): Promise<LedgerEntry | undefined> {
  if (requestId === "") return undefined;
  const [row] = await queries.execute<EntryRow>(sql`
    SELECT ${COLUMNS} FROM tributary.ledger_entries
    WHERE project_uid = ${projectUid} AND request_id = ${requestId}`);
  return row && entryOf(row);
}

/** Adds a line; when the request id is taken meanwhile, the line of that call is the answer. */
export async function addEntry(
  queries: Queries,
  account: Account,
  entry: NewEntry,
): Promise<LedgerEntry> {
  const [row] = await queries.execute<EntryRow>(sql`
    INSERT INTO tributary.ledger_entries (uid, project_uid, project_name, kind, amount_micros,
      stream_name, day, records, note, principal_id, request_id, create_time)
    VALUES (${entry.uid}, ${account.projectUid}, ${account.project}, ${entry.kind},
      ${entry.amountMicros.toString()}::bigint, ${account.stream ?? null},
      ${entry.day ?? null}::date, ${entry.records.toString()}::bigint, ${entry.note},
      ${entry.principalId}, ${entry.requestId || null},
      ${new Date(entry.createTimeMs).toISOString()}::timestamptz)
    ON CONFLICT (project_uid, request_id) DO NOTHING RETURNING ${COLUMNS}`);
  return row ? entryOf(row) : (await findEntry(queries, account, entry.requestId))!;
}

/**
 * What a refund gives back, in millionths of a credit. Locks the day, so refunds side by side take no
 * record twice. Fails with REFUND_UNAUTHENTICATED and REFUND_TOO_LARGE.
 */
export async function priceRefund(
  queries: Queries,
  account: Account,
  { day, records }: RefundAsk,
): Promise<bigint> {
  const isDay = sql`project_uid = ${account.projectUid} AND stream_name = ${account.stream}
    AND day = ${day}::date`;
  await queries.execute(sql`SELECT 1 FROM tributary.usage_days WHERE ${isDay} FOR UPDATE`);
  const [back] = await queries.execute<Record<"records" | "amount", string>>(sql`
    SELECT coalesce(sum(records), 0) AS records, coalesce(sum(amount_micros), 0) AS amount
    FROM tributary.ledger_entries WHERE ${isDay} AND kind = ${LedgerEntry_Kind.REFUND}`);
  const refunded = BigInt(back!.records);
  const [used] = await queries.execute<Record<"all" | "open" | "price", string>>(sql`
    SELECT coalesce(sum(records), 0) AS all, coalesce(sum(unauthenticated_records), 0) AS open,
      round(coalesce(sum(charge - unauthenticated_charge), 0)
        * ${(refunded + records).toString()}::numeric
        / greatest(sum(records - unauthenticated_records), 1)) AS price
    FROM tributary.usage_days WHERE ${isDay}`);
  const [all, open] = [BigInt(used!.all), BigInt(used!.open)];
  if (refunded + records > all - open) throw refuse({ all, open, refunded, records }, day);
  return BigInt(used!.price) - BigInt(back!.amount);
}

function refuse(
  count: { all: bigint; open: bigint; refunded: bigint; records: bigint },
  day: string,
) {
  const { all, open, refunded, records } = count;
  const left = all - open - refunded;
  const metadata = {
    acceptedRecords: String(all),
    unauthenticatedRecords: String(open),
    refundedRecords: String(refunded),
    refundableRecords: String(left),
  };
  if (open > 0n && refunded + records <= all) {
    const text =
      `${open} of the ${all} records of ${day} were taken without authentication, and those are ` +
      `never refunded: refund at most ${left} records`;
    return fail("REFUND_UNAUTHENTICATED", text, { metadata });
  }
  const text = `${all} records were accepted on ${day}, of which ${left} may still be refunded`;
  return fail("REFUND_TOO_LARGE", text, { metadata });
}

/** A page of the account, newest first. */
export async function listEntries(queries: Queries, account: Account, page: PageRequest) {
  const { after } = page;
  const beyond = after
    ? sql`(create_time, uid) < (${new Date(after.timeMs).toISOString()}::timestamptz, ${after.uid})`
    : sql`true`;
  const rows = await queries.execute<EntryRow>(sql`
    SELECT ${COLUMNS} FROM (
      SELECT uid, kind, amount_micros, stream_name, day, records, note, principal_id, create_time
      FROM tributary.ledger_entries WHERE project_uid = ${account.projectUid}
      UNION ALL
      SELECT stream_uid || '-' || to_char(day, 'YYYYMMDD'), ${LedgerEntry_Kind.CHARGE},
        -round(charge)::bigint, stream_name, day, records, '', '',
        day::timestamp AT TIME ZONE 'UTC'
      FROM tributary.usage_days WHERE project_uid = ${account.projectUid}
        -- A day on which files were archived only has no line.
        AND (records > 0 OR charge > 0)
    ) AS entries
    WHERE ${beyond} ORDER BY create_time DESC, uid DESC LIMIT ${page.size + 1}`);
  const made = makePage(page, [...rows], (row) => ({ timeMs: Number(row.time_ms), uid: row.uid }));
  return { entries: made.rows.map(entryOf), nextPageToken: made.nextPageToken };
}

function entryOf(row: EntryRow): LedgerEntry {
  return create(LedgerEntrySchema, {
    uid: row.uid,
    kind: row.kind,
    amountMicros: BigInt(row.amount_micros),
    stream: row.stream_name ?? "",
    day: row.day ?? "",
    records: BigInt(row.records),
    note: row.note,
    principal: row.principal_id,
    createTime: timestampFromMs(Number(row.time_ms)),
  });
}
