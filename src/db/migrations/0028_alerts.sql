-- Whom a project tells what goes wrong with its sinks.
CREATE TABLE tributary.alert_settings (
  project_uid text PRIMARY KEY REFERENCES tributary.projects ON DELETE CASCADE,
  recipients text[] NOT NULL,
  webhook_url text NOT NULL,
  -- Secret of Standard Webhooks.
  sealed_secret bytea,
  -- Alert.Kind; all when empty.
  kinds smallint[] NOT NULL,
  loss_warning_ms bigint NOT NULL,
  version bigint NOT NULL,
  update_time timestamptz(3) NOT NULL
);

-- Episodes, with what came of telling them.
CREATE TABLE tributary.alerts (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  sink_uid text NOT NULL REFERENCES tributary.sinks ON DELETE CASCADE,
  sink_name text NOT NULL,
  -- Alert.Kind.
  kind smallint NOT NULL,
  reason text NOT NULL,
  message text NOT NULL,
  create_time timestamptz(3) NOT NULL,
  -- Null while it goes on.
  end_time timestamptz(3),
  mail_count integer NOT NULL,
  mail_error text NOT NULL,
  webhook_attempts integer NOT NULL,
  webhook_error text NOT NULL,
  webhook_time timestamptz(3),
  -- When it is to be told (again); null when there is nothing left to tell.
  due_time timestamptz(3)
);
-- One open episode of a kind, whichever node notices it first.
CREATE UNIQUE INDEX ON tributary.alerts (sink_uid, kind) WHERE end_time IS NULL;
CREATE INDEX ON tributary.alerts (sink_uid, kind, create_time);
CREATE INDEX ON tributary.alerts (project_uid, create_time, uid);
CREATE INDEX ON tributary.alerts (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX ON tributary.alerts (create_time);

-- The ledger of sinks from time to time, so that it can be told for a range of time.
CREATE TABLE tributary.sink_ledgers (
  sink_uid text NOT NULL REFERENCES tributary.sinks ON DELETE CASCADE,
  create_time timestamptz(3) NOT NULL,
  project_uid text NOT NULL,
  settled_sequence bigint NOT NULL,
  pushed bigint NOT NULL,
  delivered bigint NOT NULL,
  filtered bigint NOT NULL,
  held bigint NOT NULL,
  discarded bigint NOT NULL,
  expired bigint NOT NULL,
  pending bigint NOT NULL,
  PRIMARY KEY (sink_uid, create_time)
);
CREATE INDEX ON tributary.sink_ledgers (create_time);
