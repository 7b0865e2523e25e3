DELETE FROM road_state;
DROP INDEX closures_by_fleet;
