-- Fixes on a hypertable (used where the timescaledb extension is).
CREATE TABLE log.fixes (
    time timestamptz NOT NULL, vehicle_id text NOT NULL, session_no integer NOT NULL, seq bigint NOT NULL, mono_ms bigint NOT NULL,
    lat_e6 integer NOT NULL, lon_e6 integer NOT NULL, speed_cm_s integer, heading_cdeg integer, accuracy_dm integer,
    satellites smallint NOT NULL, flags smallint NOT NULL
);
SELECT create_hypertable('log.fixes', 'time', chunk_time_interval => interval '1 day', create_default_indexes => false);
CREATE INDEX fixes_by_vehicle ON log.fixes (vehicle_id, time);
