/** AuditService. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type AuditEventFilter,
  type AuditService,
  type ExportAuditEventsRequest,
  ExportAuditEventsResponseSchema,
} from "#gen/tributary/management/v1/audit_service_pb.js";
import { notFound } from "../core/errors.ts";
import { parseName } from "../core/names.ts";
import { makePage, readPageRequest } from "../core/page-token.ts";
import type { Database } from "../db/client.ts";
import { type AuditRow, eventFromRow, listEvents, readChain } from "./audit-store.ts";

/** Events in one message of an export. */
const EXPORTED_AT_ONCE = 200;

/** The rpcs of AuditService. */
export function createAuditService({
  database,
}: {
  readonly database: Database;
}): ServiceImpl<typeof AuditService> {
  return {
    async listAuditEvents(request) {
      const { parent, filter } = request;
      if (!parseName(parent, "project")) throw notFound(parent);
      const page = readPageRequest(listName(parent, filter), request);
      const rows = await database.inProject(parent, (queries) => listEvents(queries, filter, page));
      const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
      return { auditEvents: shown.map(eventFromRow), nextPageToken };
    },
    async listInstallationAuditEvents(request) {
      const { filter } = request;
      const page = readPageRequest(listName("", filter), request);
      const rows = await database.acrossProjects((queries) => listEvents(queries, filter, page));
      const { rows: shown, nextPageToken } = makePage(page, rows, cursorOf);
      return { auditEvents: shown.map(eventFromRow), nextPageToken };
    },
    exportAuditEvents: (request, context) => exportEvents(database, request, context.signal),
  };
}

function listName(parent: string, filter: AuditEventFilter | undefined): string {
  const words = JSON.stringify(filter ?? {}, (_, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
  return `audit events of ${parent} ${words}`;
}

const cursorOf = (row: AuditRow) => ({ timeMs: row.createTime.getTime(), uid: row.uid });

async function* exportEvents(
  database: Database,
  { parent, filter }: ExportAuditEventsRequest,
  signal: AbortSignal,
) {
  if (!parseName(parent, "project")) throw notFound(parent);
  let after = 0;
  while (!signal.aborted) {
    const rows = await database.inProject(parent, async (queries) => {
      const [project] = await queries.execute<{ uid: string }>(
        "SELECT tributary.project_in_scope() AS uid",
      );
      return await readChain(queries, project?.uid ?? "", {
        after,
        limit: EXPORTED_AT_ONCE,
        ...(filter && { filter }),
      });
    });
    if (rows.length === 0) return;
    after = rows.at(-1)!.number;
    yield create(ExportAuditEventsResponseSchema, { auditEvents: rows.map(eventFromRow) });
  }
}
