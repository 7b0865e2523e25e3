-- What has gone stays gone; what was derived of it stays as long as nothing derives it anew.
DROP TABLE log.facts_aged;
ALTER TABLE retention DROP CONSTRAINT visits_outlive_facts, DROP COLUMN visit_days, DROP COLUMN fact_days;
