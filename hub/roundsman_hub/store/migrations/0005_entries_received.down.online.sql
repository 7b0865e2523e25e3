DROP INDEX CONCURRENTLY IF EXISTS log.entries_by_receipt;
