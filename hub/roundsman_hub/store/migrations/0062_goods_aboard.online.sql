-- What is still in a van is asked at every plan: its failed stops, and the scans of each.
CREATE INDEX CONCURRENTLY IF NOT EXISTS scans_by_order ON scans (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS order_states_failed ON order_states (vehicle_id) WHERE state = 'failed';
