import { clone } from "@bufbuild/protobuf";
import { type PostgresSink, PostgresSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDriver } from "../sink.ts";
import { checkPostgres } from "./check.ts";
import { keepPassword, maskDatabaseUrl } from "./database-url.ts";
import { importStaged, stagingLimits } from "./import-staged.ts";
import { openPostgres } from "./open-sink.ts";
import { testPostgres } from "./probe.ts";
import { openStaged } from "./stage-rows.ts";
import { checkStagingKept } from "./staging-bounds.ts";

/**
 * Rows of a table; exactly once, for rows and cursor are committed together: in the table's database, or
 * in the staging, whose import the database remembers.
 */
export const postgresDriver: SinkDriver<"postgres"> = {
  defaults: { count: 5000, bytes: 2 * 1024 * 1024, timeMs: 0 },
  countMax: 100_000,
  keepsCursor: true,
  // One is under way while Postgres works on the one before.
  concurrency: 2,
  check: (config, { schema }) => checkPostgres(config, schema),
  checkChange: checkStagingKept,
  async open(config, env) {
    return config.staging ? openStaged(config, env) : await openPostgres(config, env);
  },
  staging: { limitsOf: stagingLimits, import: importStaged },
  test: testPostgres,
  withKey(config, primaryKey) {
    if (primaryKey.length === 0) return config;
    return Object.assign(clone(PostgresSinkSchema, config), { primaryKey: [...primaryKey] });
  },
  mask: (config) => withUrl(config, maskDatabaseUrl(config.databaseUrl)),
  keepSecrets: (config, saved) =>
    withUrl(config, keepPassword(config.databaseUrl, saved.databaseUrl)),
};

function withUrl(config: PostgresSink, databaseUrl: string): PostgresSink {
  const copy = clone(PostgresSinkSchema, config);
  copy.databaseUrl = databaseUrl;
  return copy;
}
