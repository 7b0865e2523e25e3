-- What a fleet closes is its own: the planner is told by fleet from now on, and what it was told before is forgotten.
DELETE FROM road_state;
CREATE INDEX closures_by_fleet ON closures (fleet_id, until_at);
