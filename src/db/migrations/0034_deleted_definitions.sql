-- Definitions that were deleted and can be brought back: their rows as they were.
CREATE TABLE tributary.deleted_definitions (
  -- Of the stream, source or sink.
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  name text NOT NULL,
  author text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  purge_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.deleted_definitions (project_uid, create_time, uid);
CREATE INDEX ON tributary.deleted_definitions (purge_time);

CREATE TABLE tributary.deleted_rows (
  definition_uid text NOT NULL REFERENCES tributary.deleted_definitions ON DELETE CASCADE,
  -- In which order they are put back.
  number integer NOT NULL,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  table_name text NOT NULL,
  -- Without its sealed column, which is rewrapped when the master key rotates.
  content jsonb NOT NULL,
  sealed bytea,
  PRIMARY KEY (definition_uid, number)
);
