-- Fixes on plain partitions by day; rows outside every day wait in the default partition: no DDL during ingest.
CREATE TABLE log.fixes (
    time timestamptz NOT NULL, vehicle_id text NOT NULL, session_no integer NOT NULL, seq bigint NOT NULL, mono_ms bigint NOT NULL,
    lat_e6 integer NOT NULL, lon_e6 integer NOT NULL, speed_cm_s integer, heading_cdeg integer, accuracy_dm integer,
    satellites smallint NOT NULL, flags smallint NOT NULL
) PARTITION BY RANGE (time);
CREATE TABLE log.fixes_default PARTITION OF log.fixes DEFAULT;
CREATE INDEX fixes_by_vehicle ON log.fixes (vehicle_id, time);
