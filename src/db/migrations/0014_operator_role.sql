-- An operator's role stands on no project and counts on all: it is seen from each project's scope, where
-- the role of a caller is looked for.
CREATE POLICY installation ON tributary.grants FOR SELECT USING (project_uid IS NULL);
