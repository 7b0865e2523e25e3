-- What people ask, and what a vehicle's day is derived from: an index for each. Fixes have theirs from the start: (vehicle_id, time).
CREATE INDEX CONCURRENTLY IF NOT EXISTS visits_by_vehicle ON visits (vehicle_id, arrived_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS visits_by_order ON visits (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS visits_outside_plan ON visits (fleet_id, arrived_at, session_no, visit) WHERE order_id IS NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS visits_by_place ON visits (fleet_id, lat_e6, lon_e6);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crossings_by_vehicle ON crossings (vehicle_id, at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS duties_by_vehicle ON duties (vehicle_id, at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS fix_gaps_by_vehicle ON fix_gaps (vehicle_id, from_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS order_states_by_vehicle ON order_states (vehicle_id, at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_address ON orders (fleet_id, lower(address));
CREATE INDEX CONCURRENTLY IF NOT EXISTS journal_by_time ON journal (fleet_id, at, seq);
