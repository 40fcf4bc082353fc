/** Reads usage and balances. A project or stream that is gone keeps its account, under its last name. */
import { create } from "@bufbuild/protobuf";
import { type SQL, sql } from "drizzle-orm";
import {
  type Balance,
  BalanceSchema,
  type StreamUsage,
  StreamUsageSchema,
  type UsageDay,
  UsageDaySchema,
  type UsageTotals,
  UsageTotalsSchema,
} from "#gen/tributary/management/v1/usage_pb.js";
import { notFound } from "../core/errors.ts";
import { projectOf, streamOf } from "../core/names.ts";
import type { Queries } from "../db/client.ts";

/** Whose account: a project, or one of its streams. */
export interface Account {
  readonly projectUid: string;
  readonly project: string;
  /** Undefined for the whole project. */
  readonly stream: string | undefined;
}

/** First and last day, as `2026-01-31`. */
export interface DayRange {
  readonly first: string;
  readonly last: string;
}

const STREAMS_MAX = 1_000;

const TOTALS = sql`
  coalesce(sum(records), 0) AS records, coalesce(sum(bytes), 0) AS bytes,
  coalesce(sum(unauthenticated_records), 0) AS unauthenticated_records,
  coalesce(sum(unauthenticated_bytes), 0) AS unauthenticated_bytes,
  round(coalesce(sum(charge), 0)) AS charge_micros,
  coalesce(sum(archived_bytes), 0) AS archived_bytes`;

type TotalsRow = Record<
  | "records"
  | "bytes"
  | "unauthenticated_records"
  | "unauthenticated_bytes"
  | "charge_micros"
  | "archived_bytes",
  string
>;

/** The account of a name. Fails with RESOURCE_NOT_FOUND when there is and was no such project or stream. */
export async function findAccount(queries: Queries, name: string): Promise<Account> {
  const project = projectOf(name);
  const stream = streamOf(name);
  if (!project || (stream ?? project) !== name) throw notFound(name);
  const rows = await queries.execute<{ uid: string }>(sql`
    SELECT uid FROM tributary.projects WHERE name = ${project}
    UNION ALL (SELECT project_uid FROM tributary.usage_days
      WHERE project_name = ${project} ORDER BY day DESC LIMIT 1)
    LIMIT 1`);
  const projectUid = rows[0]?.uid;
  if (projectUid === undefined) throw notFound(name);
  if (stream) {
    const known = await queries.execute(sql`
      SELECT 1 FROM tributary.usage_logs
      WHERE project_uid = ${projectUid} AND stream_name = ${stream} LIMIT 1`);
    if (known.length === 0) throw notFound(name);
  }
  return { projectUid, project, stream };
}

/** What was accepted in these days. */
export async function readUsage(
  queries: Queries,
  account: Account,
  { first, last }: DayRange,
): Promise<{ days: UsageDay[]; streams: StreamUsage[]; totals: UsageTotals }> {
  const where = sql`${whereOf(account)} AND day BETWEEN ${first}::date AND ${last}::date`;
  const days = await queries.execute<TotalsRow & { day: string }>(sql`
    SELECT to_char(day, 'YYYY-MM-DD') AS day, ${TOTALS} FROM tributary.usage_days
    WHERE ${where} GROUP BY 1 ORDER BY 1`);
  const streams = await queries.execute<TotalsRow & { stream: string }>(sql`
    SELECT stream_name AS stream, ${TOTALS} FROM tributary.usage_days
    WHERE ${where} GROUP BY 1 ORDER BY sum(bytes) DESC, 1 LIMIT ${STREAMS_MAX}`);
  const [all] = await queries.execute<TotalsRow>(sql`
    SELECT ${TOTALS} FROM tributary.usage_days WHERE ${where}`);
  return {
    days: days.map((row) => create(UsageDaySchema, { day: row.day, totals: totalsOf(row) })),
    streams: account.stream
      ? []
      : streams.map(({ stream, ...row }) =>
          create(StreamUsageSchema, { stream, totals: totalsOf(row) }),
        ),
    totals: totalsOf(all!),
  };
}

/** What is left, or what a stream has cost. */
export async function readBalance(queries: Queries, account: Account): Promise<Balance> {
  const [used] = await queries.execute<TotalsRow>(sql`
    SELECT ${TOTALS} FROM tributary.usage_days WHERE ${whereOf(account)}`);
  const [booked] = await queries.execute<Record<"credited" | "refunded", string>>(sql`
    SELECT coalesce(sum(amount_micros) FILTER (WHERE kind = 1), 0) AS credited,
      coalesce(sum(amount_micros) FILTER (WHERE kind = 3), 0) AS refunded
    FROM tributary.ledger_entries WHERE ${whereOf(account)}`);
  const [policy] = await queries.execute<{ stop_when_used: boolean }>(sql`
    SELECT stop_when_used FROM tributary.project_limits WHERE project_uid = ${account.projectUid}`);
  const creditedMicros = BigInt(booked?.credited ?? 0);
  const refundedMicros = BigInt(booked?.refunded ?? 0);
  const totals = totalsOf(used!);
  return create(BalanceSchema, {
    name: account.stream ?? account.project,
    creditedMicros,
    refundedMicros,
    used: totals,
    balanceMicros: creditedMicros + refundedMicros - totals.chargeMicros,
    stopWhenUsed: policy?.stop_when_used ?? false,
  });
}

/** Says whether pushes of the project stop when its balance is used up. */
export async function putBalancePolicy(
  queries: Queries,
  projectUid: string,
  stopWhenUsed: boolean,
): Promise<void> {
  await queries.execute(sql`
    INSERT INTO tributary.project_limits (project_uid, suspend_reason, quotas, stop_when_used)
    SELECT uid, '', '{}', ${stopWhenUsed} FROM tributary.projects WHERE uid = ${projectUid}
    ON CONFLICT (project_uid) DO UPDATE SET stop_when_used = excluded.stop_when_used`);
}

function whereOf({ projectUid, stream }: Account): SQL {
  const isProject = sql`project_uid = ${projectUid}`;
  return stream === undefined ? isProject : sql`${isProject} AND stream_name = ${stream}`;
}

function totalsOf(row: TotalsRow): UsageTotals {
  return create(UsageTotalsSchema, {
    records: BigInt(row.records),
    bytes: BigInt(row.bytes),
    unauthenticatedRecords: BigInt(row.unauthenticated_records),
    unauthenticatedBytes: BigInt(row.unauthenticated_bytes),
    chargeMicros: BigInt(row.charge_micros),
    archivedBytes: BigInt(row.archived_bytes),
  });
}
