-- What a page asks about again when it changed (`store/turns.py`): the newest of each kind is found without reading the others.
CREATE INDEX CONCURRENTLY IF NOT EXISTS cases_by_change ON cases (fleet_id, changed_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_by_time ON chat (fleet_id, at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_by_time ON outbox (fleet_id, written_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS proposals_by_time ON proposals (fleet_id, at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS proposals_decided ON proposals (fleet_id, decided_at) WHERE decided_at IS NOT NULL;
