/** Versions of definitions in the database. */
import { and, desc, eq, lt } from "drizzle-orm";
import type { Queries } from "../db/client.ts";
import { definitionVersions } from "../db/schema.ts";

/** A row of `definition_versions`. */
export type VersionRow = typeof definitionVersions.$inferSelect;

/** Identity of what has or had this name last; undefined when nothing ever had. */
export async function findVersioned(queries: Queries, name: string): Promise<string | undefined> {
  const [row] = await queries
    .select({ uid: definitionVersions.resourceUid })
    .from(definitionVersions)
    .where(eq(definitionVersions.name, name))
    .orderBy(desc(definitionVersions.createTime), desc(definitionVersions.number))
    .limit(1);
  return row?.uid;
}

/** Versions below a number (all when undefined), newest first. */
export async function listVersionRows(
  queries: Queries,
  resourceUid: string,
  { below, limit }: { readonly below: number | undefined; readonly limit: number },
): Promise<VersionRow[]> {
  const isOurs = eq(definitionVersions.resourceUid, resourceUid);
  return await queries
    .select()
    .from(definitionVersions)
    .where(below === undefined ? isOurs : and(isOurs, lt(definitionVersions.number, below)))
    .orderBy(desc(definitionVersions.number))
    .limit(limit);
}

/** One version; the newest when the number is 0. */
export async function findVersionRow(
  queries: Queries,
  resourceUid: string,
  number: number,
): Promise<VersionRow | undefined> {
  if (number === 0) {
    return (await listVersionRows(queries, resourceUid, { below: undefined, limit: 1 }))[0];
  }
  return (await listVersionRows(queries, resourceUid, { below: number + 1, limit: 1 })).find(
    (row) => row.number === number,
  );
}
