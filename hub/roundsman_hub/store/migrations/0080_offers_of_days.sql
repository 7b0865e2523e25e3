-- An offer for a day to come: checked against that day's book, not against the living plan; nobody may be planned for it yet.
ALTER TABLE offers ADD COLUMN day date, ALTER COLUMN arrival_at DROP NOT NULL;
