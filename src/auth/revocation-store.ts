/** Revoked tokens in Postgres. */
import { and, gt, lt, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { revokedTokens } from "../db/schema.ts";
import type { RevocationStore } from "./revocations.ts";

/**
 * A row's time is that of its transaction's begin, and it shows at the commit: at most 15 s later,
 * where the client gives up. Reading a minute back misses none.
 */
const LOOK_BACK_MS = 60_000;
/** Rows stay a while after their token's end, as clocks of nodes may differ. */
const keptAfterEnd = sql`interval '2 minutes'`;

/** Revocations in the table `revoked_tokens`. Its methods fail with DATABASE_UNAVAILABLE. */
export function createRevocationStore(database: Database): RevocationStore {
  return {
    listSince: (sinceMs) =>
      database.acrossProjects(async (queries) => {
        const isLive = gt(revokedTokens.endTime, sql`now() - ${keptAfterEnd}`);
        const isNew =
          sinceMs === undefined ? undefined : gt(revokedTokens.createTime, new Date(sinceMs));
        const [clock] = await queries.execute<{ now_ms: string }>(
          sql`SELECT floor(extract(epoch FROM now()) * 1000)::bigint AS now_ms`,
        );
        const rows = await queries.select().from(revokedTokens).where(and(isLive, isNew));
        return {
          revocations: rows.map((row) => ({
            tokenId: row.tokenId,
            clientId: row.clientId,
            endMs: row.endTime.getTime(),
          })),
          nextSinceMs: Number(clock?.now_ms) - LOOK_BACK_MS,
        };
      }),
    add: ({ tokenId, clientId, endMs }) =>
      database.acrossProjects(async (queries) => {
        await queries
          .insert(revokedTokens)
          .values({ tokenId, clientId, createTime: sql`now()`, endTime: new Date(endMs) })
          .onConflictDoNothing();
        await queries
          .delete(revokedTokens)
          .where(lt(revokedTokens.endTime, sql`now() - ${keptAfterEnd}`));
      }),
  };
}
