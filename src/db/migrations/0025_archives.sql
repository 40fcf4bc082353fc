-- Archives: where the records of streams are kept beyond their logs.

-- An encoded tributary.management.v1.Archive without its secret; once set, it stays.
ALTER TABLE tributary.streams ADD COLUMN archive bytea;
-- Whether the archive takes records.
ALTER TABLE tributary.streams ADD COLUMN is_archived boolean NOT NULL DEFAULT false;
ALTER TABLE tributary.streams ADD COLUMN sealed_archive_secret bytea;

-- The archive of a log. It outlives its stream until its files are gone, hence no foreign keys.
CREATE TABLE tributary.archives (
  log_uid text PRIMARY KEY,
  project_uid text NOT NULL,
  stream_uid text NOT NULL,
  -- What the names of its files begin with.
  folder text NOT NULL,
  -- As in streams, when the newest file was planned.
  archive bytea NOT NULL,
  sealed_archive_secret bytea,
  -- Every record below it is in a file that is (or was) in archive_files.
  next_sequence bigint NOT NULL,
  -- The file under way: its last sequence, and the schema of its columns.
  planned_sequence bigint,
  planned_schema_version bigint,
  cause text NOT NULL DEFAULT '',
  cause_time timestamptz(3)
);
CREATE INDEX ON tributary.archives (stream_uid);

-- The manifest: a file that is not here does not count.
CREATE TABLE tributary.archive_files (
  log_uid text NOT NULL REFERENCES tributary.archives ON DELETE CASCADE,
  project_uid text NOT NULL,
  from_sequence bigint NOT NULL,
  to_sequence bigint NOT NULL,
  name text NOT NULL,
  records bigint NOT NULL,
  bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  first_time timestamptz(3) NOT NULL,
  last_time timestamptz(3) NOT NULL,
  create_time timestamptz(3) NOT NULL,
  -- Set before its file is deleted; nobody reads it from then on.
  expire_time timestamptz(3),
  PRIMARY KEY (log_uid, from_sequence)
);
CREATE INDEX ON tributary.archive_files (log_uid, to_sequence);
