-- What the planner has to keep beyond windows, parcels and shifts: set by the API (domain/terms.py says what may be in them), empty by default.
ALTER TABLE orders ADD COLUMN needs jsonb NOT NULL DEFAULT '{}';
ALTER TABLE vehicles ADD COLUMN terms jsonb NOT NULL DEFAULT '{}';
ALTER TABLE drivers ADD COLUMN terms jsonb NOT NULL DEFAULT '{}';
ALTER TABLE depots ADD COLUMN terms jsonb NOT NULL DEFAULT '{}';
ALTER TABLE fleets ADD COLUMN planning jsonb NOT NULL DEFAULT '{}';
