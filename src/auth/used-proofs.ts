/**
 * Client assertions (RFC 7523) and DPoP proofs (RFC 9449) count once: each is remembered until it
 * would have expired anyway, in Postgres, so that another node or a restart does not take it again.
 */
import { createHash } from "node:crypto";
import { lt, sql } from "drizzle-orm";
import { fail } from "../core/errors.ts";
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
export type SpendProof = (proof: Proof) => Promise<boolean>;

/** Rows stay a while after their proof's end, as clocks of nodes may differ. */
const KEPT_AFTER_END_MS = 120_000;
/** Ended rows are deleted once in so many statements, each of which added a few hundred at most. */
const DELETE_EVERY = 64;
/** Proofs of one statement. */
const BATCH_MAX = 256;
/** Proofs that wait for their turn. */
const WAITING_MAX = 10_000;

interface Waiting {
  readonly digest: string;
  readonly endTime: Date;
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Proofs in the table `used_proofs`. While one statement is under way those that come gather for the
 * next, so that they share its commit, which takes longer than all else; nobody waits for a timer.
 */
export function createUsedProofs(database: Database): SpendProof {
  let waiting: Waiting[] = [];
  let isRunning = false;
  let statements = 0;

  const insert = (batch: readonly Waiting[]) =>
    database.acrossProjects(async (queries) => {
      // In one order on every node: two statements never wait for each other.
      const rows = [...new Map(batch.map((each) => [each.digest, each])).values()]
        .map(({ digest, endTime }) => ({ digest, endTime }))
        .sort((a, b) => (a.digest < b.digest ? -1 : 1));
      const added = await queries
        .insert(usedProofs)
        .values(rows)
        .onConflictDoNothing()
        .returning({ digest: usedProofs.digest });
      if (statements++ % DELETE_EVERY === 0) {
        await queries.delete(usedProofs).where(lt(usedProofs.endTime, sql`now()`));
      }
      return new Set(added.map(({ digest }) => digest));
    });
  const run = async () => {
    isRunning = true;
    for (let batch = waiting; batch.length > 0; batch = waiting) {
      waiting = batch.splice(BATCH_MAX);
      try {
        const added = await insert(batch);
        // Of the same proof twice in one statement, the first use counts.
        for (const { digest, resolve } of batch) resolve(added.delete(digest));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isRunning = false;
  };
  return (proof) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= WAITING_MAX) {
        const text = "the database notes too few proofs a second";
        reject(fail("DATABASE_UNAVAILABLE", text, { retryAfterMs: 1_000 }));
        return;
      }
      const endTime = new Date(proof.endMs + KEPT_AFTER_END_MS);
      waiting.push({ digest: digestOf(proof), endTime, resolve, reject });
      if (!isRunning) void run();
    });
}

/** Names a proof in 43 characters, whatever the caller chose as its `jti`. */
export function digestOf({ owner, jti }: Pick<Proof, "owner" | "jti">): string {
  return createHash("sha256").update(`${owner.length}:${owner}${jti}`).digest("base64url");
}
