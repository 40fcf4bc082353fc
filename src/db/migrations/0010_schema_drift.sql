-- 1 STRICT, 2 EVOLVE, 3 OPEN.
ALTER TABLE tributary.streams ADD COLUMN schema_mode smallint NOT NULL DEFAULT 1;
ALTER TABLE tributary.streams ADD COLUMN notify_emails text[] NOT NULL DEFAULT '{}';

-- One row for each new shape of records on a stream that takes what its schema does not know.
CREATE TABLE tributary.schema_proposals (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  stream_uid text NOT NULL REFERENCES tributary.streams ON DELETE CASCADE,
  -- Of what differs from the schema of that time: the same difference is told once.
  shape_hash text NOT NULL,
  schema_version bigint NOT NULL,
  -- The record that showed it, as JSON text.
  sample bytea NOT NULL,
  -- 1 PENDING, 2 ACCEPTED, 3 DISMISSED.
  state smallint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  decide_time timestamptz(3),
  UNIQUE (stream_uid, shape_hash)
);
CREATE INDEX ON tributary.schema_proposals (stream_uid, create_time, uid);
CREATE INDEX ON tributary.schema_proposals (project_uid);
