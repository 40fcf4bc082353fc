-- A sink that has handed its stream over delivers what stands below this sequence; 0 for one that has not.
ALTER TABLE tributary.sinks ADD COLUMN end_sequence bigint NOT NULL DEFAULT 0;
-- What a task needs that is secret.
ALTER TABLE tributary.tasks ADD COLUMN sealed bytea;
