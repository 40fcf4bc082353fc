-- Records of logs that are gone although nobody removed them, as they were noticed.
CREATE TABLE tributary.log_losses (
  log_uid text NOT NULL,
  -- What they were noticed by: the same loss is kept once, however many owners of the shard notice it.
  witness text NOT NULL,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  -- 0 when it is not known.
  first_sequence bigint NOT NULL,
  last_sequence bigint NOT NULL,
  batches bigint NOT NULL,
  message text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  PRIMARY KEY (log_uid, witness)
);
CREATE INDEX ON tributary.log_losses (project_uid);
CREATE INDEX ON tributary.log_losses (create_time);
