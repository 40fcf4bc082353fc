ALTER TABLE tributary.applications
  ADD COLUMN public_keys jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN is_secret_refused boolean NOT NULL DEFAULT false,
  ADD COLUMN is_dpop_required boolean NOT NULL DEFAULT false;

-- Client assertions and DPoP proofs that were used, until they would have expired anyway.
CREATE TABLE tributary.used_proofs (
  digest text PRIMARY KEY,
  end_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.used_proofs (end_time);

-- Personal and service tokens. The uid is the part of the token by which it is looked up.
CREATE TABLE tributary.tokens (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  name text NOT NULL UNIQUE,
  kind smallint NOT NULL,
  -- Who made it; a personal token acts as this person.
  maker_id text NOT NULL,
  resource text NOT NULL,
  -- Identity of the stream, sink or source of that name: a later one of the name is another.
  resource_uid text NOT NULL,
  role smallint NOT NULL,
  operations text[] NOT NULL,
  description text NOT NULL,
  used_by text NOT NULL,
  sha256 bytea NOT NULL,
  -- The secret before a refresh, while it works on.
  old_sha256 bytea,
  old_end_time timestamptz(3),
  is_disabled boolean NOT NULL,
  end_time timestamptz(3),
  last_used_time timestamptz(3),
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.tokens (project_uid, create_time, uid);
CREATE INDEX ON tributary.tokens (maker_id);
CREATE INDEX ON tributary.tokens (used_by) WHERE used_by <> '';

CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.tokens
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('token', 'uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.tokens
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION tributary.note_change('token', 'uid');
