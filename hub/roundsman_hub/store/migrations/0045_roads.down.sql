-- What was learned can be learned again; closures, zones and imported speeds are lost.
DROP TABLE learned_speeds, learned_service, closures, access_zones, speed_imports, road_state;
