-- Windows that were offered to a customer: what was found, what is held while they think, what they took.

CREATE TABLE offers (
    offer_id text PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets, depot_id text NOT NULL REFERENCES depots,
    order_id text REFERENCES orders,          -- null until a shop's checkout makes the order
    ask jsonb NOT NULL,                       -- where, what and how long: the planner counts a held offer as work that is there
    window_start timestamptz NOT NULL, window_end timestamptz NOT NULL, arrival_at timestamptz NOT NULL,
    added_cents integer NOT NULL, green boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('offered', 'held', 'accepted', 'released')),  -- expired: held, and held_until has passed
    offered_at timestamptz NOT NULL, good_until timestamptz NOT NULL, held_until timestamptz, settled_at timestamptz,
    CHECK (window_end > window_start), CHECK ((state = 'held') <= (held_until IS NOT NULL))
);
CREATE INDEX offers_held ON offers (depot_id, held_until) WHERE state = 'held';
CREATE INDEX offers_by_order ON offers (order_id) WHERE order_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON offers TO roundsman_tenant;
ALTER TABLE offers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_fleet ON offers TO roundsman_tenant USING (fleet_id = current_setting('roundsman.fleet', true))
    WITH CHECK (fleet_id = current_setting('roundsman.fleet', true));
