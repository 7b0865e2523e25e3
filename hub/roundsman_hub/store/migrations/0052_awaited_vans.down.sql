-- Alerts on dropped positions are lost; the journal keeps them.
ALTER TABLE log.epoch DROP COLUMN raised_real_at;
DELETE FROM alerts WHERE kind = 'position_dropped';
ALTER TABLE alerts DROP CONSTRAINT alerts_kind_check;
ALTER TABLE alerts ADD CONSTRAINT alerts_kind_check
    CHECK (kind IN ('long_dwell', 'fence_enter', 'fence_dwell', 'fence_speeding', 'silent', 'late')) NOT VALID;
