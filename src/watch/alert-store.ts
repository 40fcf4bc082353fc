/** Alerts in the database. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { and, desc, eq, inArray, isNull, like, lt, lte, or, sql } from "drizzle-orm";
import {
  type Alert,
  AlertSchema,
  type Alert_Kind as Kind,
} from "#gen/tributary/management/v1/alert_pb.js";
import { projectOf } from "../core/names.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Queries } from "../db/client.ts";
import { alerts } from "../db/schema.ts";

/** A row of `alerts`. */
export type AlertRow = typeof alerts.$inferSelect;

/** What is new about an alert. */
export type NewAlert = Pick<
  AlertRow,
  | "uid"
  | "projectUid"
  | "sinkUid"
  | "logUid"
  | "sinkName"
  | "kind"
  | "reason"
  | "message"
  | "createTime"
  | "endTime"
>;

/** Open episodes of these sinks and branches. */
export async function listOpenAlerts(
  queries: Queries,
  uids: readonly string[],
): Promise<AlertRow[]> {
  if (uids.length === 0) return [];
  const isOfThem = or(inArray(alerts.sinkUid, [...uids]), inArray(alerts.logUid, [...uids]));
  return await queries
    .select()
    .from(alerts)
    .where(and(isOfThem, isNull(alerts.endTime)));
}

/**
 * Opens an episode, to be told at once; nothing when one is open, when the last one of the kind began
 * after `notBefore`, or when the sink or branch is gone.
 */
export async function openAlert(
  queries: Queries,
  alert: NewAlert,
  notBefore: Date,
): Promise<boolean> {
  const { uid, sinkUid, logUid, sinkName, kind, reason, message } = alert;
  const isOfSink = sinkUid !== null;
  const owners = isOfSink ? sql`tributary.sinks` : sql`tributary.branches`;
  const owner = isOfSink ? sql`sink_uid` : sql`log_uid`;
  const time = alert.createTime.toISOString();
  const end = alert.endTime?.toISOString() ?? null;
  const made = await queries.execute(sql`
    INSERT INTO tributary.alerts (uid, project_uid, ${owner}, sink_name, kind, reason, message,
      create_time, end_time, mail_count, mail_error, webhook_attempts, webhook_error, due_time)
    SELECT ${uid}, s.project_uid, s.uid, ${sinkName}, ${kind}, ${reason}, ${message},
      ${time}::timestamptz, ${end}::timestamptz, 0, '', 0, '', ${time}::timestamptz
    FROM ${owners} s WHERE s.uid = ${sinkUid ?? logUid} AND NOT EXISTS (
      SELECT FROM tributary.alerts a WHERE a.${owner} = s.uid AND a.kind = ${kind}
        AND (a.end_time IS NULL OR a.create_time > ${notBefore.toISOString()}::timestamptz))
    ON CONFLICT DO NOTHING RETURNING uid`);
  return made.length > 0;
}

/** Ends an episode; false when another node has. */
export async function endAlert(queries: Queries, uid: string, time: Date): Promise<boolean> {
  const isOpen = and(eq(alerts.uid, uid), isNull(alerts.endTime));
  const ended = await queries
    .update(alerts)
    .set({ endTime: time })
    .where(isOpen)
    .returning({ uid: alerts.uid });
  return ended.length > 0;
}

/** Takes the alert that waits longest to be told; nobody else gets it before `leaseEnd`. */
export async function takeAlert(
  queries: Queries,
  now: Date,
  leaseEnd: Date,
): Promise<AlertRow | undefined> {
  const [found] = await queries
    .select({ uid: alerts.uid })
    .from(alerts)
    .where(lte(alerts.dueTime, now))
    .orderBy(alerts.dueTime)
    .limit(1)
    .for("update", { skipLocked: true });
  if (!found) return undefined;
  const isIt = eq(alerts.uid, found.uid);
  return (await queries.update(alerts).set({ dueTime: leaseEnd }).where(isIt).returning())[0];
}

/** Keeps what came of telling an alert. */
export async function noteTold(
  queries: Queries,
  uid: string,
  told: Partial<AlertRow> & { readonly dueTime: Date | null },
): Promise<void> {
  await queries.update(alerts).set(told).where(eq(alerts.uid, uid));
}

/** Alerts of a project that were told since a time, this one not counted. */
export async function countAlertsSince(
  queries: Queries,
  { projectUid, uid }: Pick<AlertRow, "projectUid" | "uid">,
  since: Date,
): Promise<number> {
  const found = await queries.execute<{ count: string }>(sql`
    SELECT count(*) AS count FROM tributary.alerts WHERE project_uid = ${projectUid}
      AND uid <> ${uid} AND create_time > ${since.toISOString()}::timestamptz
      AND (mail_count > 0 OR webhook_attempts > 0)`);
  return Number(found[0]?.count ?? 0);
}

/** Forgets alerts that are over and older than a time. */
export async function forgetAlerts(queries: Queries, before: Date): Promise<void> {
  const isOver = and(lt(alerts.createTime, before), sql`${alerts.endTime} IS NOT NULL`);
  await queries.delete(alerts).where(isOver);
}

/** A page of the alerts of a project, newest first, with one row more than it holds. */
export async function listAlertRows(
  queries: Queries,
  projectUid: string,
  options: { readonly page: PageRequest; readonly resource: string; readonly isOpen: boolean },
): Promise<AlertRow[]> {
  const { page, resource, isOpen } = options;
  const { after } = page;
  const isBelow = or(eq(alerts.sinkName, resource), like(alerts.sinkName, `${resource}/%`));
  return await queries
    .select()
    .from(alerts)
    .where(
      and(
        eq(alerts.projectUid, projectUid),
        after &&
          sql`(${alerts.createTime}, ${alerts.uid}) < (${new Date(after.timeMs).toISOString()}::timestamptz, ${after.uid})`,
        resource === "" ? undefined : isBelow,
        isOpen ? isNull(alerts.endTime) : undefined,
      ),
    )
    .orderBy(desc(alerts.createTime), desc(alerts.uid))
    .limit(page.size + 1);
}

/** The alert as callers see it. */
export function alertFromRow(row: AlertRow): Alert {
  return create(AlertSchema, {
    name: `${projectOf(row.sinkName)}/alerts/${row.uid}`,
    kind: row.kind as Kind,
    ...(row.logUid === null ? { sink: row.sinkName } : { branch: row.sinkName }),
    reason: row.reason,
    message: row.message,
    createTime: timestampFromDate(row.createTime),
    ...(row.endTime && { endTime: timestampFromDate(row.endTime) }),
    mailCount: row.mailCount,
    mailError: row.mailError,
    webhookAttempts: row.webhookAttempts,
    webhookError: row.webhookError,
    ...(row.webhookTime && { webhookTime: timestampFromDate(row.webhookTime) }),
  });
}
