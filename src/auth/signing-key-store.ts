/** Signing keys in Postgres. */
import { and, asc, gt, isNull, lte, or, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { signingKeys } from "../db/schema.ts";
import type { SigningKeyStore, StoredSigningKey } from "./signing-keys.ts";

/** Any number that nothing else locks: one node makes the first key, the others wait and find it. */
const FIRST_KEY_LOCK = 7318349394477058n;

/** Keys in the table `signing_keys`. Its methods fail with DATABASE_UNAVAILABLE. */
export function createSigningKeyStore(database: Database): SigningKeyStore {
  return {
    async list(nowMs) {
      const isLive = or(isNull(signingKeys.endTime), gt(signingKeys.endTime, new Date(nowMs)));
      const rows = await database.acrossProjects((queries) =>
        queries
          .select()
          .from(signingKeys)
          .where(isLive)
          .orderBy(asc(signingKeys.useTime), asc(signingKeys.kid)),
      );
      return rows.map((row) => ({
        kid: row.kid,
        publicJwk: row.publicJwk,
        sealedPrivateKey: row.sealedPrivateKey,
        signFromMs: row.useTime.getTime(),
      }));
    },
    addFirst: (key) =>
      database.acrossProjects(async (queries) => {
        await queries.execute(
          sql`SELECT pg_advisory_xact_lock(${FIRST_KEY_LOCK.toString()}::bigint)`,
        );
        const others = await queries.select({ kid: signingKeys.kid }).from(signingKeys).limit(1);
        if (others.length === 0) await queries.insert(signingKeys).values(rowOf(key));
      }),
    add: (key, endOthersMs) =>
      database.acrossProjects(async (queries) => {
        await queries.delete(signingKeys).where(lte(signingKeys.endTime, sql`now()`));
        await queries
          .update(signingKeys)
          .set({ endTime: new Date(endOthersMs) })
          .where(
            and(isNull(signingKeys.endTime), lte(signingKeys.useTime, new Date(key.signFromMs))),
          );
        await queries.insert(signingKeys).values(rowOf(key));
      }),
  };
}

function rowOf(key: StoredSigningKey): typeof signingKeys.$inferInsert {
  return {
    kid: key.kid,
    algorithm: "ES256",
    publicJwk: { ...key.publicJwk },
    sealedPrivateKey: key.sealedPrivateKey,
    createTime: new Date(),
    useTime: new Date(key.signFromMs),
    endTime: null,
  };
}
