-- Fences with hours then count at all hours.
ALTER TABLE fences DROP COLUMN time_zone;
ALTER TABLE fences DROP COLUMN active;
