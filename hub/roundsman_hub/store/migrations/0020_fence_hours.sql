-- When a standing fence counts: [{"days", "start_min", "end_min"}] on the wall clock of its time zone; null: at all hours.
ALTER TABLE fences ADD COLUMN active jsonb;
ALTER TABLE fences ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC';
