/** The order of every list: newest first, by (create time, uid). */
import { and, desc, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { PageCursor, PageRequest } from "../core/page-token.ts";

/** Columns that every listed table has. */
export interface ListedTable {
  readonly createTime: PgColumn;
  readonly uid: PgColumn;
}

/** The condition, order and limit of one page; the limit is one more than the page holds. */
export function newestFirst(
  table: ListedTable,
  page: PageRequest,
  condition?: SQL,
): { where: SQL | undefined; orderBy: SQL[]; limit: number } {
  const { after } = page;
  const beyond =
    after &&
    sql`(${table.createTime}, ${table.uid}) < (${new Date(after.timeMs).toISOString()}::timestamptz, ${after.uid})`;
  return {
    where: and(condition, beyond),
    orderBy: [desc(table.createTime), desc(table.uid)],
    limit: page.size + 1,
  };
}

/** The place of a row in such a list. */
export function cursorOf(row: { readonly createTime: Date; readonly uid: string }): PageCursor {
  return { timeMs: row.createTime.getTime(), uid: row.uid };
}
