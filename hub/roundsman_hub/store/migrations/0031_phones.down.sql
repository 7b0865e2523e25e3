-- Devices over MQTT have to be registered anew.
DELETE FROM devices WHERE kind = 'owntracks_mqtt';
ALTER TABLE devices DROP COLUMN broker_password;
ALTER TABLE devices DROP CONSTRAINT devices_kind_check;
ALTER TABLE devices ADD CONSTRAINT devices_kind_check CHECK (kind IN ('osmand', 'owntracks'));
