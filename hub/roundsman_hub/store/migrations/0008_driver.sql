-- What a driver tells of a stop beyond delivered or failed, what has to be shown for it, and the photos that prove it.

ALTER TABLE orders
    ADD COLUMN items jsonb NOT NULL DEFAULT '[]',           -- [{parcel, name, weight_g}]: what its barcodes say
    ADD COLUMN proof jsonb NOT NULL DEFAULT '[]',           -- of photo, signature, code: what must be shown to have delivered
    ADD COLUMN delivery_code text,                          -- the recipient says it; the van only ever gets its hash
    ADD COLUMN contact_free boolean NOT NULL DEFAULT false;

ALTER TABLE plan_receipts DROP CONSTRAINT plan_receipts_state_check;
ALTER TABLE plan_receipts ADD CONSTRAINT plan_receipts_state_check
    CHECK (state IN ('held', 'shown', 'in_force', 'accepted', 'declined', 'refused'));

-- derived from the log: can be thrown away and computed again

ALTER TABLE actions
    ADD COLUMN parcels jsonb NOT NULL DEFAULT '[]', ADD COLUMN received_by text, ADD COLUMN note text, ADD COLUMN code text;

CREATE TABLE scans (
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    parcel text NOT NULL, event text NOT NULL, order_id text, place text NOT NULL, by_what text NOT NULL, driver_id text, at timestamptz,
    PRIMARY KEY (session_no, seq)
);
CREATE INDEX scans_by_parcel ON scans (fleet_id, parcel);
CREATE TABLE reports (
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    report text NOT NULL, topic text NOT NULL, text text NOT NULL, order_id text, lat_e6 integer, lon_e6 integer, driver_id text,
    at timestamptz, PRIMARY KEY (session_no, seq)
);
CREATE INDEX reports_by_vehicle ON reports (vehicle_id, at);
CREATE TABLE reorders (                       -- the driver's own order of a plan's stops; the newest of a plan holds
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    version bigint NOT NULL, stops jsonb NOT NULL, by_whom text NOT NULL, reason text NOT NULL, at timestamptz,
    PRIMARY KEY (session_no, seq)
);
CREATE INDEX reorders_by_plan ON reorders (vehicle_id, version);
CREATE TABLE risks (                          -- what the van itself expects of its promises; late_s 0: it holds again
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    order_id text NOT NULL, eta timestamptz NOT NULL, promise_end timestamptz NOT NULL, late_s integer NOT NULL, at timestamptz,
    PRIMARY KEY (session_no, seq)
);
CREATE INDEX risks_by_order ON risks (order_id);
CREATE TABLE driver_words (                   -- what drivers answered or wrote
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    message text NOT NULL, text text NOT NULL, about text, order_id text, driver_id text, at timestamptz, PRIMARY KEY (session_no, seq)
);
CREATE INDEX driver_words_by_vehicle ON driver_words (vehicle_id, at);
CREATE TABLE proofs (                         -- `fact`: the action or the report that names it
    session_no integer NOT NULL, seq bigint NOT NULL, sha256 text NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles,
    fleet_id text NOT NULL REFERENCES fleets, order_id text, fact text NOT NULL, kind text NOT NULL, bytes bigint NOT NULL,
    media_type text NOT NULL, at timestamptz, PRIMARY KEY (session_no, seq, sha256)
);
CREATE INDEX proofs_by_order ON proofs (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX proofs_by_hash ON proofs (fleet_id, sha256);

-- the hub's own

CREATE TABLE blobs (                          -- whole and checked, in the hub's folder; until then a proof is pending
    fleet_id text NOT NULL REFERENCES fleets, sha256 text NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles,
    bytes bigint NOT NULL, media_type text NOT NULL, whole_at timestamptz NOT NULL, PRIMARY KEY (fleet_id, sha256)
);
CREATE TABLE unit_configs (                   -- what each unit was last told: another text is another version
    vehicle_id text PRIMARY KEY REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets, version bigint NOT NULL, hash text NOT NULL
);

GRANT SELECT ON scans, reports, reorders, risks, driver_words, proofs, blobs TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['scans', 'reports', 'reorders', 'risks', 'driver_words', 'proofs', 'blobs', 'unit_configs'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
