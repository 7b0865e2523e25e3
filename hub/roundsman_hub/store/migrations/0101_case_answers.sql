-- What the customer reads with the newest step of a case; a step's note stays inside.
ALTER TABLE cases ADD COLUMN answer text NOT NULL DEFAULT '';
