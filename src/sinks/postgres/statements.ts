/** The SQL of a Postgres sink. Identifiers are checked and quoted; values are always parameters. */
import { type PostgresSink, PostgresSink_Mode } from "#gen/tributary/management/v1/sink_pb.js";
import { type Column, castOf, quoteIdentifier, tableOf } from "./columns.ts";

/** Where cursors are kept in the target. */
export const CURSOR_TABLE = "tributary.sink_cursors";

/** Makes schema and table of the cursors; the caller holds an advisory lock. */
export const CREATE_CURSORS = [
  "CREATE SCHEMA IF NOT EXISTS tributary",
  `CREATE TABLE IF NOT EXISTS ${CURSOR_TABLE} (
  sink_uid text NOT NULL,
  partition integer NOT NULL,
  log_uid text NOT NULL,
  sink_name text NOT NULL,
  epoch bigint NOT NULL,
  cursor_epoch bigint,
  cursor bytea,
  request_id text,
  bad_rows jsonb,
  replay_id text,
  replay_bad_rows jsonb,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sink_uid, partition)
)`,
];

/**
 * $1 sink, $2 partition, $3 log, $4 title, $5 epoch. No row comes back when a higher epoch is there.
 * A cursor of another log (the stream was made anew) is dropped.
 */
export const CLAIM = `INSERT INTO ${CURSOR_TABLE} AS c (sink_uid, partition, log_uid, sink_name, epoch)
VALUES ($1, $2::integer, $3, $4, $5::bigint)
ON CONFLICT (sink_uid, partition) DO UPDATE SET
  epoch = EXCLUDED.epoch, log_uid = EXCLUDED.log_uid, sink_name = EXCLUDED.sink_name,
  cursor = CASE WHEN c.log_uid = EXCLUDED.log_uid THEN c.cursor END,
  request_id = CASE WHEN c.log_uid = EXCLUDED.log_uid THEN c.request_id END,
  bad_rows = CASE WHEN c.log_uid = EXCLUDED.log_uid THEN c.bad_rows END
WHERE c.epoch <= EXCLUDED.epoch
RETURNING cursor, cursor_epoch::text, request_id, bad_rows::text`;

/** $1 sink, $2 partition. */
export const READ_STATE = `SELECT epoch::text, request_id, cursor, bad_rows::text, replay_id,
  replay_bad_rows::text FROM ${CURSOR_TABLE} WHERE sink_uid = $1 AND partition = $2::integer`;

/**
 * $1 sink, $2 partition, $3 epoch, $4 request, $5 bad rows, $6 the request before, $7 cursor. Moves the
 * cursor only for its owner and only from the state the owner knows, so neither a fenced owner nor one
 * whose target was restored from a backup gets through.
 */
const FENCE = `UPDATE ${CURSOR_TABLE} SET request_id = $4, bad_rows = $5::text::jsonb, cursor = $7::bytea,
  cursor_epoch = epoch, updated_at = now()
WHERE sink_uid = $1 AND partition = $2::integer AND epoch = $3::bigint
  AND request_id IS NOT DISTINCT FROM $6`;

/** The same for a replay, which leaves the cursor where it is: $1 to $5. */
const REPLAY_FENCE = `UPDATE ${CURSOR_TABLE} SET replay_id = $4, replay_bad_rows = $5::text::jsonb,
  updated_at = now()
WHERE sink_uid = $1 AND partition = $2::integer AND epoch = $3::bigint
  AND replay_id IS DISTINCT FROM $4`;

/** The statements of one table. */
export interface SinkStatements {
  /** Fence and insert in one statement, hence one round trip and one transaction; gives `moved`. */
  readonly write: string;
  readonly replay: string;
  readonly fence: string;
  readonly replayFence: string;
  /** Insert alone, for the search for bad rows. */
  readonly insert: string;
}

/** Builds the statements for a table. */
export function buildStatements(config: PostgresSink, columns: readonly Column[]): SinkStatements {
  const combine = (fence: string, first: number) =>
    `WITH fence AS (${fence} RETURNING 1), stored AS (
${insertOf(config, columns, { first, condition: "EXISTS (SELECT 1 FROM fence)" })} RETURNING 1)
SELECT count(*)::integer AS moved FROM fence`;
  return {
    write: combine(FENCE, 8),
    replay: combine(REPLAY_FENCE, 6),
    fence: `${FENCE} RETURNING 1`,
    replayFence: `${REPLAY_FENCE} RETURNING 1`,
    insert: insertOf(config, columns, { first: 1, condition: "true" }),
  };
}

/** INSERT from arrays; for UPSERT the newest row of a key, which is the last one in a request, wins. */
function insertOf(
  config: PostgresSink,
  columns: readonly Column[],
  { first, condition }: { first: number; condition: string },
): string {
  const names = columns.map((column) => quoteIdentifier(column.name));
  const arrays = columns.map((_, c) => `$${first + c}::text[]`).join(", ");
  const inputs = columns.map((_, c) => `v${c}`).join(", ");
  const casts = columns.map((column, c) => `${castOf(column, `v${c}`)} AS ${names[c]}`).join(", ");
  const rows = `SELECT ${casts}, place FROM unnest(${arrays}) WITH ORDINALITY AS u(${inputs}, place)
WHERE ${condition}`;
  const into = `INSERT INTO ${tableOf(config)} (${names.join(", ")})`;
  if (config.mode !== PostgresSink_Mode.UPSERT) {
    return `${into} SELECT ${names.join(", ")} FROM (${rows}) AS r ORDER BY place`;
  }
  const key = config.primaryKey.map(quoteIdentifier);
  const changes = names.filter((name) => !key.includes(name)).map((n) => `${n} = EXCLUDED.${n}`);
  const action = changes.length === 0 ? "NOTHING" : `UPDATE SET ${changes.join(", ")}`;
  return `${into} SELECT DISTINCT ON (${key.join(", ")}) ${names.join(", ")} FROM (${rows}) AS r
ORDER BY ${key.join(", ")}, place DESC ON CONFLICT (${key.join(", ")}) DO ${action}`;
}
