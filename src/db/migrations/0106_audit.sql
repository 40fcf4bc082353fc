-- The audit log. Each project has a chain of its own, and the installation one under the chain ''.
-- Events outlive their project, so nothing refers to it.
CREATE TABLE tributary.audit_events (
  chain text NOT NULL,
  -- 1, 2, 3 … within the chain.
  number bigint NOT NULL DEFAULT 0,
  uid text NOT NULL UNIQUE,
  project_uid text,
  actor_id text NOT NULL,
  method text NOT NULL,
  resource text NOT NULL,
  code text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  -- An encoded tributary.management.v1.AuditEvent, without number and hash.
  event bytea NOT NULL,
  previous_hash bytea NOT NULL DEFAULT '',
  hash bytea NOT NULL DEFAULT '',
  PRIMARY KEY (chain, number)
);
CREATE INDEX ON tributary.audit_events (project_uid, create_time, uid);
CREATE INDEX ON tributary.audit_events (create_time, uid);

-- Links a new event to the last one of its chain. The lock makes the order that of the commits.
CREATE FUNCTION tributary.chain_audit_event() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  last record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('tributary.audit ' || NEW.chain, 0));
  SELECT number, hash INTO last FROM tributary.audit_events
    WHERE chain = NEW.chain ORDER BY number DESC LIMIT 1;
  NEW.number := coalesce(last.number, 0) + 1;
  NEW.previous_hash := coalesce(last.hash, ''::bytea);
  NEW.hash := sha256(NEW.previous_hash
    || convert_to(NEW.chain || '/' || NEW.number || '/', 'UTF8') || NEW.event);
  RETURN NEW;
END $$;
CREATE TRIGGER chain_event BEFORE INSERT ON tributary.audit_events
  FOR EACH ROW EXECUTE FUNCTION tributary.chain_audit_event();

CREATE FUNCTION tributary.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log takes new events only';
END $$;
CREATE TRIGGER only_append BEFORE UPDATE OR DELETE OR TRUNCATE ON tributary.audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION tributary.refuse_audit_change();

-- Takes from the scoped role what apply_isolation gave it with all tables. Called after it.
CREATE FUNCTION tributary.close_audit_log() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF tributary.scoped_role() IS NOT NULL THEN
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON tributary.audit_events FROM %I',
      tributary.scoped_role());
  END IF;
END $$;
