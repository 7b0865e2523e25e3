-- Who gave the travel times that something was told by: osrm, or great_circle where there were no roads. NULL: told before this was kept.
ALTER TABLE eta_said ADD COLUMN basis text;
ALTER TABLE day_plans ADD COLUMN basis text;
ALTER TABLE offers ADD COLUMN basis text;
