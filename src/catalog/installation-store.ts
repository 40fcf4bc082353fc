/** Settings of the installation, and what the operator says of projects, in the database. */
import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { eq, inArray, sql } from "drizzle-orm";
import {
  type Installation,
  Installation_SignUp,
  InstallationSchema,
  PricesSchema,
  type ProjectOverview,
  ProjectOverviewSchema,
  type Quotas,
  QuotasSchema,
  type QuotaUse,
  QuotaUseSchema,
} from "#gen/tributary/management/v1/installation_pb.js";
import { UsageTotalsSchema } from "#gen/tributary/management/v1/usage_pb.js";
import { QUOTA_NAMES, resolveQuotas } from "../core/quotas.ts";
import type { Queries } from "../db/client.ts";
import { projectLimits, settings } from "../db/schema.ts";
import { type ProjectRow, projectFromRow } from "./project-store.ts";

type LimitsRow = typeof projectLimits.$inferSelect;

const USAGE_DAYS = 30;

/** The settings as they are; what nobody has set has its default. */
export async function readInstallation(queries: Queries): Promise<Installation> {
  const rows = await queries.select().from(settings);
  const values = new Map(rows.map(({ name, value }) => [name, value as JsonValue]));
  const signUp = String(values.get("sign_up")) as keyof typeof Installation_SignUp;
  return create(InstallationSchema, {
    signUp: Installation_SignUp[signUp] ?? Installation_SignUp.BY_INVITATION,
    defaultQuotas: quotasFromRow(values.get("default_quotas")),
    prices: fromJson(PricesSchema, values.get("prices") ?? {}, { ignoreUnknownFields: true }),
  });
}

/** Saves the settings; nodes know new quotas within 5 s. */
export async function writeInstallation(
  queries: Queries,
  { signUp, defaultQuotas, prices }: Installation,
): Promise<void> {
  const values = {
    sign_up: Installation_SignUp[signUp],
    default_quotas: quotasToRow(defaultQuotas ?? create(QuotasSchema)),
    prices: numbersOf(
      toJson(PricesSchema, prices ?? create(PricesSchema), { useProtoFieldName: true }),
    ),
  };
  for (const [name, value] of Object.entries(values)) {
    await queries
      .insert(settings)
      .values({ name, value })
      .onConflictDoUpdate({ target: settings.name, set: { value } });
  }
}

/** Values by name, as the database holds them. */
export function quotasToRow(quotas: Quotas): Record<string, number> {
  return numbersOf(toJson(QuotasSchema, quotas, { useProtoFieldName: true }));
}

/** The message of what the database holds. */
export function quotasFromRow(row: JsonValue | undefined): Quotas {
  return fromJson(QuotasSchema, row ?? {}, { ignoreUnknownFields: true });
}

/** 64-bit integers are texts in JSON; these are small enough for numbers. */
function numbersOf(json: JsonValue): Record<string, number> {
  return Object.fromEntries(
    Object.entries(json as Record<string, JsonValue>).map(([name, value]) => [name, Number(value)]),
  );
}

/** What the operator says of a project; locked until the transaction ends. */
export async function lockLimits(queries: Queries, projectUid: string): Promise<LimitsRow> {
  const nothing = { projectUid, suspendReason: "", quotas: {}, stopWhenUsed: false };
  await queries.insert(projectLimits).values(nothing).onConflictDoNothing();
  const rows = await queries
    .select()
    .from(projectLimits)
    .where(eq(projectLimits.projectUid, projectUid))
    .for("update");
  return rows[0]!;
}

/** Changes what the operator says of a project. */
export async function updateLimits(
  queries: Queries,
  projectUid: string,
  values: Partial<LimitsRow>,
): Promise<void> {
  await queries.update(projectLimits).set(values).where(eq(projectLimits.projectUid, projectUid));
}

