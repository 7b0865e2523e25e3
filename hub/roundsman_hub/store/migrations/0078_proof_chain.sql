-- Every hand-over chained to the one before it in its van's log, and how long its pictures are kept.

CREATE TABLE proof_chain (
    vehicle_id text NOT NULL REFERENCES vehicles, n bigint NOT NULL, fleet_id text NOT NULL REFERENCES fleets,
    session_no integer NOT NULL, seq bigint NOT NULL,       -- the log entry that says it
    orders jsonb NOT NULL, proofs jsonb NOT NULL,           -- hashes of photos and signatures
    entry_sha256 text NOT NULL,                             -- of the entry as the van wrote it: position, time, code, words
    link text NOT NULL,                                     -- of the link before, the entry and the proofs
    chained_at timestamptz NOT NULL, PRIMARY KEY (vehicle_id, n), UNIQUE (session_no, seq)
);
ALTER TABLE retention ADD COLUMN proof_days integer NOT NULL DEFAULT 365 CHECK (proof_days BETWEEN 1 AND 36500);

GRANT SELECT ON proof_chain TO roundsman_tenant;
ALTER TABLE proof_chain ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_fleet ON proof_chain TO roundsman_tenant USING (fleet_id = current_setting('roundsman.fleet', true))
    WITH CHECK (fleet_id = current_setting('roundsman.fleet', true));
