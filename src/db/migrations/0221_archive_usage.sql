-- Bytes of the files that a project's archives hold: part of what it stores.
CREATE TABLE tributary.archived_bytes (
  project_uid text PRIMARY KEY,
  bytes bigint NOT NULL
);
INSERT INTO tributary.archived_bytes
SELECT project_uid, sum(bytes) FROM tributary.archive_files GROUP BY 1;

-- Bytes of files that were added to archives, by day of their writing.
ALTER TABLE tributary.usage_days ADD COLUMN archived_bytes bigint NOT NULL DEFAULT 0;

CREATE FUNCTION tributary.count_archived() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO tributary.usage_days AS u (stream_uid, day, project_uid, project_name, stream_name,
      records, bytes, unauthenticated_records, unauthenticated_bytes, charge,
      unauthenticated_charge, archived_bytes)
    SELECT l.stream_uid, (NEW.create_time AT TIME ZONE 'UTC')::date, l.project_uid, l.project_name,
      l.stream_name, 0, 0, 0, 0, 0, 0, NEW.bytes
    FROM tributary.usage_logs l WHERE l.log_uid = NEW.log_uid
    ON CONFLICT (stream_uid, day) DO UPDATE
      SET archived_bytes = u.archived_bytes + excluded.archived_bytes;
    INSERT INTO tributary.archived_bytes AS a (project_uid, bytes)
    VALUES (NEW.project_uid, NEW.bytes)
    ON CONFLICT (project_uid) DO UPDATE SET bytes = a.bytes + excluded.bytes;
  ELSE
    UPDATE tributary.archived_bytes SET bytes = bytes - OLD.bytes
    WHERE project_uid = OLD.project_uid;
    DELETE FROM tributary.archived_bytes WHERE project_uid = OLD.project_uid AND bytes <= 0;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER count_archived AFTER INSERT OR DELETE ON tributary.archive_files
  FOR EACH ROW EXECUTE FUNCTION tributary.count_archived();
