ALTER TABLE fences DROP COLUMN no_entry;
