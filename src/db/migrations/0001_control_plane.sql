CREATE TABLE tributary.projects (
  uid text PRIMARY KEY,
  name text NOT NULL UNIQUE,
  display_name text NOT NULL,
  description text NOT NULL,
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL
);

CREATE TABLE tributary.streams (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  name text NOT NULL UNIQUE,
  display_name text NOT NULL,
  description text NOT NULL,
  schema bytea NOT NULL,
  schema_version bigint NOT NULL,
  key_fields text[] NOT NULL,
  throughput smallint NOT NULL,
  partitions integer NOT NULL,
  generation bigint NOT NULL,
  retention_age_ms bigint NOT NULL,
  retention_bytes bigint NOT NULL,
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.streams (project_uid, create_time, uid);

CREATE TABLE tributary.stream_versions (
  stream_uid text NOT NULL REFERENCES tributary.streams ON DELETE CASCADE,
  schema_version bigint NOT NULL,
  generation bigint NOT NULL,
  schema bytea NOT NULL,
  key_fields text[] NOT NULL,
  partitions integer NOT NULL,
  end_time timestamptz(3) NOT NULL,
  PRIMARY KEY (stream_uid, schema_version, generation)
);

CREATE TABLE tributary.branches (
  uid text PRIMARY KEY,
  stream_uid text NOT NULL REFERENCES tributary.streams ON DELETE CASCADE,
  name text NOT NULL UNIQUE,
  branch_id text NOT NULL,
  shard integer NOT NULL,
  create_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.branches (stream_uid, create_time, uid);
CREATE INDEX ON tributary.branches (shard);

CREATE TABLE tributary.sinks (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  stream_uid text NOT NULL REFERENCES tributary.streams ON DELETE CASCADE,
  -- Checked at the end of the statement: a stream takes its sinks and branches along together.
  branch_uid text NOT NULL REFERENCES tributary.branches,
  name text NOT NULL UNIQUE,
  kind text NOT NULL,
  is_paused boolean NOT NULL,
  restarts bigint NOT NULL,
  start_sequence bigint NOT NULL,
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.sinks (stream_uid, create_time, uid);
CREATE INDEX ON tributary.sinks (branch_uid);
CREATE INDEX ON tributary.sinks (project_uid);

CREATE TABLE tributary.sink_versions (
  sink_uid text NOT NULL REFERENCES tributary.sinks ON DELETE CASCADE,
  number bigint NOT NULL,
  from_sequence bigint NOT NULL,
  sealed bytea NOT NULL,
  create_time timestamptz(3) NOT NULL,
  PRIMARY KEY (sink_uid, number)
);

CREATE TABLE tributary.applications (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  name text NOT NULL UNIQUE,
  display_name text NOT NULL,
  type smallint NOT NULL,
  client_id text NOT NULL UNIQUE,
  is_client_credentials_enabled boolean NOT NULL,
  operations text[] NOT NULL,
  is_disabled boolean NOT NULL,
  last_used_time timestamptz(3),
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.applications (project_uid, create_time, uid);

CREATE TABLE tributary.application_secrets (
  uid text PRIMARY KEY,
  application_uid text NOT NULL REFERENCES tributary.applications ON DELETE CASCADE,
  sha256 bytea NOT NULL,
  hint text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  end_time timestamptz(3)
);
CREATE INDEX ON tributary.application_secrets (application_uid);

CREATE TABLE tributary.grants (
  uid text PRIMARY KEY,
  project_uid text REFERENCES tributary.projects ON DELETE CASCADE,
  stream_uid text REFERENCES tributary.streams ON DELETE CASCADE,
  resource text NOT NULL,
  client_id text NOT NULL REFERENCES tributary.applications (client_id) ON DELETE CASCADE,
  role smallint NOT NULL,
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  UNIQUE (resource, client_id)
);
CREATE INDEX ON tributary.grants (client_id);
CREATE INDEX ON tributary.grants (project_uid);
CREATE INDEX ON tributary.grants (stream_uid);

CREATE TABLE tributary.signing_keys (
  kid text PRIMARY KEY,
  algorithm text NOT NULL,
  public_jwk jsonb NOT NULL,
  sealed_private_key bytea NOT NULL,
  create_time timestamptz(3) NOT NULL,
  use_time timestamptz(3) NOT NULL,
  end_time timestamptz(3)
);

CREATE TABLE tributary.revoked_tokens (
  token_id text PRIMARY KEY,
  client_id text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  end_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.revoked_tokens (end_time);
CREATE INDEX ON tributary.revoked_tokens (create_time);

CREATE TABLE tributary.settings (
  name text PRIMARY KEY,
  value jsonb NOT NULL
);

-- Logs whose stream or branch is gone, until their records are gone as well.
CREATE TABLE tributary.purges (
  log_uid text PRIMARY KEY,
  shard integer NOT NULL,
  create_time timestamptz(3) NOT NULL
);

CREATE TABLE tributary.changes (
  seq bigserial PRIMARY KEY,
  kind text NOT NULL,
  uid text NOT NULL
);

-- The lock makes the order of seq the order of the commits: a reader that has seen seq n has seen all
-- before it. Notifications of one transaction with equal text are folded into one by Postgres.
CREATE FUNCTION tributary.write_change(change_kind text, change_uid text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7318349394477056);
  INSERT INTO tributary.changes (kind, uid) VALUES (change_kind, change_uid);
  PERFORM pg_notify('tributary_changes', '');
END $$;

-- Arguments: kind, and the column that holds the identity.
CREATE FUNCTION tributary.note_change() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  changed jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
  PERFORM tributary.write_change(TG_ARGV[0], changed ->> TG_ARGV[1]);
  RETURN NULL;
END $$;

CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.projects
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('project', 'uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.projects
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION tributary.note_change('project', 'uid');

CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.streams
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('stream', 'uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.streams
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION tributary.note_change('stream', 'uid');

CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON tributary.branches
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('stream', 'stream_uid');

CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.sinks
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('sink', 'uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.sinks
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION tributary.note_change('sink', 'uid');
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON tributary.sink_versions
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('sink', 'sink_uid');

CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.applications
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('application', 'uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.applications
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION tributary.note_change('application', 'uid');
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON tributary.application_secrets
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('application', 'application_uid');

CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON tributary.grants
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('grant', 'uid');

CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON tributary.signing_keys
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('signing_key', 'kid');
CREATE TRIGGER note_change AFTER INSERT ON tributary.revoked_tokens
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('revoked_token', 'token_id');
