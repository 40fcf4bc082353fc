-- Which stream a log belongs, or belonged, to. Usage is counted from what is stored, also after the
-- stream is gone, and the account of a project outlives it: so nothing here goes with a deletion.
CREATE TABLE tributary.usage_logs (
  log_uid text PRIMARY KEY,
  project_uid text NOT NULL,
  project_name text NOT NULL,
  stream_uid text NOT NULL,
  stream_name text NOT NULL
);
INSERT INTO tributary.usage_logs
SELECT b.uid, p.uid, p.name, s.uid, s.name
FROM tributary.branches b
JOIN tributary.streams s ON s.uid = b.stream_uid
JOIN tributary.projects p ON p.uid = s.project_uid;

CREATE FUNCTION tributary.note_log() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tributary.usage_logs
  SELECT NEW.uid, p.uid, p.name, s.uid, s.name
  FROM tributary.streams s JOIN tributary.projects p ON p.uid = s.project_uid
  WHERE s.uid = NEW.stream_uid
  ON CONFLICT (log_uid) DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER note_log AFTER INSERT ON tributary.branches
  FOR EACH ROW EXECUTE FUNCTION tributary.note_log();

-- What was accepted, by stream and day (UTC) of arrival. `charge` is in millionths of a credit, at the
-- prices that held when it was counted, and includes that of the unauthenticated part.
CREATE TABLE tributary.usage_days (
  stream_uid text NOT NULL,
  day date NOT NULL,
  project_uid text NOT NULL,
  project_name text NOT NULL,
  stream_name text NOT NULL,
  records bigint NOT NULL,
  bytes bigint NOT NULL,
  unauthenticated_records bigint NOT NULL,
  unauthenticated_bytes bigint NOT NULL,
  charge numeric NOT NULL,
  unauthenticated_charge numeric NOT NULL,
  PRIMARY KEY (stream_uid, day)
);
CREATE INDEX ON tributary.usage_days (project_uid, day);

-- Up to where each shard is counted; moved in the transaction that writes the counts, and only from
-- the place where the counting began. `identity` tells a shard from one made anew in its place.
CREATE TABLE tributary.usage_marks (
  shard integer NOT NULL,
  identity text NOT NULL,
  sequence bigint NOT NULL,
  PRIMARY KEY (shard, identity)
);

-- Bytes that each project's logs hold on each shard, as the shard's owner last counted them.
CREATE TABLE tributary.stored_bytes (
  shard integer NOT NULL,
  project_uid text NOT NULL,
  bytes bigint NOT NULL,
  PRIMARY KEY (shard, project_uid)
);

-- Credits and refunds; charges are the rows of usage_days.
CREATE TABLE tributary.ledger_entries (
  uid text PRIMARY KEY,
  project_uid text NOT NULL,
  project_name text NOT NULL,
  kind smallint NOT NULL,
  amount_micros bigint NOT NULL,
  stream_uid text,
  stream_name text,
  day date,
  records bigint NOT NULL,
  note text NOT NULL,
  principal_id text NOT NULL,
  request_id text,
  create_time timestamptz(3) NOT NULL,
  UNIQUE (project_uid, request_id)
);
CREATE INDEX ON tributary.ledger_entries (project_uid, create_time, uid);

CREATE FUNCTION tributary.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% takes new rows only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER only_append BEFORE UPDATE OR DELETE OR TRUNCATE ON tributary.ledger_entries
  FOR EACH STATEMENT EXECUTE FUNCTION tributary.refuse_change();

-- What the operator, and for `stop_when_used` the owner, says of a project. No row means: nothing said.
CREATE TABLE tributary.project_limits (
  project_uid text PRIMARY KEY REFERENCES tributary.projects ON DELETE CASCADE,
  -- Null while the project is not suspended.
  suspend_time timestamptz(3),
  suspend_reason text NOT NULL,
  -- Names of quotas with their values; a name that is missing has the installation's default.
  quotas jsonb NOT NULL,
  stop_when_used boolean NOT NULL
);

CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON tributary.project_limits
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('project', 'project_uid');

-- A sink of a suspended project is paused, so the data plane must read it again.
CREATE FUNCTION tributary.note_suspension() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tributary.write_change('sink', s.uid) FROM tributary.sinks s
  WHERE s.project_uid = NEW.project_uid;
  RETURN NULL;
END $$;
CREATE TRIGGER note_suspended AFTER INSERT ON tributary.project_limits
  FOR EACH ROW WHEN (NEW.suspend_time IS NOT NULL)
  EXECUTE FUNCTION tributary.note_suspension();
CREATE TRIGGER note_suspension AFTER UPDATE ON tributary.project_limits
  FOR EACH ROW WHEN (OLD.suspend_time IS DISTINCT FROM NEW.suspend_time)
  EXECUTE FUNCTION tributary.note_suspension();

CREATE TRIGGER note_new AFTER INSERT ON tributary.settings
  FOR EACH ROW WHEN (NEW.name = 'default_quotas')
  EXECUTE FUNCTION tributary.note_change('setting', 'name');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.settings
  FOR EACH ROW WHEN (NEW.name = 'default_quotas' AND OLD.value IS DISTINCT FROM NEW.value)
  EXECUTE FUNCTION tributary.note_change('setting', 'name');
