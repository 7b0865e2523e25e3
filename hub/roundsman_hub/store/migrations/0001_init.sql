-- The hub's first schema. Log tables hold what vans said, in no fleet's name; every other table has fleet_id and row-level security.
-- Business instants come from the injected clock: nothing here says now().

CREATE SCHEMA log;

-- One row: rises when a database was restored or promoted, or a van knows more than the hub.
CREATE TABLE log.epoch (one boolean PRIMARY KEY DEFAULT true CHECK (one), epoch integer NOT NULL);
INSERT INTO log.epoch (epoch) VALUES (1);

CREATE TABLE log.sessions (
    session_no   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id   text NOT NULL,
    session      text NOT NULL,               -- sixteen hex digits
    previous     text,                        -- session before it; known once the first fact arrived
    ordinal      integer NOT NULL DEFAULT 0,  -- position in the vehicle's chain; recomputed when `previous` becomes known
    UNIQUE (vehicle_id, session)
);

CREATE TABLE log.watermarks (
    session_no   integer NOT NULL REFERENCES log.sessions,
    lane         smallint NOT NULL,
    through_seq  bigint NOT NULL,
    PRIMARY KEY (session_no, lane)
) WITH (fillfactor = 70);

CREATE TABLE log.entries (                    -- facts, as received
    vehicle_id   text NOT NULL,
    session_no   integer NOT NULL,
    seq          bigint NOT NULL,
    kind         text NOT NULL,
    mono_ms      bigint NOT NULL,
    time         timestamptz,
    received_at  timestamptz NOT NULL,        -- business time
    received_real_at timestamptz NOT NULL,    -- real time: figures in seconds
    body         text NOT NULL,
    PRIMARY KEY (session_no, seq)
);
CREATE INDEX entries_by_vehicle ON log.entries (vehicle_id, kind, time);

CREATE TABLE log.fixes_untimed (              -- rows without a time, or more than a day in the future
    vehicle_id text NOT NULL, session_no integer NOT NULL, seq bigint NOT NULL, mono_ms bigint NOT NULL, utc_ms bigint,
    lat_e6 integer NOT NULL, lon_e6 integer NOT NULL, speed_cm_s integer, heading_cdeg integer, accuracy_dm integer,
    satellites smallint NOT NULL, flags smallint NOT NULL
);

CREATE TABLE log.gaps (                       -- numbers that will not come, and why
    session_no integer NOT NULL, lane smallint NOT NULL, first_seq bigint NOT NULL, last_seq bigint NOT NULL,
    reason text NOT NULL, noted_at timestamptz NOT NULL,
    PRIMARY KEY (session_no, lane, first_seq)
);

CREATE TABLE log.quarantine (                 -- frames whose body (or header) could not be read
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL, received_at timestamptz NOT NULL, error text NOT NULL, frame bytea NOT NULL,
    session_no integer, lane smallint, first_seq bigint, last_seq bigint, resolved_at timestamptz
);

CREATE TABLE log.alarms (                     -- what a technician should look at: unknown vehicle, wrong shard, unreadable frame
    kind text NOT NULL, subject text NOT NULL, count bigint NOT NULL, first_real_at timestamptz NOT NULL, last_real_at timestamptz NOT NULL,
    detail text NOT NULL, PRIMARY KEY (kind, subject)
);

-- ── the hub's own ──────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE fleets (fleet_id text PRIMARY KEY, name text NOT NULL, timezone text NOT NULL DEFAULT 'UTC');

CREATE TABLE api_keys (
    key_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'dispatcher', 'shop', 'viewer')), name text NOT NULL,
    created_at timestamptz NOT NULL, revoked_at timestamptz
);

CREATE TABLE depots (
    depot_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, name text NOT NULL, address text NOT NULL DEFAULT '',
    lat_e6 integer NOT NULL, lon_e6 integer NOT NULL
);

CREATE TABLE drivers (driver_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, name text NOT NULL, phone text NOT NULL DEFAULT '');

CREATE TABLE vehicles (
    vehicle_id text PRIMARY KEY,              -- opaque, globally unique, never reused
    fleet_id text NOT NULL REFERENCES fleets, name text NOT NULL, depot_id text NOT NULL REFERENCES depots,
    driver_id text REFERENCES drivers, capacity integer NOT NULL CHECK (capacity > 0),
    shift_start timestamptz NOT NULL, shift_end timestamptz NOT NULL, retired_at timestamptz,
    CHECK (shift_end > shift_start)
);

