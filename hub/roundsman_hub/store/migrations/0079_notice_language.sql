-- The language that a notice is written in: a letter in HTML has to say it.
ALTER TABLE outbox ADD COLUMN language text NOT NULL DEFAULT '';
