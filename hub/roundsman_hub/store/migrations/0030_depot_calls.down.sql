-- It can be derived again from the log.
DROP TABLE depot_calls;
