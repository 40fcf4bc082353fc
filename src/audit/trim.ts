/**
 * Retention of the audit log. What is too old is removed from the beginning of a chain, after an
 * event of the same chain that names the last removed number and its hash: verifying goes on from
 * there, and a head that was kept elsewhere proves the trim too.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import type { AuditEvent } from "#gen/tributary/management/v1/audit_event_pb.js";
import { makeUid } from "../core/uid.ts";
import type { Database, Queries } from "../db/client.ts";
import { eventOf } from "./audit-entry.ts";
import { appendToChain } from "./audit-store.ts";

const METHOD = "tributary audit trim";
/** Events of one chain in one step; the statement must end in time. */
const STEP = 5_000;

/** The beginning of a chain that was removed. */
export interface TrimmedHead {
  /** Number of the last removed event. */
  readonly through: number;
  /** Its hash, in hex. */
  readonly hash: string;
}

/** What a trim says that it removed; undefined for any other event. */
export function trimmedHeadOf({ method, code, after }: AuditEvent): TrimmedHead | undefined {
  if (method !== METHOD || code !== "ok") return undefined;
  const { through, hash } = (after ?? {}) as { through?: unknown; hash?: unknown };
  if (typeof through !== "number" || typeof hash !== "string") return undefined;
  return { through, hash };
}

/** Removes what is older than `before`, chain by chain, and says how many events those were. */
export async function trimChains(database: Database, before: Date, now: Date): Promise<number> {
  const chains = await database.acrossProjects((queries) =>
    queries.execute<{ chain: string }>(
      `SELECT chain FROM tributary.audit_events WHERE create_time < '${before.toISOString()}' GROUP BY chain`,
    ),
  );
  let removed = 0;
  for (const { chain } of chains) {
    removed += await database.acrossProjects((queries) =>
      trimChain(queries, chain, { before, now }),
    );
  }
  return removed;
}

async function trimChain(
  queries: Queries,
  chain: string,
  { before, now }: { readonly before: Date; readonly now: Date },
): Promise<number> {
  const head = await findHead(queries, chain, before);
  if (!head) return 0;
  const after: JsonObject = { ...head, before: before.toISOString() };
  const entry = { method: METHOD, resource: "", code: "ok", after };
  await appendToChain(queries, chain, eventOf(entry, { uid: makeUid(), timeMs: now.getTime() }));
  const name = chain.replaceAll("'", "''");
  const [row] = await queries.execute<{ removed: string }>(
    `SELECT tributary.trim_audit_events('${name}', ${head.through}) AS removed`,
  );
  return Number(row?.removed ?? 0);
}

/** The last event of the part that is to go: all of it is old, and nothing between is younger. */
async function findHead(
  queries: Queries,
  chain: string,
  before: Date,
): Promise<TrimmedHead | undefined> {
  const name = chain.replaceAll("'", "''");
  const [row] = await queries.execute<{ number: string; hash: Uint8Array }>(
    `SELECT number, hash FROM tributary.audit_events WHERE chain = '${name}'
      AND number < coalesce((SELECT min(number) FROM tributary.audit_events
        WHERE chain = '${name}' AND create_time >= '${before.toISOString()}'), ${Number.MAX_SAFE_INTEGER})
      AND number < ${STEP} + (SELECT min(number) FROM tributary.audit_events WHERE chain = '${name}')
    ORDER BY number DESC LIMIT 1`,
  );
  return row && { through: Number(row.number), hash: Buffer.from(row.hash).toString("hex") };
}
