/** Signing keys in Postgres. */
import { and, asc, desc, gt, isNull, lte, or, sql } from "drizzle-orm";
import type { Database, Queries } from "../db/client.ts";
import { signingKeys } from "../db/schema.ts";
import type { SigningKeyStore, StoredSigningKey } from "./signing-keys.ts";

/** Any number that nothing else locks: one node makes a key, the others wait and find it. */
const KEY_LOCK = 7318349394477058n;

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
        ...(row.endTime && { endMs: row.endTime.getTime() }),
      }));
    },
    addFirst: (key) =>
      database.acrossProjects(async (queries) => {
        if ((await newestKid(queries)) === undefined) await insert(queries, key);
      }),
    add: (key, endOthersMs) =>
      database.acrossProjects((queries) => succeed(queries, key, endOthersMs)),
    addAfter: (kid, key, endOthersMs) =>
      database.acrossProjects(async (queries) => {
        if ((await newestKid(queries)) === kid) await succeed(queries, key, endOthersMs);
      }),
  };
}

/** The newest key, which stays the newest until the transaction ends. */
async function newestKid(queries: Queries): Promise<string | undefined> {
  await queries.execute(sql`SELECT pg_advisory_xact_lock(${KEY_LOCK.toString()}::bigint)`);
  const [newest] = await queries
    .select({ kid: signingKeys.kid })
    .from(signingKeys)
    .orderBy(desc(signingKeys.useTime), desc(signingKeys.kid))
    .limit(1);
  return newest?.kid;
}

async function insert(queries: Queries, key: StoredSigningKey): Promise<void> {
  await queries.insert(signingKeys).values(rowOf(key));
}

async function succeed(
  queries: Queries,
  key: StoredSigningKey,
  endOthersMs: number,
): Promise<void> {
  const isOther = lte(signingKeys.useTime, new Date(key.signFromMs));
  await queries.delete(signingKeys).where(lte(signingKeys.endTime, sql`now()`));
  await queries
    .update(signingKeys)
    .set({ endTime: new Date(endOthersMs) })
    .where(and(isNull(signingKeys.endTime), isOther));
  await insert(queries, key);
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
