-- Links for people who forgot their password: good once, for an hour.
CREATE TABLE tributary.password_resets (
  -- SHA-256 of the token in the link.
  sha256 bytea PRIMARY KEY,
  person_uid text NOT NULL REFERENCES tributary.persons ON DELETE CASCADE,
  expire_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.password_resets (person_uid);
CREATE INDEX ON tributary.password_resets (expire_time);
