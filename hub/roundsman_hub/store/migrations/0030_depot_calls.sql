-- Calls at depots and chargers that drivers have ended: what a van has loaded since it left.

-- derived from the log: can be thrown away and computed again

CREATE TABLE depot_calls (                    -- event: loaded, charged, undo (of the call that `undoes` names)
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    call text NOT NULL, stop text NOT NULL, event text NOT NULL, version bigint NOT NULL,
    tasks jsonb NOT NULL,                     -- deliveries whose goods are in the van from now on
    undoes text, driver_id text, at timestamptz, PRIMARY KEY (session_no, seq)
);
CREATE INDEX depot_calls_by_vehicle ON depot_calls (vehicle_id, at);

GRANT SELECT ON depot_calls TO roundsman_tenant;
ALTER TABLE depot_calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_fleet ON depot_calls TO roundsman_tenant USING (fleet_id = current_setting('roundsman.fleet', true))
    WITH CHECK (fleet_id = current_setting('roundsman.fleet', true));
