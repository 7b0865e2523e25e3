-- What is learned of streets and stops, and what closes or slows streets for a while.

CREATE TABLE learned_speeds (                 -- of all fleets' tracks: streets are nobody's; only the newest is in force
    version bigint PRIMARY KEY, made_at timestamptz NOT NULL, numbers jsonb NOT NULL, body bytea NOT NULL
);
CREATE TABLE learned_service (
    fleet_id text NOT NULL REFERENCES fleets, version bigint NOT NULL, made_at timestamptz NOT NULL, numbers jsonb NOT NULL,
    body bytea NOT NULL, PRIMARY KEY (fleet_id, version)
);
CREATE TABLE closures (                       -- closed once, from an instant to another
    closure_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, name text NOT NULL, ring_e6 jsonb NOT NULL,
    kinds text[] NOT NULL, from_at timestamptz NOT NULL, until_at timestamptz NOT NULL, actor text NOT NULL, made_at timestamptz NOT NULL,
    CHECK (until_at > from_at)
);
CREATE INDEX closures_by_end ON closures (until_at);
CREATE TABLE access_zones (                   -- closed at the same hours of each week
    zone_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, name text NOT NULL, ring_e6 jsonb NOT NULL,
    kinds text[] NOT NULL, hours jsonb NOT NULL, timezone text NOT NULL, actor text NOT NULL, made_at timestamptz NOT NULL
);
CREATE TABLE speed_imports (                  -- OSRM's format: from,to,kmh
    import_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, lines integer NOT NULL, body text NOT NULL,
    from_at timestamptz NOT NULL, until_at timestamptz NOT NULL, actor text NOT NULL, made_at timestamptz NOT NULL,
    CHECK (until_at > from_at)
);
CREATE INDEX speed_imports_by_end ON speed_imports (until_at);
CREATE TABLE road_state (                     -- what the planner was last told of: a change asks for another plan, once
    one boolean PRIMARY KEY DEFAULT true CHECK (one), told text NOT NULL
);

ALTER TABLE learned_speeds ENABLE ROW LEVEL SECURITY;  -- the hub's own: no fleet has a policy for them
ALTER TABLE road_state ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON learned_service, closures, access_zones, speed_imports TO roundsman_tenant;
GRANT INSERT, UPDATE, DELETE ON closures, access_zones, speed_imports TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['learned_service', 'closures', 'access_zones', 'speed_imports'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
