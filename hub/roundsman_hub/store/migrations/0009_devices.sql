-- A phone or tracker that stands in for a van: one a vehicle. Its token is in the address that it sends to.

CREATE TABLE devices (
    vehicle_id text PRIMARY KEY REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    kind text NOT NULL CHECK (kind IN ('osmand', 'owntracks')),
    unique_id text NOT NULL,                  -- what the device calls itself (OsmAnd's `id`); checked where it says one
    token_sha256 text NOT NULL UNIQUE,        -- 192 random bits: a plain hash is a safe thing to keep
    made_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices TO roundsman_tenant;
ALTER TABLE devices ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_fleet ON devices TO roundsman_tenant USING (fleet_id = current_setting('roundsman.fleet', true))
    WITH CHECK (fleet_id = current_setting('roundsman.fleet', true));
