-- Units keep the last config that they were told, until they are told another.
DROP TABLE unit_settings;
