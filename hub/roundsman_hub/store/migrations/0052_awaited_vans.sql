-- After a restore the vans know more than the database: since when it waits for their word. And what the planner had to drop of a
-- dispatcher's hand.

ALTER TABLE log.epoch ADD COLUMN raised_real_at timestamptz;

ALTER TABLE alerts DROP CONSTRAINT alerts_kind_check;
ALTER TABLE alerts ADD CONSTRAINT alerts_kind_check CHECK (
    kind IN ('long_dwell', 'fence_enter', 'fence_dwell', 'fence_speeding', 'silent', 'late', 'position_dropped')) NOT VALID;
