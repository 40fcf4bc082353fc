/** The SQL that takes staged rows into the table, for modes in which a row has a key. */
import type { PostgresSink } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import { type Column, quoteIdentifier, tableOf } from "./columns.ts";
import { tombstonesOf } from "./tombstones.ts";

/** Column of the staging table with the number of a row: a record can have no name with a space. */
export const PLACE = quoteIdentifier("tributary place");

/** What a merge needs beside the configuration. */
export interface MergeParts {
  readonly columns: readonly Column[];
  readonly schema: Schema;
  /** Name of the staging table. */
  readonly staging: string;
}

/** Replays of APPEND: a row that a unique key of the table holds already is there, and stays as it is. */
export function mergeMissing(
  config: PostgresSink,
  { columns, staging }: MergeParts,
): readonly string[] {
  const list = columns.map((column) => quoteIdentifier(column.name)).join(", ");
  return [
    `INSERT INTO ${tableOf(config)} (${list}) SELECT ${list} FROM ${staging}
ORDER BY ${PLACE} ON CONFLICT DO NOTHING`,
  ];
}

/** UPSERT: of the rows of a key in a request the last one wins, and replaces what is there. */
export function mergeNewestPlace(
  config: PostgresSink,
  { columns, staging }: MergeParts,
): readonly string[] {
  const names = columns.map((column) => quoteIdentifier(column.name));
  const key = config.primaryKey.map(quoteIdentifier);
  const changes = assignments(names, key);
  const action = changes.length === 0 ? "NOTHING" : `UPDATE SET ${changes.join(", ")}`;
  const list = names.join(", ");
  return [
    `INSERT INTO ${tableOf(config)} (${list})
SELECT DISTINCT ON (${key.join(", ")}) ${list} FROM ${staging}
ORDER BY ${key.join(", ")}, ${PLACE} DESC ON CONFLICT (${key.join(", ")}) DO ${action}`,
  ];
}

/**
 * CHANGE_DATA_CAPTURE: of the rows of a key the one with the greatest order counts (the first of equal
 * ones), and only when its order is greater than that of the row in the table and of the tombstone. So
 * the table depends on which changes came, and not on when, in what order or how often. The lock makes
 * sinks that write one table wait for each other here: tombstones that one cannot see yet would else let
 * an older change of another pass.
 */
export function mergeChanges(config: PostgresSink, parts: MergeParts): readonly string[] {
  const { columns, schema, staging } = parts;
  const capture = schema.changeDataCapture!;
  const stored = columns.filter((column) => column.isStored);
  const names = stored.map((column) => quoteIdentifier(column.name));
  const key = config.primaryKey.map(quoteIdentifier);
  const order = quoteIdentifier(capture.orderField);
  const tombstones = tombstonesOf(config, { schema, columns });
  const isGone = tombstones
    ? `coalesce(n.${quoteIdentifier(capture.deleteField)}, false)`
    : "false";
  const same = (other: string) => key.map((name) => `${other}.${name} = n.${name}`).join(" AND ");
  const isNewer = (other: string) =>
    `(${other}.${order} IS NULL OR n.${order} > ${other}.${order})`;
  const table = tableOf(config);
  const keys = key.join(", ");
  const burials = tombstones
    ? `, removed AS (DELETE FROM ${table} AS t USING fresh AS n WHERE ${isGone} AND ${same("t")}),
buried AS (INSERT INTO ${tombstones.table} AS d (${keys}, ${order}, ${tombstones.timeColumn})
  SELECT ${keys}, ${order}, now() FROM fresh AS n WHERE ${isGone} ON CONFLICT (${keys})
  DO UPDATE SET ${order} = EXCLUDED.${order}, ${tombstones.timeColumn} = now()),
risen AS (DELETE FROM ${tombstones.table} AS d USING fresh AS n WHERE NOT ${isGone} AND ${same("d")})`
    : "";
  const merge = `WITH newest AS (SELECT DISTINCT ON (${keys}) * FROM ${staging}
  ORDER BY ${keys}, ${order} DESC, ${PLACE}),
fresh AS (SELECT n.* FROM newest AS n LEFT JOIN ${table} AS t ON ${same("t")}
  ${tombstones ? `LEFT JOIN ${tombstones.table} AS d ON ${same("d")}` : ""}
  WHERE ${isNewer("t")} ${tombstones ? `AND ${isNewer("d")}` : ""})${burials}
INSERT INTO ${table} AS t (${names.join(", ")})
SELECT ${names.map((name) => `n.${name}`).join(", ")} FROM fresh AS n WHERE NOT ${isGone}
ON CONFLICT (${keys}) DO UPDATE SET ${assignments(names, key).join(", ")}
WHERE t.${order} IS NULL OR EXCLUDED.${order} > t.${order}`;
  if (!tombstones) return [merge];
  return [`LOCK TABLE ${tombstones.table} IN SHARE ROW EXCLUSIVE MODE`, merge];
}

function assignments(names: readonly string[], key: readonly string[]): string[] {
  return names.filter((name) => !key.includes(name)).map((name) => `${name} = EXCLUDED.${name}`);
}
