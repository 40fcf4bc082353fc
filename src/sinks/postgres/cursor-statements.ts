/** The SQL of the cursors that are kept in the target. Values are always parameters. */

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
  replay_bad_rows::text, (extract(epoch FROM updated_at) * 1000)::bigint::text AS updated_ms FROM ${CURSOR_TABLE} WHERE sink_uid = $1 AND partition = $2::integer`;

/**
 * $1 sink, $2 partition, $3 epoch, $4 request, $5 the request before, $6 cursor. Moves the
 * cursor only for its owner and only from the state the owner knows, so neither a fenced owner nor one
 * whose target was restored from a backup gets through.
 */
const FENCE = `UPDATE ${CURSOR_TABLE} SET request_id = $4, bad_rows = NULL, cursor = $6::bytea,
  cursor_epoch = epoch, updated_at = now()
WHERE sink_uid = $1 AND partition = $2::integer AND epoch = $3::bigint
  AND request_id IS NOT DISTINCT FROM $5`;

/** The same for a replay, which leaves the cursor where it is: $1 to $4. */
const REPLAY_FENCE = `UPDATE ${CURSOR_TABLE} SET replay_id = $4, replay_bad_rows = NULL,
  updated_at = now()
WHERE sink_uid = $1 AND partition = $2::integer AND epoch = $3::bigint
  AND replay_id IS DISTINCT FROM $4`;

/** One statement that fails with a division by zero when the fence lets nothing through. */
const closing = (fence: string) =>
  `WITH moved AS (${fence} RETURNING 1) SELECT 1 / count(*) FROM moved`;

/** $1 sink, $2 partition, $3 bad rows, which are known once all rows were encoded or tried. */
const badRowsInto = (column: string) => `UPDATE ${CURSOR_TABLE} SET ${column} = $3::text::jsonb
WHERE sink_uid = $1 AND partition = $2::integer`;

/** What depends on whether rows are delivered or replayed. */
export interface CursorStatements {
  /** Moves the cursor, or fails with a division by zero. */
  readonly fence: string;
  readonly keepBadRows: string;
}

export const DELIVERY: CursorStatements = {
  fence: closing(FENCE),
  keepBadRows: badRowsInto("bad_rows"),
};

/**
 * The fence of a request whose cursor takes for granted that all rows of the request before were good: that one
 * has committed, and has kept no bad rows.
 */
export const FOLLOWER_FENCE = closing(`${FENCE} AND bad_rows IS NULL`);

export const REPLAY: CursorStatements = {
  fence: closing(REPLAY_FENCE),
  keepBadRows: badRowsInto("replay_bad_rows"),
};
