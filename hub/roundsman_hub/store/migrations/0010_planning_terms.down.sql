-- Plans then keep windows, parcels and shifts alone.
ALTER TABLE fleets DROP COLUMN planning;
ALTER TABLE depots DROP COLUMN terms;
ALTER TABLE drivers DROP COLUMN terms;
ALTER TABLE vehicles DROP COLUMN terms;
ALTER TABLE orders DROP COLUMN needs;
