-- What dispatchers write to drivers, which reports are settled, and every order that a standstill served.

CREATE TABLE messages (                       -- the hub's own; what drivers say is in driver_words
    message_id text PRIMARY KEY, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    text text NOT NULL, order_id text REFERENCES orders, actor text NOT NULL, at timestamptz NOT NULL, valid_until timestamptz NOT NULL,
    published_at timestamptz                  -- when the broker first had it
);
CREATE INDEX messages_by_vehicle ON messages (vehicle_id, at);
CREATE TABLE settled_reports (
    fleet_id text NOT NULL REFERENCES fleets, report text NOT NULL, actor text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (fleet_id, report)
);

-- derived from the log: can be thrown away and computed again

CREATE TABLE messages_shown (
    session_no integer NOT NULL, seq bigint NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles, fleet_id text NOT NULL REFERENCES fleets,
    message text NOT NULL, at timestamptz, PRIMARY KEY (session_no, seq)
);
CREATE INDEX messages_shown_by_message ON messages_shown (message);
CREATE TABLE visit_orders (                   -- orders behind the same door have one visit
    session_no integer NOT NULL, visit integer NOT NULL, order_id text NOT NULL, vehicle_id text NOT NULL REFERENCES vehicles,
    fleet_id text NOT NULL REFERENCES fleets, PRIMARY KEY (session_no, visit, order_id)
);
CREATE INDEX visit_orders_by_order ON visit_orders (order_id);
CREATE VIEW order_visits WITH (security_invoker = true) AS
    SELECT session_no, visit, vehicle_id, fleet_id, order_id, arrived_at, left_at, lat_e6, lon_e6, confidence
    FROM visits WHERE order_id IS NOT NULL
    UNION
    SELECT v.session_no, v.visit, v.vehicle_id, v.fleet_id, o.order_id, v.arrived_at, v.left_at, v.lat_e6, v.lon_e6, v.confidence
    FROM visit_orders o JOIN visits v USING (session_no, visit);

GRANT SELECT ON messages, messages_shown, settled_reports, visit_orders, order_visits TO roundsman_tenant;
GRANT INSERT ON messages, settled_reports TO roundsman_tenant;
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['messages', 'settled_reports', 'messages_shown', 'visit_orders'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
