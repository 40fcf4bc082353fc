-- Master keys that a key management service has wrapped: only it opens them. Not secret without it.
CREATE TABLE tributary.managed_master_keys (
  -- See core/envelope.ts.
  id bytea PRIMARY KEY,
  -- Which key of which service opens it.
  kms_key text NOT NULL,
  wrapped bytea NOT NULL,
  create_time timestamptz(3) NOT NULL DEFAULT now()
);
