-- What the hub does by itself at night: tomorrow's plan of each depot, and learning from the days that were. One row a night and subject.

CREATE TABLE nightly_times (                  -- without a row, the usual hour
    depot_id text PRIMARY KEY REFERENCES depots, fleet_id text NOT NULL REFERENCES fleets,
    plan_at text CHECK (plan_at ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$')  -- local; null: no plan is made by itself
);
CREATE TABLE nightly_runs (
    kind text NOT NULL CHECK (kind IN ('plan', 'learn')),
    subject text NOT NULL,                    -- a depot; of learning: a fleet, or "hub" for the one run that all fleets share
    day date NOT NULL,                        -- plan: the day that it is for; learn: the morning that it ran on
    fleet_id text REFERENCES fleets,
    state text NOT NULL CHECK (state IN ('running', 'done', 'nothing', 'failed')),
    started_at timestamptz NOT NULL, claimed_real_at timestamptz NOT NULL, ended_at timestamptz,
    adopted boolean, says text NOT NULL DEFAULT '', PRIMARY KEY (kind, subject, day)
);

GRANT SELECT ON nightly_runs TO roundsman_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON nightly_times TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['nightly_times', 'nightly_runs'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
