/** Announced changes in the database. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { asc, eq, inArray, lt } from "drizzle-orm";
import { type AuditEvent, AuditEventSchema } from "#gen/tributary/management/v1/audit_event_pb.js";
import type { Database } from "../db/client.ts";
import { auditIntents } from "../db/schema.ts";
import { appendEvent } from "./audit-store.ts";

/** Announces: on disk when it resolves. */
export async function insertIntent(database: Database, event: AuditEvent): Promise<void> {
  await database.acrossProjects(async (queries) => {
    await queries.insert(auditIntents).values({
      uid: event.uid,
      createTime: event.createTime ? timestampDate(event.createTime) : new Date(0),
      event: toBinary(AuditEventSchema, event),
    });
  });
}

/** Takes an announcement back. */
export async function deleteIntent(database: Database, uid: string): Promise<void> {
  await database.acrossProjects((queries) =>
    queries.delete(auditIntents).where(eq(auditIntents.uid, uid)),
  );
}

/**
 * Turns up to 100 announcements from before `before` into events; returns their number. Any number
 * of nodes may do it at once.
 */
export async function settleIntents(database: Database, before: Date): Promise<number> {
  return await database.acrossProjects(async (queries) => {
    const rows = await queries
      .select()
      .from(auditIntents)
      .where(lt(auditIntents.createTime, before))
      .orderBy(asc(auditIntents.createTime))
      .limit(100)
      .for("update", { skipLocked: true });
    if (rows.length === 0) return 0;
    for (const { event } of rows) await appendEvent(queries, fromBinary(AuditEventSchema, event));
    const uids = rows.map(({ uid }) => uid);
    await queries.delete(auditIntents).where(inArray(auditIntents.uid, uids));
    return rows.length;
  });
}
