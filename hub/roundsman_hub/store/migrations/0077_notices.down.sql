DROP TABLE told, outbox;
