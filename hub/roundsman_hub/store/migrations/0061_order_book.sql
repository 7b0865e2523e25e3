-- The order book over days: when a fleet works, what customers may choose, who drives what on which day, and each day's plan before it
-- is released to the vans.

CREATE TABLE calendars (fleet_id text PRIMARY KEY REFERENCES fleets, spec jsonb NOT NULL);
CREATE TABLE service_levels (fleet_id text NOT NULL REFERENCES fleets, name text NOT NULL, spec jsonb NOT NULL, PRIMARY KEY (fleet_id, name));
CREATE TABLE roster (
    vehicle_id text NOT NULL REFERENCES vehicles, day date NOT NULL, fleet_id text NOT NULL REFERENCES fleets,
    driver_id text REFERENCES drivers, shift_start timestamptz NOT NULL, shift_end timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, day), CHECK (shift_end > shift_start)
);
CREATE INDEX roster_by_day ON roster (fleet_id, day);
CREATE TABLE day_plans (                      -- a day's plan until it is released; then the living plan goes on from it
    depot_id text NOT NULL REFERENCES depots, day date NOT NULL, fleet_id text NOT NULL REFERENCES fleets,
    state text NOT NULL CHECK (state IN ('draft', 'approved', 'released')),
    routes jsonb NOT NULL,                    -- by vehicle: [{order, arrival}], in driving order
    unassigned jsonb NOT NULL, cost_cents bigint NOT NULL, note text NOT NULL,
    made_at timestamptz NOT NULL, made_by text NOT NULL, approved_at timestamptz, approved_by text,
    released_at timestamptz, released_by text, proposal_id text, PRIMARY KEY (depot_id, day)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON calendars, service_levels, roster, day_plans TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['calendars', 'service_levels', 'roster', 'day_plans'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
