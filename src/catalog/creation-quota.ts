/** Quotas on what is made in a project, checked in the transaction that makes it. */
import { count, eq, sum } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { notFound, quotaExceeded } from "../core/errors.ts";
import { type Quotas, resolveQuotas } from "../core/quotas.ts";
import type { Queries } from "../db/client.ts";
import { projectLimits, projects, settings, sinks, streams } from "../db/schema.ts";

/** What is counted. */
export type CountedQuota = "streams" | "sinks" | "partitions";

/** The quotas that hold for a project, as they are in the database now. */
export async function readQuotas(queries: Queries, projectUid: string): Promise<Quotas> {
  const [limits] = await queries
    .select({ quotas: projectLimits.quotas })
    .from(projectLimits)
    .where(eq(projectLimits.projectUid, projectUid));
  const [defaults] = await queries
    .select({ value: settings.value })
    .from(settings)
    .where(eq(settings.name, "default_quotas"));
  return resolveQuotas(limits?.quotas, defaults?.value);
}

/** How much of it a project has. */
export async function countUsed(
  queries: Queries,
  projectUid: string,
  quota: CountedQuota,
): Promise<number> {
  if (quota === "partitions") {
    const [row] = await queries
      .select({ used: sum(streams.partitions) })
      .from(streams)
      .where(eq(streams.projectUid, projectUid));
    return Number(row?.used ?? 0);
  }
  const table = quota === "streams" ? streams : sinks;
  const [row] = await queries
    .select({ used: count() })
    .from(table as PgTable)
    .where(eq(table.projectUid, projectUid));
  return row?.used ?? 0;
}

/**
 * Fails with QUOTA_EXCEEDED when the project would have more than it may. Locks the project until the
 * transaction ends, so that of several that take the last place one gets it.
 */
export async function checkCreation(
  queries: Queries,
  projectUid: string,
  added: Partial<Record<CountedQuota, number>>,
): Promise<void> {
  const [project] = await queries
    .select({ name: projects.name })
    .from(projects)
    .where(eq(projects.uid, projectUid))
    .for("no key update");
  if (!project) throw notFound("the project");
  const quotas = await readQuotas(queries, projectUid);
  for (const [name, more] of Object.entries(added) as [CountedQuota, number][]) {
    const limit = quotas[name];
    if (limit === 0 || more <= 0) continue;
    const used = await countUsed(queries, projectUid, name);
    if (used + more <= limit) continue;
    const text = `has ${used} ${name} and may have ${limit}`;
    throw quotaExceeded({ project: project.name, name, limit }, text);
  }
}
