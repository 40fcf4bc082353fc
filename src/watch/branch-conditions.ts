/** What of a branch its owner should hear, where no sink tells it. */
import { and, lt, ne } from "drizzle-orm";
import { Alert_Kind as Kind } from "#gen/tributary/management/v1/alert_pb.js";
import type { LogLoss } from "#gen/tributary/management/v1/log_loss_pb.js";
import type { Definitions } from "../core/definitions.ts";
import type { Database } from "../db/client.ts";
import { archives } from "../db/schema.ts";
import type { Condition } from "./sink-conditions.ts";

/** How long an archive fails before that is told: what an outage of a minute keeps back comes soon after. */
const ARCHIVE_PATIENCE_MS = 60_000;

/** Where what goes wrong is read from. */
export interface BranchSources {
  readonly database: Database;
  readonly definitions: Pick<Definitions, "streams" | "sinksOfLog">;
  /** Whether this node delivers what a shard holds. */
  readonly isOwner: (shard: number) => boolean;
  readonly lossesOf: (logUid: string) => readonly LogLoss[];
  readonly now: () => number;
}

/** A branch, and what goes on with it. */
export interface BranchConditions {
  readonly uid: string;
  /** `projects/{p}/streams/{s}/branches/{b}`. */
  readonly name: string;
  readonly projectUid: string;
  readonly conditions: readonly Condition[];
}

/**
 * All branches of which there is something to tell, and those of `seen`, of which there was. Fails with
 * DATABASE_UNAVAILABLE.
 */
export async function readBranchConditions(
  sources: BranchSources,
  seen: ReadonlyMap<string, unknown>,
): Promise<BranchConditions[]> {
  const { definitions, isOwner, lossesOf } = sources;
  const causes = await readArchiveCauses(sources);
  const found: BranchConditions[] = [];
  for (const { name, projectUid, logs, archive } of definitions.streams()) {
    for (const { uid, branch, shard } of logs.values()) {
      if (!isOwner(shard)) continue;
      const [newest] = lossesOf(uid);
      // Its sinks tell a loss, each to those who care for it.
      const isMissing = newest !== undefined && definitions.sinksOfLog(uid).length === 0;
      const cause = archive?.isTaking ? causes.get(uid) : undefined;
      if (!isMissing && cause === undefined && !seen.has(uid)) continue;
      const conditions = [
        ...(isMissing ? [missing(newest.message)] : []),
        ...(cause === undefined ? [] : [failing(cause)]),
      ];
      found.push({ uid, name: `${name}/branches/${branch}`, projectUid, conditions });
    }
  }
  return found;
}

function missing(message: string): Condition {
  return { kind: Kind.MISSING, reason: "RECORDS_MISSING", message };
}

function failing(cause: string): Condition {
  const message =
    `the archive takes no records: ${cause}. They stay in the log until it does, so mend its place before ` +
    "the log is full.";
  return { kind: Kind.ARCHIVE, reason: "ARCHIVE_FAILING", message };
}

/** By log, why its archive fails. */
async function readArchiveCauses({
  database,
  definitions,
  now,
}: BranchSources): Promise<ReadonlyMap<string, string>> {
  if (![...definitions.streams()].some(({ archive }) => archive?.isTaking)) return new Map();
  const before = new Date(now() - ARCHIVE_PATIENCE_MS);
  const rows = await database.acrossProjects((queries) =>
    queries
      .select({ logUid: archives.logUid, cause: archives.cause })
      .from(archives)
      .where(and(ne(archives.cause, ""), lt(archives.causeTime, before))),
  );
  return new Map(rows.map(({ logUid, cause }) => [logUid, cause]));
}
