-- Calls that are about to change something. Written before the change, and gone with the event that
-- tells how it ended, so that a server which dies between the two leaves a trace. Also above projects:
-- what is to be made may belong to none yet.
CREATE TABLE tributary.audit_intents (
  uid text PRIMARY KEY,
  create_time timestamptz(3) NOT NULL,
  -- An encoded tributary.management.v1.AuditEvent.
  event bytea NOT NULL
);
CREATE INDEX ON tributary.audit_intents (create_time);

-- Removes the oldest events of a chain up to a number. The caller has written before who removes what,
-- as an event of the same chain: without it, verifying finds that events are missing. Nothing of the
-- last 30 days can be removed, nor the last event, which the next one is linked to.
CREATE FUNCTION tributary.trim_audit_events(trimmed text, through bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  removed bigint;
BEGIN
  IF EXISTS (SELECT FROM tributary.audit_events
      WHERE chain = trimmed AND number <= through AND create_time > now() - interval '30 days')
    OR NOT EXISTS (SELECT FROM tributary.audit_events WHERE chain = trimmed AND number > through)
  THEN
    RAISE EXCEPTION 'the audit log keeps what is younger than 30 days';
  END IF;
  PERFORM set_config('tributary.audit_trim', 'on', true);
  DELETE FROM tributary.audit_events WHERE chain = trimmed AND number <= through;
  GET DIAGNOSTICS removed = ROW_COUNT;
  PERFORM set_config('tributary.audit_trim', '', true);
  RETURN removed;
END $$;

CREATE OR REPLACE FUNCTION tributary.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('tributary.audit_trim', true) = 'on' THEN RETURN NULL; END IF;
  RAISE EXCEPTION 'the audit log takes new events only';
END $$;
