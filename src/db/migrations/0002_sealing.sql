-- Set before a generation is sealed, and cleared in the transaction that publishes the next one: where
-- it stays, that transaction failed, and the stream takes no records until somebody opens a generation.
ALTER TABLE tributary.streams ADD COLUMN sealing_time timestamptz(3);
CREATE INDEX ON tributary.streams (sealing_time) WHERE sealing_time IS NOT NULL;
