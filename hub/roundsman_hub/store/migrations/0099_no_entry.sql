-- A fence that nobody may enter: only then is a crossing something that a person must see to.
ALTER TABLE fences ADD COLUMN no_entry boolean NOT NULL DEFAULT false;
