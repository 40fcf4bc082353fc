-- How the polling of sources goes; one node at a time asks, by a lease.
CREATE TABLE tributary.source_polls (
  source_uid text PRIMARY KEY REFERENCES tributary.sources ON DELETE CASCADE,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  cursor text NOT NULL DEFAULT '',
  etag text NOT NULL DEFAULT '',
  last_modified text NOT NULL DEFAULT '',
  seen jsonb NOT NULL DEFAULT '[]',
  failures integer NOT NULL DEFAULT 0,
  cause text NOT NULL DEFAULT '',
  last_attempt_time timestamptz(3),
  last_success_time timestamptz(3),
  next_time timestamptz(3) NOT NULL,
  lease_holder text,
  lease_end_time timestamptz(3)
);
CREATE INDEX ON tributary.source_polls (project_uid);
CREATE INDEX ON tributary.source_polls (next_time);
