-- Records of refused calls, by stream: nothing of them is stored, so nothing else tells their number.
CREATE TABLE tributary.stream_refusals (
  stream_uid text PRIMARY KEY REFERENCES tributary.streams ON DELETE CASCADE,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  records bigint NOT NULL,
  calls bigint NOT NULL,
  last_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.stream_refusals (project_uid);

-- When the first record came by a source; NULL for those that had some before it was noted.
ALTER TABLE tributary.source_stats ADD COLUMN first_time timestamptz(3);
