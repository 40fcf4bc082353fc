-- Tries to bring records to destinations: kept for days, within a bound for each sink.
CREATE TABLE tributary.attempts (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project_uid text NOT NULL,
  sink_uid text NOT NULL REFERENCES tributary.sinks ON DELETE CASCADE,
  create_time timestamptz(3) NOT NULL,
  -- Attempt.State.
  state smallint NOT NULL,
  -- Those that are neither DELIVERED nor STAGED: they have a bound of their own.
  is_failure boolean NOT NULL,
  request_id text NOT NULL,
  partition integer NOT NULL,
  first_sequence bigint NOT NULL,
  last_sequence bigint NOT NULL,
  -- Bytes of the row, for the bound.
  size integer NOT NULL,
  -- An encoded tributary.management.v1.Attempt: everything but its name, with or without exchanges.
  attempt bytea NOT NULL
);
CREATE INDEX ON tributary.attempts (sink_uid, is_failure, number);
CREATE INDEX ON tributary.attempts (sink_uid, number);
CREATE INDEX ON tributary.attempts (sink_uid, request_id);
CREATE INDEX ON tributary.attempts (create_time);

-- How many attempts of a sink were not noted.
CREATE TABLE tributary.attempt_drops (
  sink_uid text PRIMARY KEY REFERENCES tributary.sinks ON DELETE CASCADE,
  project_uid text NOT NULL,
  count bigint NOT NULL
);
