-- Raw fixes age into simplified stretches of track, and those into a row a vehicle and day.

-- How long a fleet keeps what; a fleet without a row keeps it as long as the release says.
CREATE TABLE retention (
    fleet_id text PRIMARY KEY REFERENCES fleets,
    raw_days integer NOT NULL CHECK (raw_days BETWEEN 2 AND 3650), track_days integer NOT NULL,
    CHECK (track_days BETWEEN raw_days AND 36500)
);

-- A day of a vehicle in numbers, in its fleet's own time zone. Kept for good; corrected when late logs arrive.
CREATE TABLE vehicle_days (
    vehicle_id text NOT NULL REFERENCES vehicles, day date NOT NULL, fleet_id text NOT NULL REFERENCES fleets, timezone text NOT NULL,
    first_fix_at timestamptz, last_fix_at timestamptz, fixes bigint NOT NULL,
    driven_m double precision NOT NULL, moving_s double precision NOT NULL, standing_s double precision NOT NULL,
    gap_s double precision NOT NULL,          -- the van told that it had no position
    max_speed_cm_s integer,
    stops integer NOT NULL,                   -- visits at places of the plan
    other_stops integer NOT NULL,             -- visits elsewhere
    computed_at timestamptz NOT NULL,         -- business time
    revision integer NOT NULL DEFAULT 1,
    late_fixes bigint NOT NULL DEFAULT 0,     -- came after the raw fixes of their day had gone
    PRIMARY KEY (vehicle_id, day)
);
CREATE INDEX vehicle_days_by_fleet ON vehicle_days (fleet_id, day);

-- Unbroken pieces of track whose raw fixes are gone, or are about to go (`raw`).
CREATE TABLE log.stretches (
    vehicle_id text NOT NULL, session_no integer NOT NULL, first_seq bigint NOT NULL, last_seq bigint NOT NULL,
    from_at timestamptz NOT NULL, to_at timestamptz NOT NULL,
    broken boolean NOT NULL,                  -- no line may be drawn to it
    led boolean NOT NULL,                     -- the leg from the stretch before is in the numbers, or there is none
    driven_m double precision NOT NULL, moving_s double precision NOT NULL, standing_s double precision NOT NULL,
    first_speed_cm_s integer, max_speed_cm_s integer,
    at_ms integer[] NOT NULL,                 -- milliseconds since from_at
    lat_e6 integer[] NOT NULL, lon_e6 integer[] NOT NULL,
    raw boolean NOT NULL DEFAULT true,
    PRIMARY KEY (session_no, first_seq)
);
CREATE INDEX stretches_by_vehicle ON log.stretches (vehicle_id, from_at);

-- What the day's rows are computed from, as it was last looked at; and the days to be computed (anew).
CREATE TABLE log.days_seen (
    session_no integer PRIMARY KEY, track_seq bigint NOT NULL, facts_seq bigint NOT NULL, untimed bigint NOT NULL, set_aside bigint NOT NULL,
    last_at timestamptz
);
CREATE TABLE log.days_due (vehicle_id text NOT NULL, day date NOT NULL, PRIMARY KEY (vehicle_id, day));

-- Through which day a fleet's raw fixes were let go: what comes of such a day now, comes late.
CREATE TABLE log.aged (fleet_id text PRIMARY KEY, through timestamptz NOT NULL);

REVOKE ALL ON log.stretches, log.days_seen, log.days_due, log.aged FROM roundsman_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON retention TO roundsman_tenant;
GRANT SELECT ON vehicle_days TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['retention', 'vehicle_days'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
