-- What dispatchers decided about vans and orders, and the diffs of plans, are lost; the journal keeps who decided what.
DROP TABLE triggers, proposals, handovers, vehicle_hands, assignments;
ALTER TABLE depots DROP COLUMN mode;
