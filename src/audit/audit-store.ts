/** Audit events in the database. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { and, asc, desc, eq, gte, like, lt, or, type SQL, sql } from "drizzle-orm";
import { type AuditEvent, AuditEventSchema } from "#gen/tributary/management/v1/audit_event_pb.js";
import type { AuditEventFilter } from "#gen/tributary/management/v1/audit_service_pb.js";
import { projectOf } from "../core/names.ts";
import type { PageRequest } from "../core/page-token.ts";
import type { Database, Queries } from "../db/client.ts";
import { auditEvents, auditIntents } from "../db/schema.ts";

/** A row of `audit_events`. */
export type AuditRow = typeof auditEvents.$inferSelect;

/** The event as callers see it. */
export function eventFromRow(row: AuditRow): AuditEvent {
  const event = fromBinary(AuditEventSchema, row.event);
  return Object.assign(event, { number: BigInt(row.number), hash: row.hash });
}

/**
 * Appends an event to the chain of the project that its resource lies in, or to the installation's
 * where there is no such project (any more); and removes the announcement that it settles.
 */
export async function insertEvent(
  database: Database,
  event: AuditEvent,
  intentUid?: string,
): Promise<void> {
  await database.acrossProjects(async (queries) => {
    if (intentUid !== undefined) {
      await queries.delete(auditIntents).where(eq(auditIntents.uid, intentUid));
    }
    await appendEvent(queries, event);
  });
}

/** The same within a transaction above projects. */
export async function appendEvent(queries: Queries, event: AuditEvent): Promise<void> {
  const project = projectOf(event.resource) ?? "";
  await queries.execute(sql`INSERT INTO ${auditEvents} ${columns}
    SELECT coalesce(p.uid, ''), p.uid, ${valuesOf(event)}
    FROM (SELECT) AS one LEFT JOIN tributary.projects p ON p.name = ${project}`);
}

/** Appends an event to a chain, also to that of a project which is gone. */
export async function appendToChain(
  queries: Queries,
  chain: string,
  event: AuditEvent,
): Promise<void> {
  await queries.execute(sql`INSERT INTO ${auditEvents} ${columns}
    VALUES (${chain}, ${chain === "" ? null : chain}, ${valuesOf(event)})`);
}

const columns = sql`(chain, project_uid, uid, actor_id, method, resource, code, create_time, event)`;

function valuesOf(event: AuditEvent): SQL {
  const time = event.createTime ? timestampDate(event.createTime) : new Date(0);
  return sql`${event.uid}, ${event.actor?.id ?? ""}, ${event.method}, ${event.resource}, ${event.code},
    ${time.toISOString()}::timestamptz, ${Buffer.from(toBinary(AuditEventSchema, event))}::bytea`;
}

/** A page of the events in scope, newest first, with one row more than it holds. */
export async function listEvents(
  queries: Queries,
  filter: AuditEventFilter | undefined,
  page: PageRequest,
): Promise<AuditRow[]> {
  const { after } = page;
  const beyond =
    after &&
    sql`(${auditEvents.createTime}, ${auditEvents.uid}) < (${new Date(after.timeMs).toISOString()}::timestamptz, ${after.uid})`;
  return await queries
    .select()
    .from(auditEvents)
    .where(and(conditionOf(filter), beyond))
    .orderBy(desc(auditEvents.createTime), desc(auditEvents.uid))
    .limit(page.size + 1);
}

/** The next events of a chain, oldest first. */
export async function readChain(
  queries: Queries,
  chain: string,
  options: { readonly after: number; readonly limit: number; readonly filter?: AuditEventFilter },
): Promise<AuditRow[]> {
  const isNext = sql`${auditEvents.number} > ${options.after}`;
  return await queries
    .select()
    .from(auditEvents)
    .where(and(eq(auditEvents.chain, chain), isNext, conditionOf(options.filter)))
    .orderBy(asc(auditEvents.number))
    .limit(options.limit);
}

function conditionOf(filter: AuditEventFilter | undefined): SQL | undefined {
  if (!filter) return undefined;
  const { startTime, endTime, actorId, method, resource, code } = filter;
  return and(
    startTime && gte(auditEvents.createTime, timestampDate(startTime)),
    endTime && lt(auditEvents.createTime, timestampDate(endTime)),
    actorId === "" ? undefined : eq(auditEvents.actorId, actorId),
    method === "" ? undefined : isMethod(method),
    resource === ""
      ? undefined
      : or(
          eq(auditEvents.resource, resource),
          like(auditEvents.resource, `${literal(resource)}/%`),
        ),
    code === "" ? undefined : eq(auditEvents.code, code),
  );
}

function isMethod(method: string): SQL | undefined {
  const condition = like(auditEvents.method, `%/${literal(method)}`);
  return method.includes("/") ? eq(auditEvents.method, method) : condition;
}

function literal(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&");
}
