/** What a project may use. */

/** Names of the quotas, as they stand in errors and in the database. */
export const QUOTA_NAMES = [
  "stored_bytes",
  "bytes_per_second",
  "records_per_second",
  "streams",
  "sinks",
  "partitions",
  "connections",
  "sinks_per_stream",
  "sources_per_stream",
  "applications",
  "tokens",
] as const;

/** One of them. */
export type QuotaName = (typeof QUOTA_NAMES)[number];

/** A value for each quota; 0 sets no limit. */
export type Quotas = Readonly<Record<QuotaName, number>>;

/** What holds where neither the operator nor the installation says anything. */
export const BUILT_IN_QUOTAS: Quotas = Object.freeze({
  stored_bytes: 0,
  bytes_per_second: 0,
  records_per_second: 0,
  streams: 20_000,
  sinks: 20_000,
  partitions: 100_000,
  connections: 1_000,
  sinks_per_stream: 20,
  sources_per_stream: 100,
  applications: 1_000,
  tokens: 1_000,
});

/** The quotas that hold: the first source that names one decides. What is no quota is ignored. */
export function resolveQuotas(...sources: readonly unknown[]): Quotas {
  const resolved: Record<QuotaName, number> = { ...BUILT_IN_QUOTAS };
  for (const source of sources.toReversed()) {
    if (typeof source !== "object" || source === null) continue;
    for (const name of QUOTA_NAMES) {
      const value = (source as Record<string, unknown>)[name];
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
        resolved[name] = value;
      }
    }
  }
  return resolved;
}