/** Projects with their quotas and usage, in the order given. */
export async function describeProjects(
  queries: Queries,
  rows: readonly ProjectRow[],
  now: Date,
): Promise<ProjectOverview[]> {
  if (rows.length === 0) return [];
  const uids = rows.map((row) => row.uid);
  const limits = await queries
    .select()
    .from(projectLimits)
    .where(inArray(projectLimits.projectUid, uids));
  const limitsOf = new Map(limits.map((row) => [row.projectUid, row]));
  const { defaultQuotas } = await readInstallation(queries);
  const defaults = quotasToRow(defaultQuotas ?? create(QuotasSchema));
  const used = await readUsed(queries, uids);
  const usage = await readRecentUsage(queries, uids, now);
  return rows.map((row) => {
    const said = limitsOf.get(row.uid);
    return create(ProjectOverviewSchema, {
      project: projectFromRow(row),
      ...(said?.suspendTime && { suspendTime: timestampFromDate(said.suspendTime) }),
      suspendReason: said?.suspendReason ?? "",
      quotas: describeQuotas({ own: said?.quotas ?? {}, defaults, used: used.get(row.uid) }),
      usage: usage.get(row.uid) ?? create(UsageTotalsSchema),
    });
  });
}

function describeQuotas(of: {
  readonly own: Readonly<Record<string, number>>;
  readonly defaults: Readonly<Record<string, number>>;
  readonly used: Readonly<Record<string, string>> | undefined;
}): QuotaUse[] {
  const quotas = resolveQuotas(of.own, of.defaults);
  return QUOTA_NAMES.map((name) => {
    const used = of.used?.[name];
    return create(QuotaUseSchema, {
      name,
      limit: BigInt(quotas[name]),
      isDefault: of.own[name] === undefined,
      ...(used !== undefined && { used: BigInt(used) }),
    });
  });
}

/** What is used of each quota that is counted in the database, by project. */
async function readUsed(queries: Queries, uids: readonly string[]) {
  const rows = await queries.execute<Record<string, string>>(sql`
    SELECT p.uid,
      (SELECT coalesce(sum(bytes), 0) FROM tributary.stored_bytes b WHERE b.project_uid = p.uid)
        + coalesce((SELECT bytes FROM tributary.archived_bytes b WHERE b.project_uid = p.uid), 0)
        AS stored_bytes,
      (SELECT count(*) FROM tributary.streams s WHERE s.project_uid = p.uid) AS streams,
      (SELECT coalesce(sum(partitions), 0) FROM tributary.streams s WHERE s.project_uid = p.uid)
        AS partitions,
      (SELECT count(*) FROM tributary.sinks k WHERE k.project_uid = p.uid) AS sinks,
      (SELECT count(*) FROM tributary.applications a WHERE a.project_uid = p.uid) AS applications,
      (SELECT count(*) FROM tributary.tokens t WHERE t.project_uid = p.uid) AS tokens
    FROM tributary.projects p
    WHERE p.uid IN (SELECT jsonb_array_elements_text(${JSON.stringify(uids)}::text::jsonb))`);
  return new Map(rows.map((row) => [row.uid ?? "", row]));
}

async function readRecentUsage(queries: Queries, uids: readonly string[], now: Date) {
  const since = new Date(now.getTime() - (USAGE_DAYS - 1) * 86_400_000).toISOString().slice(0, 10);
  const rows = await queries.execute<Record<string, string>>(sql`
    SELECT project_uid, sum(records) AS records, sum(bytes) AS bytes,
      sum(unauthenticated_records) AS open_records, sum(unauthenticated_bytes) AS open_bytes,
      round(sum(charge)) AS charge, sum(archived_bytes) AS archived_bytes
    FROM tributary.usage_days WHERE day >= ${since}::date AND project_uid IN
      (SELECT jsonb_array_elements_text(${JSON.stringify(uids)}::text::jsonb)) GROUP BY 1`);
  return new Map(
    rows.map((row) => [
      row.project_uid ?? "",
      create(UsageTotalsSchema, {
        records: BigInt(row.records ?? 0),
        bytes: BigInt(row.bytes ?? 0),
        unauthenticatedRecords: BigInt(row.open_records ?? 0),
        unauthenticatedBytes: BigInt(row.open_bytes ?? 0),
        chargeMicros: BigInt(row.charge ?? 0),
        archivedBytes: BigInt(row.archived_bytes ?? 0),
      }),
    ]),
  );
}
