-- What the installation gives every project is seen from each project's scope, where quotas are checked.
CREATE POLICY default_quotas ON tributary.settings FOR SELECT USING (name = 'default_quotas');
