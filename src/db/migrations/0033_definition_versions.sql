-- Every definition that a stream, source or sink had, with who made it; written by triggers, so no way
-- of changing one is forgotten. Rows outlive what they describe.
CREATE TABLE tributary.definition_versions (
  resource_uid text NOT NULL,
  number bigint NOT NULL,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  name text NOT NULL,
  -- DefinitionVersion.Action.
  action smallint NOT NULL,
  -- A principal's id; empty for the server itself.
  author text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  -- Without secrets; by kind.
  definition jsonb NOT NULL,
  sealed bytea,
  PRIMARY KEY (resource_uid, number)
);
CREATE INDEX ON tributary.definition_versions (project_uid, name, create_time);

CREATE FUNCTION tributary.write_version(
  uid text, project text, resource text, made smallint, def jsonb, secret bytea
) RETURNS void LANGUAGE sql AS $$
  INSERT INTO tributary.definition_versions
  SELECT uid, coalesce(max(number), 0) + 1, project, resource, made,
    coalesce(current_setting('tributary.author', true), ''), now(), def, secret
  FROM tributary.definition_versions WHERE resource_uid = uid
$$;

CREATE FUNCTION tributary.stream_definition(s tributary.streams) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('displayName', s.display_name, 'description', s.description,
    'schema', encode(s.schema, 'base64'), 'keyFields', s.key_fields, 'throughput', s.throughput,
    'retentionAgeMs', s.retention_age_ms, 'retentionBytes', s.retention_bytes,
    'schemaMode', s.schema_mode, 'notifyEmails', s.notify_emails)
$$;

-- Actions: 1 CREATE, 2 UPDATE. What is put back after a deletion writes its own.
CREATE FUNCTION tributary.version_stream() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  def jsonb := tributary.stream_definition(NEW);
BEGIN
  IF current_setting('tributary.restoring', true) = 'on' THEN RETURN NULL; END IF;
  IF TG_OP = 'UPDATE' THEN
    IF def = tributary.stream_definition(OLD) THEN RETURN NULL; END IF;
  END IF;
  PERFORM tributary.write_version(NEW.uid, NEW.project_uid, NEW.name,
    (CASE TG_OP WHEN 'INSERT' THEN 1 ELSE 2 END)::smallint, def, NULL);
  RETURN NULL;
END $$;

CREATE FUNCTION tributary.version_source() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('tributary.restoring', true) = 'on' THEN RETURN NULL; END IF;
  IF TG_OP = 'UPDATE' THEN
    IF NEW.definition = OLD.definition THEN RETURN NULL; END IF;
  END IF;
  PERFORM tributary.write_version(NEW.uid, NEW.project_uid, NEW.name,
    (CASE TG_OP WHEN 'INSERT' THEN 1 ELSE 2 END)::smallint,
    jsonb_build_object('source', encode(NEW.definition, 'base64')), NULL);
  RETURN NULL;
END $$;

CREATE FUNCTION tributary.version_sink() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('tributary.restoring', true) = 'on' THEN RETURN NULL; END IF;
  PERFORM tributary.write_version(s.uid, s.project_uid, s.name,
    (CASE NEW.number WHEN 1 THEN 1 ELSE 2 END)::smallint,
    jsonb_build_object('number', NEW.number, 'fromSequence', NEW.from_sequence), NEW.sealed)
  FROM tributary.sinks s WHERE s.uid = NEW.sink_uid;
  RETURN NULL;
END $$;

CREATE TRIGGER keep_version AFTER INSERT OR UPDATE ON tributary.streams
  FOR EACH ROW EXECUTE FUNCTION tributary.version_stream();
CREATE TRIGGER keep_version AFTER INSERT OR UPDATE ON tributary.sources
  FOR EACH ROW EXECUTE FUNCTION tributary.version_source();
CREATE TRIGGER keep_version AFTER INSERT ON tributary.sink_versions
  FOR EACH ROW EXECUTE FUNCTION tributary.version_sink();

-- What there is already: its authors are not known.
INSERT INTO tributary.definition_versions
SELECT uid, 1, project_uid, name, 1, '', update_time, tributary.stream_definition(s), NULL
FROM tributary.streams s;
INSERT INTO tributary.definition_versions
SELECT uid, 1, project_uid, name, 1, '', update_time,
  jsonb_build_object('source', encode(definition, 'base64')), NULL
FROM tributary.sources;
INSERT INTO tributary.definition_versions
SELECT s.uid, v.number, s.project_uid, s.name, CASE v.number WHEN 1 THEN 1 ELSE 2 END, '',
  v.create_time, jsonb_build_object('number', v.number, 'fromSequence', v.from_sequence), v.sealed
FROM tributary.sink_versions v JOIN tributary.sinks s ON s.uid = v.sink_uid;
