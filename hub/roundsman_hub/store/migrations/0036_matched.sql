-- Stretches laid on the streets they were driven on. Beside the simplified line, which stays what the van's own log says.
CREATE TABLE log.matched (
    session_no integer NOT NULL, first_seq bigint NOT NULL,
    profile text NOT NULL,                    -- whose streets: a kind of vehicle
    confidence real,                          -- 0 to 1; null: no street was near, or who matched told none
    matched_m double precision NOT NULL,      -- along the streets
    covered_s double precision NOT NULL,      -- of the stretch that is on streets
    at_ms integer[] NOT NULL,                 -- milliseconds since the stretch began; empty: no street was near
    lat_e6 integer[] NOT NULL, lon_e6 integer[] NOT NULL,
    on_street boolean[] NOT NULL,             -- else a point of the simplified line, between two pieces that are on streets
    PRIMARY KEY (session_no, first_seq),
    FOREIGN KEY (session_no, first_seq) REFERENCES log.stretches ON DELETE CASCADE
);
REVOKE ALL ON log.matched FROM roundsman_tenant;
