-- Who people are to the providers of OpenID Connect that they signed in with.
CREATE TABLE tributary.external_identities (
  issuer text NOT NULL,
  subject text NOT NULL,
  person_uid text NOT NULL REFERENCES tributary.persons ON DELETE CASCADE,
  create_time timestamptz(3) NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX ON tributary.external_identities (person_uid);
