-- Long changes: one worker at a time has a task, by a lease, and goes on from its position.
CREATE TABLE tributary.tasks (
  uid text PRIMARY KEY,
  project_uid text NOT NULL REFERENCES tributary.projects ON DELETE CASCADE,
  name text NOT NULL UNIQUE,
  kind smallint NOT NULL,
  resource text NOT NULL,
  input jsonb NOT NULL,
  position jsonb,
  -- 1 PENDING, 2 RUNNING, 3 SUCCEEDED, 4 FAILED, 5 CANCELLED.
  state smallint NOT NULL,
  done bigint NOT NULL,
  total bigint NOT NULL,
  error text NOT NULL,
  attempts integer NOT NULL,
  is_cancel_wanted boolean NOT NULL,
  lease_holder text,
  lease_end_time timestamptz(3),
  due_time timestamptz(3) NOT NULL,
  create_time timestamptz(3) NOT NULL,
  start_time timestamptz(3),
  end_time timestamptz(3)
);
CREATE INDEX ON tributary.tasks (project_uid, create_time, uid);
CREATE INDEX ON tributary.tasks (due_time) WHERE state IN (1, 2);

-- 1 READY, 2 COPYING, 3 FAILED.
ALTER TABLE tributary.branches ADD COLUMN state smallint NOT NULL DEFAULT 1;
ALTER TABLE tributary.branches ADD COLUMN copy_of text NOT NULL DEFAULT '';
ALTER TABLE tributary.branches ADD COLUMN task_name text NOT NULL DEFAULT '';
