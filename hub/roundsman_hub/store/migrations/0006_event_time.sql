-- Event time: what is derived follows the log in whatever order it arrives; what was stated wrongly is corrected, and says why.

-- Receipts as they were told. `plan_receipts` is the fold of these: of each state, the first word in the order of the van's log.
CREATE TABLE receipts_said (
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    version bigint NOT NULL, state text NOT NULL, hash text NOT NULL, reason text, at timestamptz, received_real_at timestamptz NOT NULL,
    PRIMARY KEY (session_no, seq)
);
CREATE INDEX receipts_said_by_plan ON receipts_said (vehicle_id, version, state);

ALTER TABLE actions DROP CONSTRAINT actions_outcome_check;
ALTER TABLE actions ADD CONSTRAINT actions_outcome_check
    CHECK (outcome IN ('arrived', 'delivered', 'partial', 'refused', 'damaged', 'failed', 'undo')) NOT VALID;
ALTER TABLE crossings ADD COLUMN speed_cm_s integer;

-- How often the order of a vehicle's sessions changed, and how many of those changes its orders and receipts were folded with.
CREATE TABLE derive_vehicles (
    vehicle_id text PRIMARY KEY REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    moved bigint NOT NULL DEFAULT 0, folded bigint NOT NULL DEFAULT 0
);
CREATE INDEX derive_vehicles_moved ON derive_vehicles (vehicle_id) WHERE moved <> folded;

-- Which session the live marker is of: when the chain is ordered anew, the marker's guard moves along instead of starting again.
ALTER TABLE vehicle_now ADD COLUMN session text;

-- What somebody should look at, as the log has it by now. `raised_at` is when the hub first knew; all else is derived.
CREATE TABLE alerts (
    alert text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, vehicle_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('long_dwell', 'fence_enter', 'fence_dwell', 'fence_speeding', 'silent', 'late')),
    order_id text, fence_id text, from_at timestamptz NOT NULL, to_at timestamptz, detail jsonb NOT NULL, raised_at timestamptz NOT NULL
);
CREATE INDEX alerts_by_fleet ON alerts (fleet_id, from_at, alert);
CREATE INDEX alerts_by_vehicle ON alerts (vehicle_id, from_at);
CREATE INDEX alerts_by_order ON alerts (order_id) WHERE order_id IS NOT NULL;

-- What was shown, and no longer holds: `was` null: learned late; `now` null: retracted.
CREATE TABLE corrections (
    correction bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, vehicle_id text NOT NULL,
    noun text NOT NULL CHECK (noun IN ('order', 'visit', 'alert')), subject text NOT NULL, order_id text,
    at timestamptz NOT NULL, event_at timestamptz, was jsonb, now jsonb, cause text NOT NULL,
    CHECK (was IS NOT NULL OR now IS NOT NULL)
);
CREATE INDEX corrections_by_fleet ON corrections (fleet_id, correction);
CREATE INDEX corrections_by_order ON corrections (order_id, correction) WHERE order_id IS NOT NULL;

GRANT SELECT ON receipts_said, alerts, corrections TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['receipts_said', 'derive_vehicles', 'alerts', 'corrections'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
