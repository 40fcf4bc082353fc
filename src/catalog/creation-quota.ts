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
 * Fails with QUOTA_EXCEEDED when the project, or a stream of it, would have more than it may. Locks the project until the
 * transaction ends, so that of several that take the last place one gets it.
 */
export async function checkCreation(
  queries: Queries,
  scope: CountedScope,
  added: Partial<Record<CountedQuota, number>>,
): Promise<void> {
  const [project] = await queries
    .select({ name: projects.name })
    .from(projects)
    .where(eq(projects.uid, scope.projectUid))
    .for("no key update");
  if (!project) throw notFound("the project");
  const wanted = (Object.entries(added) as [CountedQuota, number][]).filter(([, more]) => more > 0);
  // All at once, for others wait for the lock meanwhile.
  const [quotas, ...counts] = await Promise.all([
    readQuotas(queries, scope.projectUid),
    ...wanted.map(([name]) => countUsed(queries, scope, name)),
  ]);
  for (const [index, [name, more]] of wanted.entries()) {
    const limit = quotas[name];
    const used = counts[index]!;
    if (limit === 0 || used + more <= limit) continue;
    const word = name in WORDS ? WORDS[name as keyof typeof WORDS] : name;
    const text = `has ${used} ${word} and may have ${limit}`;
    throw quotaExceeded({ project: project.name, name, limit }, text);
  }
}
