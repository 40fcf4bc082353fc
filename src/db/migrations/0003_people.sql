CREATE TABLE tributary.persons (
  uid text PRIMARY KEY,
  email text NOT NULL UNIQUE CHECK (email = lower(email)),
  display_name text NOT NULL,
  -- PHC string of Argon2id; null for people who sign in elsewhere only.
  password_hash text,
  is_disabled boolean NOT NULL,
  last_sign_in_time timestamptz(3),
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.persons (create_time, uid);

CREATE TABLE tributary.sessions (
  uid text PRIMARY KEY,
  person_uid text NOT NULL REFERENCES tributary.persons ON DELETE CASCADE,
  sha256 bytea NOT NULL UNIQUE,
  address text NOT NULL,
  user_agent text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  last_used_time timestamptz(3) NOT NULL,
  expire_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.sessions (person_uid, create_time, uid);
CREATE INDEX ON tributary.sessions (expire_time);

CREATE TABLE tributary.invitations (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  email text NOT NULL,
  role smallint NOT NULL,
  sha256 bytea NOT NULL UNIQUE,
  creator_id text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  expire_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.invitations (project_uid, create_time, uid);

-- Roles belong to applications and people alike. The generated columns make grants go with whom they
-- belong to; ids of people begin with `person:`, and client ids hold no colon.
ALTER TABLE tributary.grants RENAME COLUMN client_id TO principal_id;
ALTER TABLE tributary.grants DROP CONSTRAINT grants_client_id_fkey;
ALTER TABLE tributary.grants
  ADD COLUMN client_id text GENERATED ALWAYS AS
    (CASE WHEN strpos(principal_id, ':') = 0 THEN principal_id END) STORED
    REFERENCES tributary.applications (client_id) ON DELETE CASCADE,
  ADD COLUMN person_uid text GENERATED ALWAYS AS
    (CASE WHEN principal_id LIKE 'person:%' THEN substr(principal_id, 8) END) STORED
    REFERENCES tributary.persons (uid) ON DELETE CASCADE;
CREATE INDEX ON tributary.grants (client_id);
CREATE INDEX ON tributary.grants (person_uid);

CREATE TRIGGER note_new AFTER INSERT OR DELETE ON tributary.persons
  FOR EACH ROW EXECUTE FUNCTION tributary.note_change('person', 'uid');
CREATE TRIGGER note_update AFTER UPDATE ON tributary.persons
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION tributary.note_change('person', 'uid');
