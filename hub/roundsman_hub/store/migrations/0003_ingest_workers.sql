-- Ingest workers that share the shards. A row lives as long as its worker's advisory lock; `seen_at` is the server's own clock, the
-- only one that all workers have in common: it says who is alive, and is no business time.
CREATE TABLE log.ingest_workers (
    worker_no  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,                  -- host and process, for people
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    shards     smallint[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
