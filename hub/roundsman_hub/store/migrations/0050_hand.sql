-- The living plan: the dispatcher's hand on it, what was proposed and adopted with its diff, and which news the planner has seen.

ALTER TABLE depots ADD COLUMN mode text NOT NULL DEFAULT 'automatic' CHECK (mode IN ('automatic', 'ask', 'off'));

CREATE TABLE assignments (                    -- what a dispatcher decided about an order's van: every later plan keeps it
    order_id text PRIMARY KEY REFERENCES orders, fleet_id text NOT NULL REFERENCES fleets,
    vehicle_id text REFERENCES vehicles, position integer CHECK (position > 0),
    before jsonb NOT NULL DEFAULT '[]',       -- stops that stood before it in the route when it got its position
    forbid jsonb NOT NULL DEFAULT '[]',       -- vehicles that may not have it
    actor text NOT NULL, at timestamptz NOT NULL
);
CREATE TABLE vehicle_hands (                  -- what a dispatcher decided about a vehicle: its route is locked; it is out of the day
    vehicle_id text PRIMARY KEY REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    locked boolean NOT NULL DEFAULT false, out_reason text CHECK (out_reason IN ('broken_down', 'driver_sick')),
    actor text NOT NULL, at timestamptz NOT NULL
);
CREATE TABLE handovers (                      -- a van has no longer what its plan said: the driver said so, or gave the goods to another
    order_id text NOT NULL REFERENCES orders, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    version bigint NOT NULL,                  -- plans of the vehicle up to this one no longer hold the order
    to_vehicle_id text REFERENCES vehicles,   -- who has the goods now; null: they are at the depot
    said text NOT NULL, actor text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (order_id, vehicle_id, version)
);
CREATE TABLE proposals (                      -- a change of a depot's plans: who decided about it, and what it was
    proposal_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, depot_id text NOT NULL REFERENCES depots,
    at timestamptz NOT NULL, state text NOT NULL CHECK (state IN ('waiting', 'adopted', 'rejected', 'superseded')),
    reasons jsonb NOT NULL, diff jsonb NOT NULL,
    before jsonb NOT NULL, after jsonb NOT NULL,  -- routes of the vehicles that it changes
    versions jsonb NOT NULL DEFAULT '{}',     -- plans that it was told with
    decided_at timestamptz, actor text, note text NOT NULL DEFAULT ''
);
CREATE INDEX proposals_by_depot ON proposals (depot_id, at DESC);
CREATE TABLE triggers (                       -- news that was answered already: a reason to plan counts once, or once more when it grew
    depot_id text NOT NULL REFERENCES depots, fleet_id text NOT NULL REFERENCES fleets, kind text NOT NULL, subject text NOT NULL,
    level double precision NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (depot_id, kind, subject)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON assignments, vehicle_hands, handovers, proposals, triggers TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['assignments', 'vehicle_hands', 'handovers', 'proposals', 'triggers'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
