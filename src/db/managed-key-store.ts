/** Wrapped master keys in the database. */
import { asc, inArray, sql } from "drizzle-orm";
import type { Database } from "./client.ts";
import { managedMasterKeys } from "./schema.ts";

/** A wrapped key; its age by the clock of the database, the same for all nodes. */
export interface WrappedKey {
  /** 4 bytes, see `core/envelope.ts`. */
  readonly id: Uint8Array;
  readonly kmsKey: string;
  readonly wrapped: Uint8Array;
  readonly ageMs: number;
}

/** All of them, the oldest first. */
export async function listWrappedKeys(database: Database): Promise<readonly WrappedKey[]> {
  const { id, kmsKey, wrapped, createTime } = managedMasterKeys;
  const age = sql<string>`extract(epoch FROM now() - ${createTime}) * 1000`;
  const rows = await database.acrossProjects((queries) =>
    queries
      .select({ id, kmsKey, wrapped, age })
      .from(managedMasterKeys)
      .orderBy(asc(createTime), asc(id)),
  );
  return rows.map(({ age: ageMs, ...row }) => ({ ...row, ageMs: Number(ageMs) }));
}

/** Adds one; with `isFirst` only when there is none yet, whoever else tries at the same time. */
export async function addWrappedKey(
  database: Database,
  key: Omit<WrappedKey, "ageMs">,
  { isFirst = false } = {},
): Promise<void> {
  await database.acrossProjects(async (queries) => {
    await queries.execute("SELECT pg_advisory_xact_lock(hashtext('tributary.master_keys'))");
    const known = await queries.select({ id: managedMasterKeys.id }).from(managedMasterKeys);
    if (!isFirst || known.length === 0) await queries.insert(managedMasterKeys).values(key);
  });
}

/** Removes keys that nothing is under any more. */
export async function removeWrappedKeys(
  database: Database,
  ids: readonly Uint8Array[],
): Promise<void> {
  if (ids.length === 0) return;
  await database.acrossProjects((queries) =>
    queries.delete(managedMasterKeys).where(inArray(managedMasterKeys.id, [...ids])),
  );
}
