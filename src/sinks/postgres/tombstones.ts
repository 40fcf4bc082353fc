/**
 * Deletions that a table with captured changes remembers, so that an older change that comes later does
 * not bring a row back. They stand beside the cursors, in a table of their own for each target table.
 */
import { type PostgresSink, PostgresSink_Mode } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { type Column, quoteIdentifier, tableOf } from "./columns.ts";
import type { Statement } from "./copy-query.ts";
import { withCursorLock } from "./cursor-table.ts";
import { shortHash } from "./short-hash.ts";
import type { Run } from "./target.ts";

/** Where the deletions of a target table are kept. */
export interface Tombstones {
  readonly table: string;
  /** Name of the column with the time of storing, quoted. */
  readonly timeColumn: string;
  readonly create: readonly string[];
}

/** A name with a space, which no field has. */
const TIME_COLUMN = quoteIdentifier("tributary time");
const PURGE_EVERY_MS = 3_600_000;

/** The tombstones of a target; undefined when nothing is ever deleted. */
export function tombstonesOf(
  config: PostgresSink,
  { schema, columns }: { readonly schema: Schema; readonly columns: readonly Column[] },
): Tombstones | undefined {
  const capture = schema.changeDataCapture;
  const isCapture = config.mode === PostgresSink_Mode.CHANGE_DATA_CAPTURE;
  if (!isCapture || !capture?.deleteField) return undefined;
  const kept = [...config.primaryKey, capture.orderField];
  const lines = columns
    .filter((column) => kept.includes(column.name))
    .map((column) => `${quoteIdentifier(column.name)} ${column.sqlType} NOT NULL`);
  const key = config.primaryKey.map(quoteIdentifier).join(", ");
  const definition = `${lines.join(", ")}, ${TIME_COLUMN} timestamptz NOT NULL, PRIMARY KEY (${key})`;
  const table = `tributary.tombstones_${shortHash(`${tableOf(config)} (${definition})`)}`;
  return {
    table,
    timeColumn: TIME_COLUMN,
    create: [
      `CREATE TABLE IF NOT EXISTS ${table} (${definition})`,
      `COMMENT ON TABLE ${table} IS 'deleted rows of ${tableOf(config)}'`,
    ],
  };
}

/** Makes the table when it is missing. */
export async function createTombstones(
  run: Run,
  tombstones: Tombstones | undefined,
): Promise<void> {
  if (!tombstones) return;
  const [found] = await run("SELECT to_regclass($1)::text AS name", [tombstones.table]);
  if (found?.name) return;
  await withCursorLock(run, async () => {
    for (const statement of tombstones.create) await run(statement);
  });
}

/** Gives, once an hour, the statement that ends tombstones older than the stream's records. */
export function createPurge(
  tombstones: Tombstones | undefined,
  retentionAgeMs: number | undefined,
): () => readonly Statement[] {
  let nextMs = 0;
  if (!tombstones || retentionAgeMs === undefined) return () => [];
  const purge: Statement = {
    text: `DELETE FROM ${tombstones.table}
WHERE ${tombstones.timeColumn} < now() - $1::bigint * interval '1 millisecond'`,
    values: [String(retentionAgeMs)],
  };
  return () => {
    const nowMs = performance.now();
    if (nowMs < nextMs) return [];
    nextMs = nowMs + PURGE_EVERY_MS;
    return [purge];
  };
}
