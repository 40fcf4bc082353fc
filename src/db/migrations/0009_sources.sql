CREATE TABLE tributary.sources (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  stream_uid text NOT NULL REFERENCES tributary.streams ON DELETE CASCADE,
  name text NOT NULL UNIQUE,
  public_id text NOT NULL UNIQUE,
  definition bytea NOT NULL,
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.sources (stream_uid, create_time, uid);
CREATE INDEX ON tributary.sources (project_uid);

CREATE TABLE tributary.source_keys (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  source_uid text NOT NULL REFERENCES tributary.sources ON DELETE CASCADE,
  sha256 bytea,
  sealed bytea,
  hint text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  end_time timestamptz(3),
  last_used_time timestamptz(3),
  CHECK ((sha256 IS NULL) <> (sealed IS NULL))
);
CREATE INDEX ON tributary.source_keys (source_uid);
CREATE INDEX ON tributary.source_keys (project_uid);

-- Counted apart from the definition: nobody is woken when these rows change.
CREATE TABLE tributary.source_stats (
  source_uid text PRIMARY KEY REFERENCES tributary.sources ON DELETE CASCADE,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  requests bigint NOT NULL,
  records bigint NOT NULL,
  bytes bigint NOT NULL,
  unauthenticated_records bigint NOT NULL,
  unauthenticated_bytes bigint NOT NULL,
  quarantined bigint NOT NULL,
  refused bigint NOT NULL,
  last_time timestamptz(3)
);
CREATE INDEX ON tributary.source_stats (project_uid);

CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.sources
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('source', 'uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.sources
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION tributary.note_change('source', 'uid');
CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.source_keys
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('source', 'source_uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.source_keys
  FOR EACH ROW WHEN (OLD.end_time IS DISTINCT FROM NEW.end_time)
  EXECUTE FUNCTION tributary.note_change('source', 'source_uid');
