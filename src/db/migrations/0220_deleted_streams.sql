-- Streams that were deleted and can be brought back. Their logs, and their sinks' things, are asked for
-- by table every few seconds.
CREATE INDEX ON tributary.deleted_rows (table_name) WHERE table_name IN ('branches', 'sinks');

-- Puts a role back; that of an application or person who is gone is left out.
CREATE FUNCTION tributary.restore_grant(kept jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tributary.grants
    (uid, project_uid, stream_uid, resource, principal_id, role, version, create_time)
  SELECT uid, project_uid, stream_uid, resource, principal_id, role, version, create_time
  FROM jsonb_populate_record(NULL::tributary.grants, kept)
  ON CONFLICT DO NOTHING;
EXCEPTION
  WHEN foreign_key_violation THEN NULL;
END $$;
