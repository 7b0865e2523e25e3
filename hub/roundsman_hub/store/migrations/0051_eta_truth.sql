-- Arrival times that are held to what happened: what was said and when, how it turned out, and the widths that follow from that.

CREATE TABLE eta_said (                       -- thinned: when it changed by something that a person would notice
    order_id text NOT NULL REFERENCES orders, said_at timestamptz NOT NULL, fleet_id text NOT NULL REFERENCES fleets,
    vehicle_id text NOT NULL, eta timestamptz NOT NULL, low timestamptz NOT NULL, high timestamptz NOT NULL,
    scored boolean NOT NULL DEFAULT false, PRIMARY KEY (order_id, said_at)
);
CREATE INDEX eta_said_open ON eta_said (order_id) WHERE NOT scored;
CREATE TABLE eta_hits (                       -- one for each order and horizon: the first word that was said that far ahead
    order_id text NOT NULL REFERENCES orders, horizon_min integer NOT NULL, fleet_id text NOT NULL REFERENCES fleets,
    vehicle_id text NOT NULL, said_at timestamptz NOT NULL, eta timestamptz NOT NULL, low timestamptz NOT NULL, high timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL, inside boolean NOT NULL, PRIMARY KEY (order_id, horizon_min)
);
CREATE INDEX eta_hits_by_fleet ON eta_hits (fleet_id, arrived_at);
CREATE TABLE eta_calibrations (
    fleet_id text NOT NULL REFERENCES fleets, horizon_min integer NOT NULL, state jsonb NOT NULL, PRIMARY KEY (fleet_id, horizon_min)
);

GRANT SELECT ON eta_said, eta_hits, eta_calibrations TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['eta_said', 'eta_hits', 'eta_calibrations'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
