-- What a fleet sets on its vans' units: how densely they keep and tell, when a standing is a stop, their language. Absent fields leave the
-- unit's own file its say; a vehicle's own settings stand before its fleet's.

CREATE TABLE unit_settings (
    fleet_id text NOT NULL REFERENCES fleets, vehicle_id text NOT NULL DEFAULT '',  -- '': every vehicle of the fleet
    settings jsonb NOT NULL, PRIMARY KEY (fleet_id, vehicle_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON unit_settings TO roundsman_tenant;
ALTER TABLE unit_settings ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_fleet ON unit_settings TO roundsman_tenant USING (fleet_id = current_setting('roundsman.fleet', true))
    WITH CHECK (fleet_id = current_setting('roundsman.fleet', true));