CREATE TABLE fences (
    fence_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, name text NOT NULL,
    rings_e6 jsonb NOT NULL, radius_m double precision, dwell_s integer, speed_limit_cm_s integer, deleted_at timestamptz
);
CREATE TABLE sites_versions (fleet_id text PRIMARY KEY REFERENCES fleets, version bigint NOT NULL);

CREATE TABLE orders (                         -- one order is one task at one stop: order_id names all three on the wire
    order_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, depot_id text NOT NULL REFERENCES depots,
    reference text NOT NULL DEFAULT '', kind text NOT NULL CHECK (kind IN ('delivery', 'pickup')),
    name text NOT NULL DEFAULT '', phone text NOT NULL DEFAULT '', address text NOT NULL, instructions text NOT NULL DEFAULT '',
    lat_e6 integer, lon_e6 integer,           -- null until the address is settled
    placed text NOT NULL CHECK (placed IN ('given', 'geocoded', 'pinned', 'ambiguous', 'unknown', 'off_network')),
    window_start timestamptz NOT NULL, window_end timestamptz NOT NULL,
    promise_start timestamptz, promise_end timestamptz,
    service_s integer NOT NULL CHECK (service_s >= 0), parcels integer NOT NULL CHECK (parcels > 0),
    priority integer NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 9),
    track_token text NOT NULL UNIQUE,         -- unguessable: the customer's page
    created_at timestamptz NOT NULL, cancelled_at timestamptz, revision bigint NOT NULL DEFAULT 1,
    CHECK (window_end >= window_start)
);
CREATE INDEX orders_by_fleet ON orders (fleet_id, window_start);
CREATE UNIQUE INDEX orders_by_reference ON orders (fleet_id, reference) WHERE reference <> '';

CREATE TABLE pins (                           -- a corrected place is remembered
    fleet_id text NOT NULL REFERENCES fleets, address_key text NOT NULL, lat_e6 integer NOT NULL, lon_e6 integer NOT NULL,
    PRIMARY KEY (fleet_id, address_key)
);
CREATE TABLE geocode_queue (                  -- waiting for a person
    order_id text PRIMARY KEY REFERENCES orders, fleet_id text NOT NULL REFERENCES fleets,
    reason text NOT NULL, candidates jsonb NOT NULL, queued_at timestamptz NOT NULL
);

CREATE TABLE idempotency (
    fleet_id text NOT NULL REFERENCES fleets, key text NOT NULL, request_hash text NOT NULL,
    status integer NOT NULL, body text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (fleet_id, key)
);

-- Append-only: orders, changes, dispatcher's actions, plans. What is shown is a fold over log and journal.
CREATE TABLE journal (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets,
    at timestamptz NOT NULL, kind text NOT NULL, subject text NOT NULL, actor text NOT NULL, body jsonb NOT NULL
);
CREATE INDEX journal_by_subject ON journal (subject, seq);

CREATE TABLE plans (
    vehicle_id text NOT NULL REFERENCES vehicles, version bigint NOT NULL, fleet_id text NOT NULL REFERENCES fleets,
    issued_at timestamptz NOT NULL, issued_real_at timestamptz NOT NULL,  -- business and real time: figures in seconds need the latter
    valid_until timestamptz, reason text NOT NULL, changes jsonb NOT NULL,
    plan jsonb NOT NULL,                      -- roundsman_wire.Plan
    hash text NOT NULL, envelope bytea NOT NULL, published_at timestamptz,
    PRIMARY KEY (vehicle_id, version)
);
CREATE TABLE plan_tasks (                     -- which task each plan held: may_hold is computed from here
    vehicle_id text NOT NULL, version bigint NOT NULL, fleet_id text NOT NULL REFERENCES fleets, order_id text NOT NULL REFERENCES orders,
    position integer NOT NULL, PRIMARY KEY (vehicle_id, version, order_id)
);
CREATE INDEX plan_tasks_by_order ON plan_tasks (order_id);

-- Level-triggered planning: there is work while revision > planned.
CREATE TABLE planning (
    depot_id text PRIMARY KEY REFERENCES depots, fleet_id text NOT NULL REFERENCES fleets,
    revision bigint NOT NULL DEFAULT 0, planned bigint NOT NULL DEFAULT 0, reasons jsonb NOT NULL DEFAULT '[]', changed_at timestamptz
);
CREATE TABLE unassigned (order_id text PRIMARY KEY REFERENCES orders, fleet_id text NOT NULL REFERENCES fleets, reason text NOT NULL, at timestamptz NOT NULL);

-- ── derived from log and journal: can be thrown away and computed again ───────────────────────────────────────────────

CREATE TABLE derive_state (session_no integer PRIMARY KEY, through_seq bigint NOT NULL, state jsonb NOT NULL);

