/** Quotas on what is made in a project, checked in the transaction that makes it. */
import { count, eq, type SQL, sum } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { notFound, quotaExceeded } from "../core/errors.ts";
import { type Quotas, resolveQuotas } from "../core/quotas.ts";
import type { Queries } from "../db/client.ts";
import {
  applications,
  projectLimits,
  projects,
  settings,
  sinks,
  sources,
  streams,
  tokens,
} from "../db/schema.ts";

/** What is counted. */
export type CountedQuota =
  | "streams"
  | "sinks"
  | "partitions"
  | "applications"
  | "tokens"
  | "sinks_per_stream"
  | "sources_per_stream";

/** What it is counted in; the stream where the quota is one of streams. */
export interface CountedScope {
  readonly projectUid: string;
  readonly streamUid?: string;
}

const TABLES = { streams, sinks, applications, tokens } as const;
const STREAM_TABLES = { sinks_per_stream: sinks, sources_per_stream: sources } as const;
const WORDS = {
  sinks_per_stream: "sinks on that stream",
  sources_per_stream: "sources on that stream",
};

/** The quotas that hold for a project, as they are in the database now. */
export async function readQuotas(queries: Queries, projectUid: string): Promise<Quotas> {
  const [[limits], [defaults]] = await Promise.all([
    queries
      .select({ quotas: projectLimits.quotas })
      .from(projectLimits)
      .where(eq(projectLimits.projectUid, projectUid)),
    queries
      .select({ value: settings.value })
      .from(settings)
      .where(eq(settings.name, "default_quotas")),
  ]);
  return resolveQuotas(limits?.quotas, defaults?.value);
}

/** How much of it there is. */
export async function countUsed(
  queries: Queries,
  { projectUid, streamUid = "" }: CountedScope,
  quota: CountedQuota,
): Promise<number> {
  if (quota === "partitions") {
    const [row] = await queries
      .select({ used: sum(streams.partitions) })
      .from(streams)
      .where(eq(streams.projectUid, projectUid));
    return Number(row?.used ?? 0);
  }
  if (quota === "sinks_per_stream" || quota === "sources_per_stream") {
    const table = STREAM_TABLES[quota];
    return await countRows(queries, table, eq(table.streamUid, streamUid));
  }
  const table = TABLES[quota];
  return await countRows(queries, table, eq(table.projectUid, projectUid));
}

async function countRows(queries: Queries, table: PgTable, where: SQL): Promise<number> {
  const [row] = await queries.select({ used: count() }).from(table).where(where);
  return row?.used ?? 0;
}

/**
 * Where there is room for so many times as much nobody waits for others: no more than the connections of
 * all nodes to Postgres are making something at once, so these cannot take the last place together.
 */
const FAR_FACTOR = 1_000;

/**
 * Fails with QUOTA_EXCEEDED when the project, or a stream of it, would have more than it may. Near a limit it locks
 * the project, or the stream, until the transaction ends, so that of several that take the last place one gets it.
 */
export async function checkCreation(
  queries: Queries,
  scope: CountedScope,
  added: Partial<Record<CountedQuota, number>>,
): Promise<void> {
  const wanted = (Object.entries(added) as [CountedQuota, number][]).filter(([, more]) => more > 0);
  const [quotas, ...early] = await readUse(queries, scope, wanted);
  const near = wanted.filter(([name, more], index) => {
    const limit = quotas[name];
    return limit !== 0 && early[index]! + more * FAR_FACTOR > limit;
  });
  if (near.length === 0) return;
  const isOfStream = near.every(([name]) => name in STREAM_TABLES);
  await lock(queries, scope, isOfStream);
  // The lock makes those before it be seen.
  const [, ...counts] = await readUse(queries, scope, wanted);
  for (const [index, [name, more]] of wanted.entries()) {
    const limit = quotas[name];
    const used = counts[index]!;
    if (limit === 0 || used + more <= limit) continue;
    const word = name in WORDS ? WORDS[name as keyof typeof WORDS] : name;
    const text = `has ${used} ${word} and may have ${limit}`;
    const project = await nameOf(queries, scope.projectUid);
    throw quotaExceeded({ project, name, limit }, text);
  }
}

/** Locks what the limit is of. A stream that is gone is told by those who make something of it. */
async function lock(queries: Queries, scope: CountedScope, isOfStream: boolean): Promise<void> {
  const table = isOfStream ? streams : projects;
  const uid = isOfStream ? (scope.streamUid ?? "") : scope.projectUid;
  const found = await queries
    .select({ uid: table.uid })
    .from(table)
    .where(eq(table.uid, uid))
    .for("no key update");
  if (found.length === 0 && !isOfStream) throw notFound("the project");
}

async function nameOf(queries: Queries, projectUid: string): Promise<string> {
  const { name } = projects;
  const rows = await queries.select({ name }).from(projects).where(eq(projects.uid, projectUid));
  return rows[0]?.name ?? "";
}

/** The quotas, and how much there is of each that is wanted; asked for together. */
function readUse(
  queries: Queries,
  scope: CountedScope,
  wanted: readonly (readonly [CountedQuota, number])[],
): Promise<[Quotas, ...number[]]> {
  return Promise.all([
    readQuotas(queries, scope.projectUid),
    ...wanted.map(([name]) => countUsed(queries, scope, name)),
  ]);
}
