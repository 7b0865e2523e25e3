-- What a day brings, read from its own pages: how fast the log grows, for `roundsman-hub db size`.
CREATE INDEX CONCURRENTLY IF NOT EXISTS entries_by_receipt ON log.entries USING brin (received_at);
