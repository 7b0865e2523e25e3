-- Workers of the release before know no fair shares: the first takes every shard that is free.
DROP TABLE log.ingest_workers;
