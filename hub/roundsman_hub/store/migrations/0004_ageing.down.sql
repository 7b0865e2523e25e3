-- Numbers whose raw fixes are gone stay in log.gaps, so the log's own books are right without these tables.
-- The simplified tracks and the days' numbers of such times are lost: take a backup first.
DROP TABLE log.aged, log.days_due, log.days_seen, log.stretches, vehicle_days, retention;
