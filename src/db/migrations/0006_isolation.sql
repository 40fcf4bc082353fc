-- Every row that belongs to a project says to which one, so that one policy holds for all tables.
ALTER TABLE tributary.branches ADD COLUMN project_uid text;
UPDATE tributary.branches b SET project_uid = s.project_uid
  FROM tributary.streams s WHERE s.uid = b.stream_uid;
ALTER TABLE tributary.branches ALTER COLUMN project_uid SET NOT NULL;

ALTER TABLE tributary.stream_versions ADD COLUMN project_uid text;
UPDATE tributary.stream_versions v SET project_uid = s.project_uid
  FROM tributary.streams s WHERE s.uid = v.stream_uid;
ALTER TABLE tributary.stream_versions ALTER COLUMN project_uid SET NOT NULL;

ALTER TABLE tributary.sink_versions ADD COLUMN project_uid text;
UPDATE tributary.sink_versions v SET project_uid = s.project_uid
  FROM tributary.sinks s WHERE s.uid = v.sink_uid;
ALTER TABLE tributary.sink_versions ALTER COLUMN project_uid SET NOT NULL;

ALTER TABLE tributary.application_secrets ADD COLUMN project_uid text;
UPDATE tributary.application_secrets v SET project_uid = a.project_uid
  FROM tributary.applications a WHERE a.uid = v.application_uid;
ALTER TABLE tributary.application_secrets ALTER COLUMN project_uid SET NOT NULL;

-- The role that queries run as: it owns nothing and cannot leave row-level security. One for each
-- user that connects, so that two installations in one cluster share none.
CREATE FUNCTION tributary.scoped_role() RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT rolname::text FROM pg_roles
  WHERE rolname = left(session_user, 56) || '_scoped'
    -- From 16 on a member may be barred from SET ROLE.
    AND pg_has_role(session_user, oid,
      CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
$$;

-- Opens the scope of a transaction: 'project' with the project's name, or 'installation'.
CREATE FUNCTION tributary.enter(scope text, project text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  scoped text := tributary.scoped_role();
BEGIN
  PERFORM set_config('tributary.scope', scope, true), set_config('tributary.project', project, true);
  IF scoped IS NOT NULL THEN PERFORM set_config('role', scoped, true); END IF;
END $$;

CREATE FUNCTION tributary.sees_all() RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT current_setting('tributary.scope', true) = 'installation' $$;

-- Uid of the project in scope; null outside any, and in the scope of one that does not exist.
CREATE FUNCTION tributary.project_in_scope() RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT uid FROM tributary.projects
  WHERE current_setting('tributary.scope', true) = 'project'
    AND name = current_setting('tributary.project', true)
$$;

-- Row-level security on every table there is, and the rights of the scoped role. Called after each
-- migration, so a new table is closed from the start: one with `project_uid` shows the rows of the
-- project in scope, any other one nothing but to the installation.
CREATE FUNCTION tributary.apply_isolation() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  scoped text := left(session_user, 56) || '_scoped';
  found record;
  condition text;
BEGIN
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = scoped) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', scoped);
    END IF;
    IF tributary.scoped_role() IS NULL THEN
      EXECUTE format('GRANT %I TO %I', scoped, session_user);
    END IF;
  EXCEPTION
    -- Another database of the cluster made it meanwhile; or this user may make none, and then the
    -- forced policies hold for the user itself.
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END;
  FOR found IN
    SELECT c.oid, c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS is_closed,
      EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'project_uid'
        AND NOT a.attisdropped) AS has_project
    FROM pg_class c WHERE c.relnamespace = 'tributary'::regnamespace
      AND c.relkind IN ('r', 'p') AND c.relname <> 'migrations'
  LOOP
    condition := CASE
      WHEN found.name = 'projects'
        THEN 'tributary.sees_all() OR name = current_setting(''tributary.project'', true)'
      WHEN found.has_project
        THEN 'tributary.sees_all() OR project_uid = (SELECT tributary.project_in_scope())'
      ELSE 'tributary.sees_all()'
    END;
    IF NOT found.is_closed THEN
      EXECUTE format('ALTER TABLE tributary.%I ENABLE ROW LEVEL SECURITY', found.name);
      EXECUTE format('ALTER TABLE tributary.%I FORCE ROW LEVEL SECURITY', found.name);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = found.oid AND polname = 'scope') THEN
      EXECUTE format('CREATE POLICY scope ON tributary.%I USING (%s)', found.name, condition);
    END IF;
  END LOOP;
  IF tributary.scoped_role() IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA tributary TO %I', scoped);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tributary TO %I', scoped);
    EXECUTE format('REVOKE ALL ON tributary.migrations FROM %I', scoped);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA tributary TO %I', scoped);
  END IF;
END $$;

-- What a change of one project leaves for the whole installation: written from any scope, read from
-- above only.
CREATE POLICY write_only ON tributary.changes FOR INSERT WITH CHECK (true);
CREATE POLICY write_only ON tributary.purges FOR INSERT WITH CHECK (true);

-- A project shows its members.
CREATE POLICY member ON tributary.persons FOR SELECT
  USING (EXISTS (SELECT FROM tributary.grants g WHERE g.person_uid = persons.uid));
