-- Mails on their way out. A body may hold a one-time link, so it is encrypted, and gone once the mail is
-- settled.
CREATE TABLE tributary.mails (
  uid text PRIMARY KEY,
  project_uid text REFERENCES tributary.projects ON DELETE CASCADE,
  -- Of several mails with one key only the first is sent.
  key text UNIQUE,
  recipient text NOT NULL,
  subject text NOT NULL,
  sealed_text bytea,
  attempts integer NOT NULL,
  -- Null once the mail was sent or given up.
  next_attempt_time timestamptz(3),
  sent_time timestamptz(3),
  -- Why the last attempt failed; empty for none.
  last_error text NOT NULL,
  create_time timestamptz(3) NOT NULL
);
CREATE INDEX ON tributary.mails (next_attempt_time) WHERE next_attempt_time IS NOT NULL;
CREATE INDEX ON tributary.mails (create_time);
CREATE INDEX ON tributary.mails (project_uid);
