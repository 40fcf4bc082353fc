/**
 * Client assertions (RFC 7523) and DPoP proofs (RFC 9449) count once: each is remembered until it
 * would have expired anyway, in Postgres, so that another node or a restart does not take it again.
 */
import { createHash } from "node:crypto";
import { lt, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { usedProofs } from "../db/schema.ts";

/** A proof that is about to be used. */
export interface Proof {
  /** Whose it is: a `jti` is unique among the proofs of one client or key. */
  readonly owner: string;
  readonly jti: string;
  /** When it would no longer be taken, in milliseconds since 1970. */
  readonly endMs: number;
}

/** Notes the use of a proof: false when it was used before. Fails with DATABASE_UNAVAILABLE. */
export type UseProof = (proof: Proof) => Promise<boolean>;

/** Rows stay a while after their proof's end, as clocks of nodes may differ. */
const KEPT_AFTER_END_MS = 120_000;
/** Ended rows are deleted once in so many uses: about as many as were added meanwhile. */
const DELETE_EVERY = 256;

/** Proofs in the table `used_proofs`. */
export function createUsedProofs(database: Database): UseProof {
  let uses = 0;
  return (proof) =>
    database.acrossProjects(async (queries) => {
      const added = await queries
        .insert(usedProofs)
        .values({ digest: digestOf(proof), endTime: new Date(proof.endMs + KEPT_AFTER_END_MS) })
        .onConflictDoNothing()
        .returning({ digest: usedProofs.digest });
      uses++;
      if (uses % DELETE_EVERY === 1) {
        await queries.delete(usedProofs).where(lt(usedProofs.endTime, sql`now()`));
      }
      return added.length > 0;
    });
}

/** Names a proof in 43 characters, whatever the caller chose as its `jti`. */
export function digestOf({ owner, jti }: Pick<Proof, "owner" | "jti">): string {
  return createHash("sha256").update(`${owner.length}:${owner}${jti}`).digest("base64url");
}
