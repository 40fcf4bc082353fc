-- How a project proves that the hosts of its webhooks are its own.
CREATE TABLE tributary.ownership_settings (
  project_uid text PRIMARY KEY REFERENCES tributary.projects ON DELETE CASCADE,
  -- 1 PUBLIC_HOSTS, 2 ALL_HOSTS, 3 OFF.
  requirement smallint NOT NULL,
  host_prefix text NOT NULL,
  value_prefix text NOT NULL,
  -- Public by nature: whoever looks at the host's DNS sees it.
  verification_key text NOT NULL,
  -- Newest first.
  older_keys text[] NOT NULL,
  version bigint NOT NULL,
  create_time timestamptz(3) NOT NULL,
  update_time timestamptz(3) NOT NULL,
  rotate_time timestamptz(3) NOT NULL
);
