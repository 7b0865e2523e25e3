-- Devices must be registered again; what they sent stays in the log.
DROP TABLE devices;