CREATE TABLE visits (
    session_no integer NOT NULL, visit integer NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    order_id text, arrived_at timestamptz, left_at timestamptz, lat_e6 integer NOT NULL, lon_e6 integer NOT NULL, confidence real NOT NULL,
    PRIMARY KEY (session_no, visit)
);
CREATE TABLE crossings (
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    fence_id text NOT NULL, event text NOT NULL, at timestamptz, inferred boolean NOT NULL, PRIMARY KEY (session_no, seq)
);
CREATE TABLE actions (                        -- what drivers said of orders; order_states is the fold of these
    session_no integer NOT NULL, seq bigint NOT NULL, order_id text NOT NULL REFERENCES orders,
    vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets, driver_id text,
    action text NOT NULL, outcome text NOT NULL CHECK (outcome IN ('arrived', 'delivered', 'failed', 'undo')), undoes text, reason text,
    at timestamptz NOT NULL, PRIMARY KEY (session_no, seq, order_id)
);
CREATE INDEX actions_by_order ON actions (order_id);
CREATE TABLE order_states (
    order_id text PRIMARY KEY REFERENCES orders, fleet_id text NOT NULL REFERENCES fleets,
    state text NOT NULL CHECK (state IN ('arrived', 'delivered', 'failed')),
    vehicle_id text NOT NULL, driver_id text, at timestamptz NOT NULL, arrived_at timestamptz, reason text, action text NOT NULL
);
CREATE TABLE plan_receipts (
    vehicle_id text NOT NULL, version bigint NOT NULL, fleet_id text NOT NULL REFERENCES fleets,
    state text NOT NULL CHECK (state IN ('held', 'shown', 'in_force', 'declined', 'refused')), hash text NOT NULL, reason text,
    at timestamptz, received_real_at timestamptz NOT NULL, PRIMARY KEY (vehicle_id, version, state)
);
CREATE TABLE duties (
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    driver_id text, duty text NOT NULL, at timestamptz, PRIMARY KEY (session_no, seq)
);
CREATE TABLE fix_gaps (
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    from_at timestamptz NOT NULL, to_at timestamptz NOT NULL, reason text NOT NULL, PRIMARY KEY (session_no, seq)
);

-- ── live: one row a vehicle or order, newest wins ─────────────────────────────────────────────────────────────────────

CREATE TABLE vehicle_now (
    vehicle_id text PRIMARY KEY REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    session_ordinal integer NOT NULL DEFAULT 0, ord bigint NOT NULL DEFAULT 0, online boolean NOT NULL DEFAULT false,
    time timestamptz, lat_e6 integer, lon_e6 integer, speed_cm_s integer, heading_cdeg integer, duty text NOT NULL DEFAULT 'off',
    next_stop text, plan_version bigint NOT NULL DEFAULT 0, backlog integer NOT NULL DEFAULT 0, seen_real_at timestamptz
) WITH (fillfactor = 50);
CREATE TABLE etas (
    order_id text PRIMARY KEY REFERENCES orders, fleet_id text NOT NULL REFERENCES fleets, vehicle_id text NOT NULL, plan_version bigint NOT NULL,
    position integer NOT NULL, eta timestamptz NOT NULL, low timestamptz NOT NULL, high timestamptz NOT NULL, computed_at timestamptz NOT NULL,
    basis text NOT NULL
) WITH (fillfactor = 50);

-- ── tenants ─────────────────────────────────────────────────────────────────────────────────────────────────────────

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'roundsman_tenant') THEN CREATE ROLE roundsman_tenant NOLOGIN; END IF;
END $$;
GRANT roundsman_tenant TO CURRENT_USER;       -- the hub steps down to it (SET LOCAL ROLE) for whatever a fleet asks
GRANT USAGE ON SCHEMA public TO roundsman_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO roundsman_tenant;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO roundsman_tenant;
REVOKE UPDATE, DELETE ON journal FROM roundsman_tenant;
REVOKE ALL ON schema_migrations, derive_state FROM roundsman_tenant;
REVOKE ALL ON ALL TABLES IN SCHEMA log FROM roundsman_tenant;

DO $$ DECLARE t text; BEGIN
    FOR t IN SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'fleet_id' WHERE n.nspname = 'public' AND c.relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;

-- What a tenant may read of a vehicle's log: through functions that check whose vehicle it is.
CREATE FUNCTION own_vehicle(vehicle text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT EXISTS (SELECT FROM vehicles v WHERE v.vehicle_id = vehicle AND v.fleet_id = current_setting('roundsman.fleet', true)) $$;
