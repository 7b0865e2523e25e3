-- The customer's side: who receives and how they want to hear, what was said, and what follows when something is wrong or goes back.
-- Keyed by the order as it was first placed (`root_id`): its further attempts have the same customer and the same link.

CREATE TABLE recipients (
    root_id text PRIMARY KEY REFERENCES orders, fleet_id text NOT NULL REFERENCES fleets,
    email text NOT NULL DEFAULT '', push_url text NOT NULL DEFAULT '', language text, timezone text, units text CHECK (units IN ('km', 'mi')),
    channels jsonb NOT NULL DEFAULT '[]',     -- of email, sms, push, whatsapp; empty: the fleet's own choice
    muted jsonb NOT NULL DEFAULT '[]',        -- kinds of notice that this customer does not want
    opted_out_at timestamptz,                 -- wants none at all
    safe_place text NOT NULL DEFAULT '', neighbour text NOT NULL DEFAULT '', note text NOT NULL DEFAULT '',
    shop_instructions text                    -- what the order said before the customer added anything
);
CREATE TABLE service_settings (fleet_id text PRIMARY KEY REFERENCES fleets, settings jsonb NOT NULL);

CREATE TABLE chat (
    line_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, root_id text NOT NULL REFERENCES orders,
    order_id text NOT NULL REFERENCES orders, said_by text NOT NULL CHECK (said_by IN ('customer', 'dispatch')), who text NOT NULL,
    text text NOT NULL, at timestamptz NOT NULL,
    message_id text REFERENCES messages       -- the same words on the driver's screen; the driver's answer names it
);
CREATE INDEX chat_by_order ON chat (root_id, at);

CREATE TABLE cases (
    case_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, root_id text NOT NULL REFERENCES orders,
    order_id text NOT NULL REFERENCES orders, kind text NOT NULL CHECK (kind IN ('return', 'dispute', 'complaint', 'damage', 'call', 'rating')),
    state text NOT NULL, reason text NOT NULL DEFAULT '', text text NOT NULL DEFAULT '', items jsonb NOT NULL DEFAULT '[]',
    stars smallint CHECK (stars BETWEEN 1 AND 5), exchange boolean NOT NULL DEFAULT false, code text,
    pickup_id text REFERENCES orders, delivery_id text REFERENCES orders,
    evidence jsonb NOT NULL DEFAULT '{}',     -- what the log said of the visit when the case was opened
    refund_cents integer CHECK (refund_cents >= 0), opened_at timestamptz NOT NULL, changed_at timestamptz NOT NULL
);
CREATE INDEX cases_by_order ON cases (root_id);
CREATE INDEX cases_by_state ON cases (fleet_id, state);
CREATE TABLE case_steps (
    case_id text NOT NULL REFERENCES cases, step integer NOT NULL, fleet_id text NOT NULL REFERENCES fleets, event text NOT NULL,
    state text NOT NULL, actor text NOT NULL, note text NOT NULL DEFAULT '', at timestamptz NOT NULL, PRIMARY KEY (case_id, step)
);
CREATE TABLE case_photos (
    case_id text NOT NULL REFERENCES cases, sha256 text NOT NULL, fleet_id text NOT NULL REFERENCES fleets, media_type text NOT NULL,
    data bytea NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (case_id, sha256)
);

DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['recipients', 'service_settings', 'chat', 'cases', 'case_steps', 'case_photos'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO roundsman_tenant', t);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_fleet ON %I TO roundsman_tenant USING (fleet_id = current_setting(''roundsman.fleet'', true))
                        WITH CHECK (fleet_id = current_setting(''roundsman.fleet'', true))', t);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON chat, case_steps FROM roundsman_tenant;
