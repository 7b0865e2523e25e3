DROP TABLE log.matched;
