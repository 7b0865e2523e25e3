-- OwnTracks over MQTT: a device that logs in to the broker, as the vehicle that it stands in for.

ALTER TABLE devices DROP CONSTRAINT devices_kind_check;
ALTER TABLE devices ADD CONSTRAINT devices_kind_check CHECK (kind IN ('osmand', 'owntracks', 'owntracks_mqtt'));
ALTER TABLE devices ADD COLUMN broker_password text;  -- as mosquitto's password file has it: salted and hashed
