-- An alert is of a sink, or of a branch where no sink tells it. `sink_name` is the name of either.
ALTER TABLE tributary.alerts ALTER COLUMN sink_uid DROP NOT NULL;
ALTER TABLE tributary.alerts
  ADD COLUMN log_uid text REFERENCES tributary.branches ON DELETE CASCADE,
  ADD CHECK (num_nonnulls(sink_uid, log_uid) = 1);
CREATE UNIQUE INDEX ON tributary.alerts (log_uid, kind) WHERE end_time IS NULL;
CREATE INDEX ON tributary.alerts (log_uid, kind, create_time);
