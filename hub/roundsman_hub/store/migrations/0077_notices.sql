-- What customers and shops are written: a durable outbox, and what each customer was last told.

CREATE TABLE outbox (
    notice_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, root_id text REFERENCES orders, order_id text REFERENCES orders,
    key text NOT NULL UNIQUE,                 -- order, kind, revision and channel: the same thing is never written down twice
    kind text NOT NULL, channel text NOT NULL CHECK (channel IN ('email', 'sms', 'push', 'whatsapp', 'webhook')),
    address text NOT NULL, subject text NOT NULL, body text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'dead')),
    tries integer NOT NULL DEFAULT 0, last_error text NOT NULL DEFAULT '',
    written_at timestamptz NOT NULL, not_before timestamptz NOT NULL,  -- business time: quiet hours
    retry_real_at timestamptz, claimed_real_at timestamptz, sent_at timestamptz
);
CREATE INDEX outbox_due ON outbox (not_before) WHERE state IN ('waiting', 'sending');
CREATE INDEX outbox_dead ON outbox (fleet_id, written_at) WHERE state = 'dead';
CREATE INDEX outbox_by_order ON outbox (root_id);
CREATE TABLE told (                           -- the newest that a customer was told of an order: what is new is measured against it
    order_id text PRIMARY KEY REFERENCES orders, fleet_id text NOT NULL REFERENCES fleets, stage text NOT NULL,
    low timestamptz, high timestamptz, at timestamptz NOT NULL, changes integer NOT NULL DEFAULT 0
);

DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['outbox', 'told'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO roundsman_tenant', t);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
