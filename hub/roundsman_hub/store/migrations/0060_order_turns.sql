-- What people decided and saw of an order after its first attempt. An attempt that ended is a fact and stays one: each further try, and
-- each way to a neighbour or a locker, is an order of its own (`next_order_id`), of the same root.

CREATE TABLE order_turns (
    turn bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fleet_id text NOT NULL REFERENCES fleets,
    root_id text NOT NULL REFERENCES orders,   -- the order as it was first placed
    order_id text NOT NULL REFERENCES orders,  -- the attempt that it is about
    event text NOT NULL CHECK (event IN ('today', 'tomorrow', 'neighbour', 'locker', 'depot', 'sender', 'cancel', 'unloaded', 'handed_back')),
    vehicle_id text REFERENCES vehicles,       -- the van that had the goods on board
    next_order_id text UNIQUE REFERENCES orders, actor text NOT NULL, at timestamptz NOT NULL, body jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX order_turns_by_root ON order_turns (root_id, turn);
CREATE INDEX order_turns_by_order ON order_turns (order_id);

-- Goods of ended attempts that are still in a van: until they are unloaded, or the next attempt carries them on.
CREATE VIEW goods_aboard WITH (security_invoker = true) AS
    SELECT s.order_id, s.fleet_id, s.vehicle_id, s.at, o.parcels, o.needs
    FROM order_states s JOIN orders o USING (order_id)
    WHERE o.kind = 'delivery' AND s.state = 'failed'
      AND NOT EXISTS (SELECT FROM order_turns t WHERE t.event = 'unloaded' AND t.at >= s.at
                      AND t.root_id = coalesce((SELECT r.root_id FROM order_turns r WHERE r.next_order_id = s.order_id), s.order_id))
      AND NOT EXISTS (SELECT FROM order_turns t JOIN orders n ON n.order_id = t.next_order_id
                      WHERE t.order_id = s.order_id AND t.event IN ('today', 'neighbour', 'locker') AND n.cancelled_at IS NULL)
      AND (SELECT count(DISTINCT c.parcel) FROM scans c WHERE c.order_id = s.order_id AND c.vehicle_id = s.vehicle_id
           AND c.event = 'unloaded' AND c.at > s.at) < greatest(1, jsonb_array_length(o.items))
    UNION ALL   -- called off with the goods on board, before any attempt of theirs ended
    SELECT o.order_id, o.fleet_id, t.vehicle_id, t.at, o.parcels, o.needs
    FROM order_turns t JOIN orders o USING (order_id)
    WHERE o.kind = 'delivery' AND o.cancelled_at IS NOT NULL AND t.vehicle_id IS NOT NULL
      AND t.event IN ('tomorrow', 'depot', 'sender', 'cancel')
      AND NOT EXISTS (SELECT FROM order_states s WHERE s.order_id = o.order_id AND s.state IN ('delivered', 'failed'))
      AND NOT EXISTS (SELECT FROM order_turns c WHERE c.next_order_id = o.order_id AND c.event IN ('today', 'neighbour', 'locker'))
      AND NOT EXISTS (SELECT FROM order_turns u WHERE u.root_id = t.root_id AND u.event = 'unloaded' AND u.turn > t.turn);

-- What failed before there was a word for unloading has long left its van.
INSERT INTO order_turns (fleet_id, root_id, order_id, event, vehicle_id, actor, at)
    SELECT fleet_id, order_id, order_id, 'unloaded', vehicle_id, 'migration', at FROM order_states JOIN orders USING (order_id, fleet_id)
    WHERE state = 'failed' AND kind = 'delivery';

GRANT SELECT, INSERT ON order_turns TO roundsman_tenant;
GRANT SELECT ON goods_aboard TO roundsman_tenant;
ALTER TABLE order_turns ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_fleet ON order_turns TO roundsman_tenant USING (fleet_id = current_setting('roundsman.fleet', true))
    WITH CHECK (fleet_id = current_setting('roundsman.fleet', true));
